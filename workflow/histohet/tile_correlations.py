"""How far scores merely follow the amount of tissue on a slide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

AMOUNT = "n_clustered_tiles"
SCORES = (
    "n_clusters",
    "scaled_count",
    "hti_possible",
    "hti_observed",
    "hta",
    "n_all_clusters",
    "trait_hti_possible",
    "trait_hti_observed",
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
