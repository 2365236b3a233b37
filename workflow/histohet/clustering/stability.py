"""How much of a clustering survives when its tiles are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from histohet.clustering.result import Clustering
from histohet.common.arrays import Bools, Ints

DRAWN_SHARE = 0.8


def resample(n: int, seed: int, restart: int) -> Ints:
    """Return the sorted rows of 80 % of `n` tiles, at least one, drawn without replacement."""
    rng = np.random.default_rng([seed, restart])
    return np.sort(rng.choice(n, max(1, round(DRAWN_SHARE * n)), replace=False)).astype(np.int64)


def with_stability(
    found: Clustering, drawn: Sequence[Ints], restarts: Sequence[npt.NDArray[np.integer]]
) -> Clustering:
    """Return a clustering with how far restarts agree with each other and with it.

    A restart's clusters correspond to those of all tiles one to one, so that as many tiles as
    possible agree; clusters beyond the smaller number of the two correspond to none.

    Parameters
    ----------
    found
        Of all tiles.
    drawn
        Rows of the tiles of each restart.
    restarts
        Their labels.
    """
    labels = found.labels
    times_drawn = np.zeros(len(labels))
    times_equal = np.zeros(len(labels))
    for rows, again in zip(drawn, restarts, strict=True):
        times_drawn[rows] += 1
        times_equal[rows] += _corresponding(labels[rows], again)
    agreement = np.full(len(labels), np.nan, np.float32)
    seen = times_drawn > 0
    agreement[seen] = times_equal[seen] / times_drawn[seen]
    numbers = [len(np.unique(again)) for again in restarts]
    certainty = replace(
        found.certainty,
        stability_ari=_mean_ari(len(labels), drawn, restarts),
        n_all_clusters_low=min(numbers),
        n_all_clusters_high=max(numbers),
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
    return np.asarray(partner[label_rows] == found_rows)


def _mean_ari(n: int, drawn: Sequence[Ints], restarts: Sequence[npt.NDArray[np.integer]]) -> float:
    """Return the mean over pairs of restarts; 1 for a single one, which agrees with itself."""
    scores = []
    for (rows_a, labels_a), (rows_b, labels_b) in combinations(
        zip(drawn, restarts, strict=True), 2
    ):
        of_b = np.full(n, -1, np.int64)
        of_b[rows_b] = labels_b
        common = of_b[rows_a] >= 0
        if common.any():
            scores.append(adjusted_rand_score(labels_a[common], of_b[rows_a][common]))
    return float(np.mean(scores)) if scores else 1.0
