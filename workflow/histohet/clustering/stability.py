"""How much of a clustering survives when its tiles are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from histohet.clustering.result import OUTLIER, Clustering
from histohet.common.arrays import Bools, Ints

DRAWN_SHARE = 0.8


def resample(n: int, seed: int, restart: int) -> Ints:
    """Return the sorted rows of 80 % of `n` tiles, at least one, drawn without replacement."""
    rng = np.random.default_rng([seed, restart])
    return np.sort(rng.choice(n, max(1, round(DRAWN_SHARE * n)), replace=False)).astype(np.int64)


def with_stability(
    found: Clustering,
    drawn: Sequence[Ints],
    restarts: Sequence[npt.NDArray[np.integer]],
    n_low: int,
    n_high: int,
) -> Clustering:
    """Return a clustering with how far restarts agree with it.

    A restart's clusters correspond to those of all tiles one to one, so that as many tiles as
    possible agree; clusters beyond the smaller number of the two correspond to none.

    Parameters
    ----------
    found
        Of all tiles.
    drawn
        Rows of the tiles of each restart.
    restarts
        Their labels; `OUTLIER` corresponds to nothing.
    n_low, n_high
        Interval of the number of clusters.
    """
    labels = found.labels
    times_drawn = np.zeros(len(labels))
    times_equal = np.zeros(len(labels))
    for rows, again in zip(drawn, restarts, strict=True):
        times_drawn[rows] += 1
        times_equal[rows] += _corresponding(labels[rows], again)
    agreement = np.full(len(labels), np.nan, np.float32)
    seen = (times_drawn > 0) & ~found.is_outlier
    agreement[seen] = times_equal[seen] / times_drawn[seen]
    certainty = replace(
        found.certainty,
        stability_ari=_mean_ari(labels, drawn, restarts),
        n_all_clusters_low=n_low,
        n_all_clusters_high=n_high,
    )
    return replace(found, agreement=agreement, certainty=certainty)


def _corresponding(labels: npt.NDArray[np.integer], found: npt.NDArray[np.integer]) -> Bools:
    """Return which tiles are in corresponding clusters of two clusterings."""
    label_of, label_rows = np.unique(labels, return_inverse=True)
    _, found_rows = np.unique(found, return_inverse=True)
    table = contingency_matrix(label_rows, found_rows)
    partner = np.full(len(label_of), -1)
    own, other = linear_sum_assignment(table, maximize=True)
    partner[own] = other
    return np.asarray((partner[label_rows] == found_rows) & (found != OUTLIER))


def _mean_ari(
    labels: npt.NDArray[np.integer],
    drawn: Sequence[Ints],
    restarts: Sequence[npt.NDArray[np.integer]],
) -> float:
    """Return the mean over restarts of the adjusted Rand index with the labels of all tiles."""
    scores = [
        adjusted_rand_score(labels[rows], again)
        for rows, again in zip(drawn, restarts, strict=True)
        if len(rows)
    ]
    return float(np.mean(scores)) if scores else 1.0
