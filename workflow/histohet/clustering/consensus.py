"""One partition for many: the one that is nearest to all of them.

Partitions are compared by the variation of information (Meila, Journal of Multivariate Analysis
98:873, 2007): what one tells that the other does not, both ways, in bits. The partition of least
expected variation of information is the Bayes estimate under that loss (Wade and Ghahramani,
Bayesian Analysis 13:559, 2018). A border that few draws have costs more than it explains, so it is
left out; one that most draws have stays.

Tiles that all draws put together are one cell. Candidates are the draws themselves and all cuts of
the cells' tree by average linkage, where cells are the nearer the more draws put them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from histohet.clustering.result import compact
from histohet.common.arrays import Floats, Ints

# Cells that the tree is made of, the largest ones; tiles of others go where most draws have them.
MOST_CELLS = 400
# Times that draws are drawn again for the interval of the number, and how much of them it holds.
REDRAWN = 1_000
COVERED = 0.9


class Consensus(NamedTuple):
    """The partition nearest to all draws.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used.
    nearest
        Which draw is most like it.
    n_low, n_high
        Interval of the number of clusters: 90 % of the numbers when the draws are drawn again; it
        holds the number itself.
    """

    labels: Ints
    nearest: int
    n_low: int
    n_high: int


def consensus(draws: Sequence[Ints], most: int, rng: np.random.Generator) -> Consensus:
    """Return the partition of least expected variation of information, and how sure its number is.

    Parameters
    ----------
    draws
        Partitions of the same N tiles, (N,) int64 in 0..K-1 each, at least one.
    most
        The most clusters it may have.
    rng
        Draws the draws again.
    """
    cells, cell_of, sizes = np.unique(
        np.stack(draws, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    cell_of = cell_of.ravel()
    candidates = [compact(draw) for draw in cells.T if len(np.unique(draw)) <= most]
    candidates += _cuts(cells, sizes, most)
    distances = np.array(
        [
            [variation_of_information(candidate, draw, sizes) for draw in cells.T]
            for candidate in candidates
        ]
    )
    best = int(np.argmin(distances.sum(axis=1)))
    numbers = np.array([candidate.max() + 1 for candidate in candidates])
    times = rng.multinomial(len(draws), np.full(len(draws), 1 / len(draws)), REDRAWN)
    redrawn = numbers[np.argmin(distances @ times.T, axis=0)]
    outside = (1 - COVERED) / 2
    low, high = np.quantile(redrawn, [outside, 1 - outside], method="nearest")
    found = int(numbers[best])
    return Consensus(
        compact(candidates[best][cell_of]),
        int(np.argmin(distances[best])),
        min(int(low), found),
        max(int(high), found),
    )


def variation_of_information(a: Ints, b: Ints, sizes: Ints) -> float:
    """Return 2 H(a, b) - H(a) - H(b) in bits, of labels (C,) of cells of `sizes` (C,) tiles."""
    both = a * (b.max() + 1) + b
    return 2 * _entropy(both, sizes) - _entropy(a, sizes) - _entropy(b, sizes)


def _entropy(labels: Ints, sizes: Ints) -> float:
    share = np.bincount(labels, sizes)
    share = share[share > 0] / sizes.sum()
    return float(-(share * np.log2(share)).sum())


def _cuts(cells: Ints, sizes: Ints, most: int) -> list[Ints]:
    """Return the labels (C,) of the cells (C, draws) after every cut into 1 to `most` clusters."""
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_CELLS])
    shared = np.zeros((len(cells), len(largest)), np.int16)
    for draw in cells.T:
        shared += draw[:, None] == draw[largest]
    together = shared[largest] / cells.shape[1]
    kept_as = np.argmax(shared, axis=1)
    weights = sizes[largest].astype(np.float64)
    labels = np.arange(len(largest))
    np.fill_diagonal(together, -1)
    cuts = []
    for left in range(len(largest), 0, -1):
        if left <= most:
            cuts.append(compact(labels[kept_as]))
        if left == 1:
            break
        a, b = np.unravel_index(np.argmax(together), together.shape)
        _join(together, weights, int(a), int(b))
        labels[labels == b] = a
    return cuts


def _join(together: Floats, weights: Floats, a: int, b: int) -> None:
    """Make b part of a: how often the two are with another is averaged by their tiles."""
    joined = (together[a] * weights[a] + together[b] * weights[b]) / (weights[a] + weights[b])
    weights[a] += weights[b]
    together[a], together[:, a] = joined, joined
    together[b], together[:, b] = -1, -1
    together[a, a] = -1
