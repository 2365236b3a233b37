"""The cohort as the atlas shows it: the table of slides, curves and estimates of every variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.colors import to_hex

from histohet import __version__
from histohet.atlas.data import plain
from histohet.clinical.endpoints import endpoints_of
from histohet.common.resources import read_resource
from histohet.common.settings import did_you_mean
from histohet.drawing.palette import FAINT, GROUP_COLOURS, INK, NEUTRAL
from histohet.drawing.panels import SHADES

ALWAYS = ("slide", "status")
"""Columns without which there is no atlas: ids name files, and slides are refused by status."""

OF_PATIENTS = ("patient", "slide", "n_slides", "n_scored", "score", "n_tiles")
"""Columns of the table of patients that the table of slides has in its own way."""

CURVE_COLUMNS = ("time", "survival", "lower", "upper", "at_risk")

ESTIMATE_COLUMNS = (
    *("endpoint", "model", "primary", "term", "level", "n", "events"),
    *("hazard_ratio", "lower", "upper", "p", "permutation_p", "status", "reason"),
)

PALETTE: Mapping[str, Any] = {
    "groups": dict(GROUP_COLOURS),
    "neutral": NEUTRAL,
    "ink": INK,
    "faint": FAINT,
}


@dataclass(frozen=True)
class AnalysisTables:
    """An analysis under a variant: its name and score, patients, estimates and curves."""

    name: str
    score: str
    patients: pd.DataFrame
    estimates: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True)
class VariantTables:
    """What a variant found.

    Attributes
    ----------
    name
        Its name.
    pooled
        Whether patients stand where slides stand.
    folder
        Where its slides are, below ``slides``.
    in_qupath
        Whether QuPath has its tiles.
    slides, clusters
        Tables of the cohort.
    analyses
        What was tested.
    """

    name: str
    pooled: bool
    folder: str
    in_qupath: bool
    slides: pd.DataFrame
    clusters: pd.DataFrame
    analyses: Sequence[AnalysisTables] = field(default_factory=tuple)


def cohort_data(
    variants: Sequence[VariantTables],
    preflight: pd.DataFrame,
    columns: Sequence[str] | None,
    zoomed: Sequence[str],
) -> dict[str, Any]:
    """Return what the page takes of the cohort.

    Parameters
    ----------
    variants
        At least one.
    preflight
        The table of preflight, which knows what is a region of which file.
    columns
        Those of the table that may be passed on; None: all.
    zoomed
        Slides that can be zoomed into.

    Raises
    ------
    ValueError
        If no variant has one of the columns.
    """
    tables = [_table(variant) for variant in variants]
    _check_columns(columns, tables)
    return {
        "software": f"histohet {__version__}",
        "palette": {**PALETTE, "shades": _shades()},
        "meanings": read_resource("slide_columns"),
        "variants": [
            _variant(variant, table, columns)
            for variant, table in zip(variants, tables, strict=True)
        ],
        "arrays": arrays_of(preflight),
        "zoomed": list(zoomed),
    }


def _table(variant: VariantTables) -> pd.DataFrame:
    """Return the table of slides with what analyses know of their patients."""
    table = variant.slides
    for analysis in variant.analyses:
        of_patients = analysis.patients.set_index("patient").drop(
            columns=[name for name in OF_PATIENTS if name != "patient"]
        )
        of_slides = of_patients.reindex(table["patient"]).set_axis(table.index)
        table = pd.concat([table, of_slides.add_prefix(f"{analysis.name}: ")], axis="columns")
    return table


def _check_columns(columns: Sequence[str] | None, tables: Iterable[pd.DataFrame]) -> None:
    known = list(dict.fromkeys(str(name) for table in tables for name in table))
    for name in columns or ():
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"config, atlas.columns: the table has no column '{name}'{hint}")


def _variant(
    variant: VariantTables, table: pd.DataFrame, columns: Sequence[str] | None
) -> dict[str, Any]:
    allowed = set(table) if columns is None else {*columns, *ALWAYS}
    return {
        "name": variant.name,
        "pooled": variant.pooled,
        "folder": variant.folder,
        "in_qupath": variant.in_qupath,
        "columns": [
            {"name": str(name), "number": _is_number(table[name]), "values": plain(table[name])}
            for name in table
            if name in allowed
        ],
        # Who belongs together, under numbers that name nobody.
        "person": pd.factorize(table["patient"])[0].tolist(),
        "clusters": _clusters(variant.clusters),
        "analyses": [_analysis(analysis) for analysis in variant.analyses],
    }


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _clusters(clusters: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return the tumour score of the clusters of every slide, and which count, in their order."""
    return {
        str(slide): [
            {"score": score, "counted": counted}
            for score, counted in zip(
                plain(own["tumour_score"]), plain(own["counted"]), strict=True
            )
        ]
        for slide, own in clusters.sort_values("cluster").groupby("slide", sort=False)
    }


def _analysis(analysis: AnalysisTables) -> dict[str, Any]:
    return {
        "name": analysis.name,
        "score": analysis.score,
        "endpoints": list(endpoints_of(analysis.patients)),
        "curves": [
            {
                "endpoint": str(endpoint),
                "group": str(group),
                **{name: plain(own[name]) for name in CURVE_COLUMNS},
            }
            for (endpoint, group), own in analysis.curves.groupby(["endpoint", "group"], sort=False)
        ],
        "estimates": [
            dict(zip(ESTIMATE_COLUMNS, row, strict=True))
            for row in zip(
                *(plain(analysis.estimates[name]) for name in ESTIMATE_COLUMNS), strict=True
            )
        ],
    }


def arrays_of(preflight: pd.DataFrame) -> list[dict[str, Any]]:
    """Return which slides are regions of one file, and where: shares of its width and height.

    Files themselves are not named.
    """
    regions = preflight[preflight["file_width"].notna()]
    arrays = []
    for _, own in regions.groupby("path", sort=False):
        across, down = own["file_width"].astype(float), own["file_height"].astype(float)
        places = {
            "x": own["region_x"] / across,
            "y": own["region_y"] / down,
            "width": own["width"] / across,
            "height": own["height"] / down,
        }
        if len(own) > 1:
            shape = float(across.iloc[0] / down.iloc[0])
            shares = {name: plain(share.astype(float)) for name, share in places.items()}
            arrays.append({"slides": plain(own["slide"]), "shape": shape, **shares})
    return arrays


def _shades() -> list[str]:
    return [to_hex(shade) for shade in matplotlib.colormaps[SHADES](range(256))]
