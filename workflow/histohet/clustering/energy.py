"""The energy of a slide: a hidden Markov random field, in which nothing is set by hand.

How badly a tile fits a cluster is minus the log density of `mixture`; what equal neighbours earn
is the coupling under which the labels are most likely. Both are in units of log likelihood and so
weigh against each other as they should, whatever the width and the similarities of the encoder.

The coupling is that of the Potts model as a distribution of labels. Given its neighbours, a tile
has label k with probability proportional to exp(coupling * c_k), where c_k is the number of its
neighbours with label k. The product of these conditionals over all tiles is the pseudo-likelihood
(Besag, The Statistician 24:179, 1975), which stands in for the likelihood, whose normalising
constant nobody can compute. Counts are whole numbers, so exp(coupling * c) is looked up in a table.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from histohet.clustering.mixture import misfit
from histohet.clustering.potts.model import Neighbours, PottsModel
from histohet.clustering.tiles import Graph
from histohet.common.arrays import Floats, Ints

# Labels without a single border have no finite estimate; beyond this a lone tile never stands.
LARGEST_COUPLING = 4.0
ACCURACY = 1e-6
# Only tiles of more than 150 neighbours, all of them at one place, come near it.
LARGEST_EXPONENT = 600.0


def calibrated_energy(rows: Floats, graph: Graph, labels: Ints) -> PottsModel:
    """Return the terms that any labelling by the clusters of `labels` is judged with.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    labels
        (N,) int64 in 0..K-1, each used; they describe the clusters.
    """
    _, weights = misfit(rows, labels, np.ones(len(rows)))
    unary, _ = misfit(rows, labels, weights)
    counts = neighbour_counts(graph.neighbours, labels, unary.shape[1])
    coupling = estimate_coupling(counts, labels)
    return PottsModel(graph.edges, np.full(len(graph.edges), coupling), unary)


def typical_coupling(model: PottsModel) -> float:
    """Return the mean weight of an edge, 0 without edges."""
    return float(model.weights.mean()) if len(model.weights) else 0.0


@njit(cache=True)
def neighbour_counts(neighbours: Neighbours, labels: Ints, n_labels: int) -> Ints:
    """Return how many neighbours of each tile have each label, (N, K) int64."""
    counts = np.zeros((len(labels), n_labels), np.int64)
    for tile in range(len(labels)):
        for arc in range(neighbours.first[tile], neighbours.first[tile + 1]):
            counts[tile, labels[neighbours.tile[arc]]] += 1
    return counts


def estimate_coupling(counts: Ints, labels: Ints) -> float:
    """Return the coupling of largest pseudo-likelihood, from 0 to `LARGEST_COUPLING`.

    Parameters
    ----------
    counts
        (N, K) int64 of `neighbour_counts`.
    labels
        (N,) int64 in 0..K-1.
    """
    if counts.shape[1] < 2 or _slope(counts, labels, _powers(counts, 0.0))[0] <= 0:
        return 0.0
    low, high = 0.0, LARGEST_COUPLING
    coupling = 1.0
    # Newton's method on a concave function, held between the bounds that it has found.
    while high - low > ACCURACY:
        slope, curvature = _slope(counts, labels, _powers(counts, coupling))
        if slope > 0:
            low = coupling
        else:
            high = coupling
        step = slope / curvature if curvature > 0 else np.inf
        if abs(step) < ACCURACY:
            break
        coupling += step
        if not low < coupling < high:
            coupling = (low + high) / 2
    return float(coupling)


def log_likelihood(counts: Ints, labels: Ints, coupling: float) -> float:
    """Return the log pseudo-likelihood of labels at a coupling; arguments as above."""
    return float(_log_likelihood(counts, labels, _powers(counts, coupling)))


def merge_gains(counts: Ints, labels: Ints, coupling: float) -> Floats:
    """Return how much `log_likelihood` rises when two labels become one, at the same coupling.

    Returns
    -------
    ndarray
        (K, K) float64, symmetric, with a diagonal of 0.
    """
    gains = _merge_gains(counts, labels, _powers(counts, coupling))
    return np.asarray(gains + gains.T)


@njit(cache=True)
def descend(
    neighbours: Neighbours, unary: Floats, coupling: float, labels: Ints, max_sweeps: int = 20
) -> Ints:
    """Return labels that no change of a single tile improves (iterated conditional modes).

    Fast and near-sighted: good enough on the way, not for the result (see `potts.minimise`).

    Parameters
    ----------
    unary
        (N, K) float64 cost of label k for tile i; every equal neighbour earns `coupling`.
    labels
        (N,) int64 start in 0..K-1.
    """
    n_labels = unary.shape[1]
    labels = labels.copy()
    cost = np.empty(n_labels)
    for _ in range(max_sweeps):
        n_changed = 0
        for tile in range(len(labels)):
            for label in range(n_labels):
                cost[label] = unary[tile, label]
            for arc in range(neighbours.first[tile], neighbours.first[tile + 1]):
                cost[labels[neighbours.tile[arc]]] -= coupling
            best = labels[tile]
            for label in range(n_labels):
                if cost[label] < cost[best]:
                    best = label
            if best != labels[tile]:
                labels[tile] = best
                n_changed += 1
        if n_changed == 0:
            break
    return labels


def _powers(counts: Ints, coupling: float) -> Floats:
    most = int(counts.sum(axis=1).max(initial=0))
    return np.asarray(np.exp(np.minimum(coupling * np.arange(most + 1), LARGEST_EXPONENT)))


@njit(cache=True)
def _slope(counts: Ints, labels: Ints, powers: Floats) -> tuple[float, float]:
    """Return the derivative of the log pseudo-likelihood by the coupling, and minus the second."""
    slope, curvature = 0.0, 0.0
    for tile in range(len(labels)):
        total, first, second = 0.0, 0.0, 0.0
        for label in range(counts.shape[1]):
            count = counts[tile, label]
            power = powers[count]
            total += power
            first += count * power
            second += count * count * power
        mean = first / total
        slope += counts[tile, labels[tile]] - mean
        curvature += second / total - mean * mean
    return slope, curvature


@njit(cache=True)
def _log_likelihood(counts: Ints, labels: Ints, powers: Floats) -> float:
    result = 0.0
    for tile in range(len(labels)):
        total = 0.0
        for label in range(counts.shape[1]):
            total += powers[counts[tile, label]]
        result += np.log(powers[counts[tile, labels[tile]]] / total)
    return result


@njit(cache=True)
def _merge_gains(counts: Ints, labels: Ints, powers: Floats) -> Floats:
    """Return the gains above the diagonal.

    A pair that is absent around a tile removes one of the tile's empty labels, whichever pair it
    is; that part is summed once. Pairs with a label present there are counted one by one.
    """
    n_labels = counts.shape[1]
    gains = np.zeros((n_labels, n_labels))
    of_absent = 0.0
    for tile in range(len(labels)):
        own = labels[tile]
        total = 0.0
        for label in range(n_labels):
            total += powers[counts[tile, label]]
        before = np.log(powers[counts[tile, own]] / total)
        absent = np.log(total / (total - 1.0)) if total > 1.5 else 0.0
        of_absent += absent
        for a in range(n_labels):
            a_present = counts[tile, a] > 0 or a == own
            for b in range(a + 1, n_labels):
                if not (a_present or counts[tile, b] > 0 or b == own):
                    continue
                together = powers[counts[tile, a] + counts[tile, b]]
                merged = total - powers[counts[tile, a]] - powers[counts[tile, b]] + together
                mine = together if own in (a, b) else powers[counts[tile, own]]
                gains[a, b] += np.log(mine / merged) - before - absent
    for a in range(n_labels):
        for b in range(a + 1, n_labels):
            gains[a, b] += of_absent
    return gains
