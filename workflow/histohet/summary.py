"""The key figures of a run, by name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from histohet.clinical.endpoints import endpoints_of
from histohet.cohort.select import of_endpoint
from histohet.survival.cox import fit_cox
from histohet.survival.endpoint import BEST_CUT, SCORE

MODELS = {
    "high_vs_low": ("high vs low", "group"),
    "high_vs_low_adjusted": ("high vs low, adjusted", "group"),
    "per_sd": ("per SD", "score"),
    "per_sd_adjusted": ("per SD, adjusted", "score"),
    "per_sd_tile_count": ("per SD, tile count", "score"),
    "best_cut": (BEST_CUT, "group"),
}
"""Estimates that are reported: name, and model and term in the table of estimates."""

ESTIMATE_COLUMNS = ("hazard_ratio", "lower", "upper", "p", "permutation_p", "n", "events")


def hazard_ratios(estimates: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the hazard ratio of the score for every endpoint and model, or why there is none.

    Parameters
    ----------
    estimates
        Columns ``endpoint``, ``model``, ``term``, `ESTIMATE_COLUMNS`, ``status``, ``reason``.
    """
    by_endpoint = estimates.groupby("endpoint", sort=False)
    return {str(endpoint): _of_models(rows) for endpoint, rows in by_endpoint}


def _of_models(estimates: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (model, term) in MODELS.items():
        rows = estimates[estimates["model"] == model]
        of_score = rows[(rows["term"] == term) & (rows["status"] == "ok")]
        if len(of_score):
            row = of_score.iloc[0]
            values = {column: _plain(row[column]) for column in ESTIMATE_COLUMNS}
            found[name] = values | {"status": "ok"}
        elif len(rows):
            row = rows.iloc[0]
            found[name] = {"status": str(row["status"]), "reason": str(row["reason"])}
    return found


def variant_figures(
    slides: pd.DataFrame,
    estimates: pd.DataFrame | None,
    agreement: pd.DataFrame | None = None,
    patients: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the key figures of one variant.

    Parameters
    ----------
    slides
        Cohort table, one row per slide.
    estimates
        See `hazard_ratios`; None without clinical data.
    agreement
        Agreement with the planted subclones; None where they are not known.
    patients
        See `planted_estimate`; None without clinical data.
    """
    measured = slides[slides["status"] == "ok"]
    figures: dict[str, Any] = {
        "slides_measured": len(measured),
        "clustered_tiles": int(measured["n_clustered_tiles"].sum()),
        "outlier_tiles": int(measured["n_outlier_tiles"].sum()),
        "clusters": int(measured["n_all_clusters"].sum()),
        "tumour_clusters": int(measured["n_clusters"].sum()),
        "median_tumour_clusters": _plain(measured["n_clusters"].median()),
        "median_stability_ari": _plain(measured["stability_ari"].dropna().median()),
        "max_gap_percent": _plain(measured["gap_percent"].dropna().max()),
    }
    if estimates is not None:
        figures["hazard_ratios"] = hazard_ratios(estimates)
    if agreement is not None:
        figures["agreement"] = agreement_figures(agreement)
        if patients is not None:
            figures["agreement"]["planted_per_unit"] = planted_estimate(agreement, patients)
    return figures


def agreement_figures(agreement: pd.DataFrame) -> dict[str, Any]:
    """Return how well the clusters of a variant agree with the planted subclones."""
    difference = agreement["n_clusters"] - agreement["n_subclones"]
    ranks = agreement[["n_clusters", "n_subclones"]].corr("spearman").iloc[0, 1]
    return {
        "slides": len(agreement),
        "median_ari_start": _plain(agreement["ari_start"].median()),
        "median_ari_before_smoothing": _plain(agreement["ari_raw"].median()),
        "median_ari": _plain(agreement["ari"].median()),
        "number_exact_share": _plain((difference == 0).mean()),
        "number_within_one_share": _plain((difference.abs() <= 1).mean()),
        "number_spearman": _plain(ranks),
    }


def planted_estimate(agreement: pd.DataFrame, patients: pd.DataFrame) -> dict[str, Any]:
    """Return the hazard ratio per planted subclone: what a perfect count finds in this cohort.

    Parameters
    ----------
    agreement
        ``slide`` and ``n_subclones`` of the slides with a known truth.
    patients
        Table of patients; only ``analysed`` ones whose slide has a known truth are used, and their
        first endpoint.
    """
    analysed = of_endpoint(patients, endpoints_of(patients)[0]).drop(columns="score")
    slides = patients[["patient", "slide"]].merge(agreement[["slide", "n_subclones"]], on="slide")
    planted = analysed.merge(slides, on="patient")
    model = fit_cox(planted.rename(columns={"n_subclones": "score"}), [SCORE])
    if model.status != "ok":
        return {"status": model.status, "reason": model.reason}
    estimate = asdict(model.terms[0])
    columns = [column for column in ESTIMATE_COLUMNS if column in estimate]
    return {column: estimate[column] for column in columns} | {"status": "ok"}


def slide_figures(preflight: pd.DataFrame, slides: pd.DataFrame | None) -> dict[str, Any]:
    """Return how many slides there are, how far they came, and their tiles.

    Parameters
    ----------
    preflight
        One row per slide.
    slides
        Table of slides of a variant that measures slides; None if there is none (all are pooled),
        and then only preflight tells how far they came.
    """
    came = preflight if slides is None else slides
    figures: dict[str, Any] = {
        "total": len(came),
        "by_status": {str(k): int(v) for k, v in came["status"].value_counts().items()},
        "with_conflicts": int((preflight["conflicts"] != "").sum()),
    }
    if slides is not None:
        figures["tissue_tiles"] = int(slides["n_tissue_tiles"].sum())
        figures["tissue_mm2"] = _plain(slides["tissue_mm2"].sum())
    return figures


def stage_seconds(benchmarks: str | Path) -> dict[str, float]:
    """Add up the wall time of each rule.

    Parameters
    ----------
    benchmarks
        Folder with one folder per rule, holding the benchmark files of its jobs.
    """
    seconds = {}
    for folder in sorted(path for path in Path(benchmarks).iterdir() if path.is_dir()):
        jobs = [float(pd.read_csv(path, sep="\t")["s"].sum()) for path in folder.rglob("*.tsv")]
        if jobs:
            seconds[folder.name] = round(sum(jobs), 2)
    return seconds


def flattened(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested figures as one row: ``hazard_ratios.OS.per_sd.p`` and so on."""
    row: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            row |= flattened(value, f"{prefix}{name}.")
        else:
            row[f"{prefix}{name}"] = value
    return row


def _plain(value: Any) -> float | None:
    """Return a number that JSON can hold."""
    return None if pd.isna(value) else float(value)
