"""How far scores merely follow the amount of tissue on a slide."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

from histohet.measures.heterogeneity import Base, SetMeasures

AMOUNT = "n_clustered_tiles"

NO_SCORES = ("n_tiles", "hta_p", "lowest_score")
"""Measures of clusters that say nothing of heterogeneity: an amount of tissue itself, a p-value,
which falls with every further tile, and the tumour attention of a cluster."""

SCORES = (
    *(name for name in SetMeasures.__dataclass_fields__ if name not in NO_SCORES),
    "n_all_clusters",
    *(f"trait_hti_{base}" for base in get_args(Base)),
)
COLUMNS = ("score", "n", "spearman", "spearman_p", "pearson_log", "pearson_log_p")


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
