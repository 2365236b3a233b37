"""How much of a clustering survives when its tiles are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from histohet.clustering.potts.model import Ints

DRAWN_SHARE = 0.8


@dataclass(frozen=True)
class Stability:
    """Agreement of clusterings of resampled tiles, with each other and with that of all tiles.

    Attributes
    ----------
    n_restarts
        Clusterings, each of its own 80 % of the tiles, from its own seed.
    mean_ari
        Mean adjusted Rand index of two restarts on the tiles that both have drawn.
    fewest, most
        Interval of the number of clusters.
    agreement
        (N,) float32 share of the restarts with a tile in which it was in the cluster that
        corresponds to its own; NaN where no restart drew it.
    """

    n_restarts: int
    mean_ari: float
    fewest: int
    most: int
    agreement: npt.NDArray[np.float32]


def resample(n: int, seed: int, restart: int) -> Ints:
    """Return the sorted rows of 80 % of `n` tiles, at least one, drawn without replacement."""
    rng = np.random.default_rng([seed, restart])
    return np.sort(rng.choice(n, max(1, round(DRAWN_SHARE * n)), replace=False)).astype(np.int64)


def summarise_restarts(
    labels: npt.NDArray[np.integer], drawn: Sequence[Ints], restarts: Sequence[Ints]
) -> Stability:
    """Compare restarts with each other and with the labels of all tiles.

    A restart's clusters correspond to those of all tiles one to one, so that as many tiles as
    possible agree; clusters beyond the smaller number of the two correspond to none.

    Parameters
    ----------
    labels
        (N,) integer labels of all tiles.
    drawn
        Rows of the tiles of each restart.
    restarts
        Their labels.
    """
    times_drawn = np.zeros(len(labels))
    times_equal = np.zeros(len(labels))
    for rows, found in zip(drawn, restarts, strict=True):
        times_drawn[rows] += 1
        times_equal[rows] += _corresponding(labels[rows], found)
    agreement = np.full(len(labels), np.nan, np.float32)
    seen = times_drawn > 0
    agreement[seen] = times_equal[seen] / times_drawn[seen]
    numbers = [len(np.unique(found)) for found in restarts]
    return Stability(
        len(restarts),
        _mean_ari(len(labels), drawn, restarts),
        min(numbers),
        max(numbers),
        agreement,
    )


def _corresponding(
    labels: npt.NDArray[np.integer], found: npt.NDArray[np.integer]
) -> npt.NDArray[np.bool_]:
    """Return which tiles are in corresponding clusters of two clusterings."""
    label_of, label_rows = np.unique(labels, return_inverse=True)
    _, found_rows = np.unique(found, return_inverse=True)
    table = contingency_matrix(label_rows, found_rows)
    partner = np.full(len(label_of), -1)
    own, other = linear_sum_assignment(table, maximize=True)
    partner[own] = other
    return np.asarray(partner[label_rows] == found_rows)


def _mean_ari(n: int, drawn: Sequence[Ints], restarts: Sequence[Ints]) -> float:
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
