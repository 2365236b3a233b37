"""Answers about scans: segmentation, preparation, features and their stability."""

from __future__ import annotations

import json
from typing import Any

from histohet.fusion.checklist.run import Run, listed, span
from histohet.fusion.competing_risks import EVENT


def segmentation(run: Run) -> str:
    """Return how many regions come from which masks."""
    if run.scans is None:
        return ""
    ok = run.scans[run.scans["status"] == "ok"]
    said = f"3-D regions of label images on the grid of the CT: {len(ok)} of {len(run.scans)} scans"
    found_by = ok["region_from"].dropna().tolist()
    return listed([said, *(f"by {one} {found_by.count(one)}" for one in dict.fromkeys(found_by))])


def readers(run: Run) -> str:
    """Return how many scans have masks of several readers."""
    if run.scans is None or run.stability is None:
        return ""
    by_reader = run.stability[run.stability["source"] == "reader"]
    n = int(by_reader["n_scans"].max()) if len(by_reader) else 0
    return f"one mask per scan counts, the first of the sheet; {n} scans with masks of others too"


def preprocessing(run: Run) -> str:
    """Return what is done to images before features are extracted."""
    if not run.ct:
        return ""
    low, high = run.ct["range_hu"]
    return listed(
        [
            "HU as stored, no normalisation, no filter, no harmonisation",
            f"intensity and texture from {low:g} to {high:g} HU, shape of the whole region",
            resampling(run),
        ]
    )


def resampling(run: Run) -> str:
    """Return grid and interpolation."""
    if not run.ct:
        return ""
    side = run.ct["spacing_mm"]
    sides = side if isinstance(side, list | tuple) else [side]
    stored = side == "as_stored"
    grid = "as stored" if stored else f"voxels of {' × '.join(f'{one:g}' for one in sides)} mm"
    how = run.ct.get("interpolation", "linear")
    return listed([grid, f"image {how}, whole HU", "mask linear, kept from 0.5", "same centre"])


def discretisation(run: Run) -> str:
    """Return bins or their width."""
    if not run.radiomics:
        return ""
    if run.radiomics.get("bins"):
        return f"{run.radiomics['bins']} equal bins between the extremes of each region"
    low = run.ct["range_hu"][0]
    width = f"bins of {run.radiomics['bin_width_hu']:g} HU"
    first = f"from {low:g} HU" if run.radiomics["engine"] == "z-rad" else "from the darkest voxel"
    return f"{width}, numbered {first}"


def image_types(run: Run) -> str:
    """Say that images are not filtered."""
    return "original images alone" if run.radiomics else ""


def extraction(run: Run) -> str:
    """Return engine and what made the features of each table."""
    made_by = _made_by(run)
    standard = "IBSI: 482 of 482 values of the digital phantom"
    z_rad = any("z-rad" in text for text in made_by.values())
    said = [f"{name}: {text}" for name, text in made_by.items() if text]
    return listed([*said, standard if z_rad else ""]) if said else ""


def _made_by(run: Run) -> dict[str, str]:
    rows = run.block_rows(whole=True)
    features = rows[rows["kind"] == "features"]
    return dict(features[["block", "summary"]].to_numpy().tolist())


def families(run: Run) -> str:
    """Return how many features there are of each family."""
    if run.stability is None or run.stability.empty:
        return ""
    once = run.stability.drop_duplicates("feature")
    counts = once["family"].value_counts(sort=False)
    return listed(f"{name} {n}" for name, n in counts.items())


def n_features(run: Run) -> str:
    """Return how many features each table has."""
    counts = run.tables["kept"]["block"].value_counts(sort=False)
    return listed(f"{name} {n}" for name, n in counts.items())


def parameters(run: Run) -> str:
    """Return all settings of preparation and extraction, defaults written out."""
    if not run.radiomics:
        return listed(f"{name}: {text}" for name, text in _made_by(run).items() if text)
    return listed([f"ct: {_json(run.ct)}", f"radiomics: {_json(run.radiomics)}"])


def _json(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True, default=list)


def stability(run: Run) -> str:
    """Return how many features are stable, and how many of them each fit left out."""
    least = run.settings.min_icc
    said = []
    if run.stability is not None and least is not None:
        for source, rows in run.stability.groupby("source", sort=False):
            n = int((rows["low"] >= least).sum())
            scans = rows["n_scans"].max()
            said.append(
                f"ICC(1,1) by {source}, {scans} scans: {n} of {len(rows)} from {least:g} at the "
                "lower end of the interval"
            )
    out = _unstable(run)
    if out:
        said.append(f"left out in the training folds: {out}")
    return listed(said)


def _unstable(run: Run) -> str:
    fits = run.tables["fits"]
    if fits.empty or run.settings.min_icc is None:
        return ""
    known = fits[(fits["cause"] == EVENT) & (fits["unstable"] > 0)]
    parts = known.groupby("block", sort=False)["unstable"]
    return ", ".join(f"{name} {span(counts)}" for name, counts in parts)


def reduction(run: Run) -> str:
    """Return the filters, and how many columns stay."""
    s, kept, fits = run.settings, run.tables["kept"], run.tables["fits"]
    filters = [
        f"ICC from {s.min_icc:g}" if s.min_icc is not None else "",
        f"|Spearman| above {s.max_correlation:g}: one stays" if s.max_correlation < 1 else "",
        f"{s.max_features} by the score test" if s.max_features else "",
    ]
    of_event = fits[fits["cause"] == EVENT] if len(fits) else fits
    counts = []
    for name, total in kept["block"].value_counts(sort=False).items():
        columns = of_event.loc[of_event["block"] == name, "columns"]
        counts.append(f"{name}: {span(columns)} of {total} stay")
    return listed([*filters, "by the training patients", *counts]) if counts else ""


def feature_files(run: Run) -> str:
    """Name the tables of features."""
    return listed(f"{name}: {path}" for name, path in run.settings.tables.items())


def phases(run: Run) -> str:
    """Return phases and batches of the scans that have features."""
    if run.scans is None:
        return ""
    ok = run.scans[run.scans["status"] == "ok"]
    said = []
    for column in ("phase", "batch"):
        counts = ok[column].dropna().replace("", None).dropna().value_counts(sort=False)
        said += [f"{column} {name}: {n}" for name, n in counts.items()]
    return listed(said)


def interval(run: Run) -> str:
    """Return the day of the scan, from time zero of the endpoint."""
    if run.scans is None:
        return ""
    days = run.scans.loc[run.scans["status"] == "ok", "scan_day"].dropna().astype(float)
    if days.empty:
        return ""
    said = f"day of the scan from time zero: median {days.median():g}, {span(days)}"
    late = run.tables["flow"]
    late = late[late["why"].str.endswith("days before the scan")]
    return listed([said, f"{late['lost'].sum()} left out: event before the scan"])
