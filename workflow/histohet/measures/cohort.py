"""Tables of the measures of all slides, and how far scores merely follow the amount of tissue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

from histohet.clustering.result import Certainty
from histohet.cohort.settings import N_POOLED
from histohet.measures.heterogeneity import ClusterRow, SetMeasures
from histohet.measures.slide import SlideMeasures
from histohet.measures.traits import TRAIT_MEASURES
from histohet.slides.record import INCOMPARABLE

AMOUNT = "n_clustered_tiles"

NO_SCORES = ("n_tiles", "hta_p", "lowest_score")
"""Measures of clusters that say nothing of heterogeneity: an amount of tissue itself, a p-value,
which falls with every further tile, and the tumour attention of a cluster."""

NO_TRAIT_SCORES = ("hta_p", "n_positive")

SCORES = (
    *(name for name in SetMeasures.__dataclass_fields__ if name not in NO_SCORES),
    "n_all_clusters",
    *(f"trait_{name}" for name in TRAIT_MEASURES if name not in NO_TRAIT_SCORES),
)
COUNTS = [
    *(
        name
        for measured in (Certainty, SetMeasures)
        for name, kind in get_type_hints(measured).items()
        if kind in (int, int | None)
    ),
    "trait_n_positive",
]
"""Whole numbers that a slide may lack: kept whole beside one that failed."""

COLUMNS = ("score", "n", "spearman", "spearman_p", "pearson_log", "pearson_log_p")


def comparable(
    measures: Iterable[SlideMeasures], preflight: pd.DataFrame, pooled: bool
) -> Iterator[SlideMeasures]:
    """Yield measures as they count in a cohort: of slides that preflight finds incomparable, none.

    Parameters
    ----------
    preflight
        ``slide``, ``patient``, ``consequence`` and ``reason`` of every slide.
    pooled
        Whether patients were measured, each for its slides.
    """
    rows = preflight[preflight["consequence"] == INCOMPARABLE]
    reasons = dict(zip(rows["patient" if pooled else "slide"], rows["reason"], strict=True))
    for one in measures:
        reason = reasons.get(one.slide)
        yield one.refused(reason) if reason and one.outcome.ok else one


def cohort_tables(
    measures: Iterable[SlideMeasures],
    preflight: pd.DataFrame,
    threshold: float | None,
    pooled: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per slide, whatever happened to it, and one per cluster.

    Parameters
    ----------
    preflight
        ``slide``, ``patient``, ``mpp``, ``mask_on_tissue`` and ``n_tissue_tiles`` of every slide,
        and what `comparable` needs.
    threshold
        Tumour score above which clusters count; all do without one.
    pooled
        Whether patients were measured, each for its slides.

    Raises
    ------
    ValueError
        If trait maps have different traits.
    """
    rows, clusters = [], []
    for slide in comparable(measures, preflight, pooled):
        rows.append(slide.slide_row(threshold))
        clusters += slide.cluster_rows(threshold)
    known = preflight[["slide", "patient", "mpp", "mask_on_tissue"]]
    if pooled:
        # The patient stands for its slides, at the scale of the first; each has a mask of its own.
        known = known.drop(columns="mask_on_tissue").drop_duplicates("patient")
        known = known.assign(slide=known["patient"])
        have_tiles = preflight["n_tissue_tiles"].fillna(0).gt(0)
        known[N_POOLED] = known["patient"].map(have_tiles.groupby(preflight["patient"]).sum())
    table = pd.DataFrame(rows).astype(dict.fromkeys(COUNTS, "Int64"))
    slides = known.merge(table, on="slide", validate="one_to_one")
    _check_traits(slides)
    columns = ["slide", *(field.name for field in fields(ClusterRow)), "counted"]
    return slides, pd.DataFrame(clusters, columns=columns)


def _check_traits(slides: pd.DataFrame) -> None:
    """Refuse trait maps of which none is like the other: their mixtures are of different things."""
    known = slides.dropna(subset="traits").drop_duplicates("traits")
    if len(known) > 1:
        shown = "; ".join(f"{row.slide}: {row.traits}" for row in known.head(2).itertuples())
        raise ValueError(
            f"trait maps have different traits ({shown}): heterogeneity cannot be compared; name "
            "the same columns, in the same order"
        )


def tile_correlations(slides: pd.DataFrame) -> pd.DataFrame:
    """Correlate every score with the number of clustered tiles, over the slides that have both.

    Parameters
    ----------
    slides
        Table of slides.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, one row per score: Spearman's rank correlation, and Pearson's with the
        logarithm of the number of tiles; NaN with fewer than three slides or without variation.
    """
    rows = []
    measured = slides[slides["status"] == "ok"]
    for score in SCORES:
        if score not in measured:
            continue
        both = measured[[score, AMOUNT]].astype(float).dropna()
        both = both[both[AMOUNT] > 0]
        row = {"score": score, "n": len(both), **dict.fromkeys(COLUMNS[2:], np.nan)}
        if len(both) > 2 and (both.nunique() > 1).all():
            ranks, logs = spearmanr(both), pearsonr(both[score], np.log(both[AMOUNT]))
            row |= {"spearman": float(ranks.statistic), "spearman_p": float(ranks.pvalue)}
            row |= {"pearson_log": float(logs.statistic), "pearson_log_p": float(logs.pvalue)}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))
