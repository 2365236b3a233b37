"""How far two labellings of the same tiles agree, by their contingency table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from histohet.common.arrays import Floats, Ints

PERMUTATIONS = 100


class Indices(NamedTuple):
    """Agreement of two labellings; None where it is not defined.

    Attributes
    ----------
    agreement
        Share of tiles that have the same label in both.
    ari
        Adjusted Rand index (Hubert and Arabie 1985): 0 by chance, whatever the labels are called.
        Not defined where either gives all tiles one label: any map is like a constant one.
    dice
        Mean Dice coefficient of the labels of the first, each paired with one of the second so that
        most tiles lie in pairs; 0 of a label without a partner. Not defined as `ari` is not.
    """

    agreement: float | None = None
    ari: float | None = None
    dice: float | None = None


def contingency(before: Ints, after: Ints) -> Ints:
    """Return how many tiles have each pair of labels, (K, K); labels are (N,), 0 to K - 1."""
    n_labels = 1 + int(max(before.max(initial=0), after.max(initial=0)))
    counts = np.bincount(before * n_labels + after, minlength=n_labels**2)
    return counts.reshape(n_labels, n_labels)


def compare(before: Ints, after: Ints) -> Indices:
    """Compare two labellings (N,) of the same tiles, of which there is at least one."""
    return of_table(contingency(before, after))


def of_table(table: Ints) -> Indices:
    """Return the indices of a contingency table (K, K)."""
    agreement = float(np.trace(table) / table.sum())
    constant = min(np.count_nonzero(table.sum(axis=axis)) for axis in (0, 1)) < 2
    if constant:
        return Indices(agreement)
    return Indices(agreement, _adjusted_rand(table), _macro_dice(table))


def by_chance(before: Ints, after: Ints, rng: np.random.Generator) -> Indices:
    """Return the mean indices of `before` and permutations of `after`, (N,) each."""
    found = [compare(before, rng.permutation(after)) for _ in range(PERMUTATIONS)]
    means = [
        None if any(value is None for value in values) else float(np.mean(values))
        for values in zip(*found, strict=True)
    ]
    return Indices(*means)


def _pairs(counts: Ints) -> float:
    """Return the number of pairs of tiles within each count, summed."""
    return float((counts * (counts - 1)).sum() / 2)


def _adjusted_rand(table: Ints) -> float | None:
    together = _pairs(table)
    of_rows, of_columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = of_rows * of_columns / max(_pairs(table.sum()), 1)
    largest = (of_rows + of_columns) / 2
    # No two tiles are alike in either: nothing can be told.
    return None if largest == expected else (together - expected) / (largest - expected)


def _macro_dice(table: Ints) -> float:
    sizes = table.sum(axis=1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    both: Floats = sizes[rows] + table.sum(axis=0)[columns]
    dice = 2 * table[rows, columns] / np.maximum(both, 1)
    return float(dice[sizes[rows] > 0].mean())
