"""Figures of the summary: slides, variants, hazard ratios, agreement, times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.slidemeasures import measured
from histohet.summary import (
    agreement_figures,
    flattened,
    hazard_ratios,
    planted_estimate,
    slide_figures,
    stage_seconds,
    variant_figures,
)


def estimates() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "endpoint": "OS",
            "model": ["high vs low", "per SD", "per SD, adjusted", "per SD, adjusted"],
            "term": [None, "score", "score", "age"],
            "hazard_ratio": [np.nan, 1.8, 1.7, 1.01],
            "lower": [np.nan, 1.1, 1.0, 0.9],
            "upper": [np.nan, 2.9, 2.8, 1.1],
            "p": [np.nan, 0.02, 0.04, 0.8],
            "permutation_p": [np.nan, 0.03, 0.05, np.nan],
            "n": [np.nan, 24, 24, 24],
            "events": [np.nan, 15, 15, 15],
            "status": ["not_estimable", "ok", "ok", "ok"],
            "reason": ["no event in 'high'", "", "", ""],
        }
    )


def test_hazard_ratios_or_why_there_are_none() -> None:
    found = hazard_ratios(estimates())["OS"]
    assert found["high_vs_low"] == {"status": "not_estimable", "reason": "no event in 'high'"}
    assert found["per_sd"]["hazard_ratio"] == 1.8
    assert found["per_sd_adjusted"]["hazard_ratio"] == 1.7
    assert "high_vs_low_adjusted" not in found


@pytest.mark.parametrize("status", ["ok", "not_estimable"])
def test_a_searched_cut_is_reported_as_it_came_out(status: str) -> None:
    row = (
        estimates()
        .iloc[[1]]
        .assign(
            model="best cut", term="group", status=status, reason="the best of 7 cuts", p=np.nan
        )
    )
    found = hazard_ratios(row)["OS"]["best_cut"]
    if status == "ok":
        assert (found["hazard_ratio"], found["p"], found["permutation_p"]) == (1.8, None, 0.03)
    else:
        assert found == {"status": status, "reason": "the best of 7 cuts"}


def test_pooled_patients_are_not_counted_as_slides() -> None:
    preflight = pd.DataFrame({"status": ["ok", "ok", "refused"], "conflicts": ["", "mpp", ""]})
    assert slide_figures(preflight, None) == {
        "total": 3,
        "by_status": {"ok": 2, "refused": 1},
        "with_conflicts": 1,
    }
    slides = pd.DataFrame(
        {
            "status": ["ok", "no_tissue", "refused"],
            "n_tissue_tiles": [40, 0, 0],
            "tissue_mm2": [2.5, 0, np.nan],
        }
    )
    found = slide_figures(preflight, slides)
    assert found["by_status"] == {"ok": 1, "no_tissue": 1, "refused": 1}
    assert (found["tissue_tiles"], found["tissue_mm2"]) == (40, 2.5)


def test_variant_figures() -> None:
    slides = pd.DataFrame([measured(None).slide_row(None), measured(None).slide_row(None)])
    slides.loc[1, "status"] = "refused"
    figures = variant_figures(slides, None)
    assert figures == {
        "slides_measured": 1,
        "clustered_tiles": 36,
        "outlier_tiles": 4,
        "clusters": 3,
        "tumour_clusters": 3,
        "median_tumour_clusters": 3.0,
        "median_stability_ari": 0.75,
        "max_gap_percent": 0.125,
    }
    slides[["stability_ari", "gap_percent"]] = None
    figures = variant_figures(slides, None)
    assert figures["median_stability_ari"] is figures["max_gap_percent"] is None
    assert flattened({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}


def test_agreement_figures() -> None:
    table = pd.DataFrame(
        {
            "n_subclones": [1, 2, 3, 4],
            "n_clusters": [1, 3, 3, 7],
            "ari_start": [0.1, 0.2, 0.3, 0.4],
            "ari_raw": [0.1, 0.2, 0.3, 0.4],
            "ari": [0.5, 0.6, 0.8, 0.9],
        }
    )
    figures = agreement_figures(table)
    assert figures["median_ari"] == pytest.approx(0.7)
    assert figures["number_exact_share"] == 0.5
    assert figures["number_within_one_share"] == 0.75
    # Ranks 1, 2, 3, 4 against 1, 2.5, 2.5, 4: Pearson of ranks is 4.5 / sqrt(5 · 4.5).
    assert figures["number_spearman"] == pytest.approx(4.5 / (5 * 4.5) ** 0.5)


def test_planted_estimate_uses_the_planted_number_of_analysed_patients() -> None:
    agreement = pd.DataFrame({"slide": list("abcdef"), "n_subclones": [1, 1, 2, 2, 1, 9]})
    patients = pd.DataFrame(
        {
            "patient": list("ABCDEFG"),
            "slide": list("abcdefg"),
            "score": 5.0,
            "n_tiles": 9,
            "group": "",
            "analysed": [True] * 5 + [False, True],
            "OS_months": [4.0, 3.0, 1.0, 2.0, 5.0, 1.0, 1.0],
            "OS_event": [1, 1, 1, 1, 0, 1, 1],
        }
    )
    # Of the five with a known number, the two with 2 die first. The partial likelihood with
    # h = exp(beta): h/(2h+3) · h/(h+3) · 1/3 · 1/2, without a maximum.
    assert planted_estimate(agreement, patients)["status"] == "not_estimable"
    patients["OS_months"] = [4.0, 1.0, 2.0, 3.0, 5.0, 1.0, 1.0]
    # Now 1/(2h+3) · h/(2h+2) · h/(h+2) · 1/2: 2 = 2h/(2h+3) + h/(h+1) + h/(h+2).
    found = planted_estimate(agreement, patients)
    h = found["hazard_ratio"]
    assert 2 * h / (2 * h + 3) + h / (h + 1) + h / (h + 2) == pytest.approx(2)
    assert (found["n"], found["events"]) == (5, 4)
    assert planted_estimate(agreement, patients.head(1))["status"] == "not_estimable"


def test_stage_seconds_add_up_over_jobs(tmp_path: Path) -> None:
    for name, seconds in (("tile/a.tsv", 1.5), ("tile/b.tsv", 2.25), ("maps/full/x.tsv", 3.0)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    assert stage_seconds(tmp_path) == {"maps": 3.0, "tile": 3.75}
