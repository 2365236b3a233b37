"""The Potts energy in whole numbers, so that cuts and bounds are exact and terminate.

The form is shifted to be non-negative: E'(s) = sum of unary[i, s_i] + sum of weights on UNEQUAL
edges, with the smallest unary term of every tile 0. It differs from the energy of `potts` by a
constant (`offset`) that no label can change.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from histohet.clustering.potts.model import Indices, Ints, PottsModel, neighbour_lists

# Bits of the sum of all terms. Below 53, so that float64 holds every partial sum exactly.
TOTAL_BITS = 51
# No quantum is finer than this power of two; finer ones would not be normal floats.
LEAST_EXPONENT = -1000


class IntegerModel(NamedTuple):
    """Terms of E' in quanta, with the edges as arcs (see `potts.Neighbours`).

    Attributes
    ----------
    first, tile, reverse
        (N + 1,) int64, (A,) int32 and (A,) int32.
    weight
        (A,) int64 cost of different labels, 0 or more, the same in both directions.
    unary
        (N, K) int64, 0 or more.
    """

    first: Ints
    tile: Indices
    reverse: Indices
    weight: Ints
    unary: Ints


def offset(model: PottsModel) -> float:
    """Return E - E', the constant between the energy and its non-negative form."""
    smallest = model.unary.min(axis=1) if model.unary.size else np.empty(0)
    return math.fsum(smallest.tolist() + (-model.weights).tolist())


def quantise(model: PottsModel) -> tuple[IntegerModel, float]:
    """Return the model in whole numbers and the quantum, a power of two.

    Every term is rounded to the nearest quantum, and the quantum is as fine as the sum of all terms
    staying below 2^51 allows. A label so much worse than the best that neighbours could never make
    up for it is only kept worse than that (at twice the weights of all the tile's edges and once
    the largest weight), lest one outlier cost everybody precision. So E' in quanta is never above
    the true one by more than one quantum per tile and edge, and the minimum is of the same labels
    but for energies that close.
    """
    n = len(model.unary)
    neighbours = neighbour_lists(model.edges, n)
    incident = np.bincount(model.edges.ravel(), np.repeat(model.weights, 2), minlength=n)
    cap = 2 * incident + (model.weights.max(initial=0.0) or 1.0)
    worse = np.minimum(model.unary - model.unary.min(axis=1, keepdims=True), cap[:, None])
    total = worse.max(axis=1).sum() + model.weights.sum()
    quantum = math.ldexp(1.0, max(math.frexp(total)[1] - TOTAL_BITS, LEAST_EXPONENT))
    weights = np.rint(model.weights / quantum).astype(np.int64)
    return IntegerModel(
        neighbours.first,
        neighbours.tile,
        neighbours.reverse,
        weights[neighbours.edge],
        np.rint(worse / quantum).astype(np.int64),
    ), quantum


@njit(cache=True)
def integer_energy(model: IntegerModel, labels: Ints) -> int:
    """Return E' of `labels` (N,) in quanta."""
    twice = 0
    for tile in range(len(labels)):
        twice += 2 * model.unary[tile, labels[tile]]
        for arc in range(model.first[tile], model.first[tile + 1]):
            if labels[model.tile[arc]] != labels[tile]:
                twice += model.weight[arc]
    return twice // 2


@njit(cache=True)
def restrict(model: IntegerModel, tiles: Ints, labels: Ints) -> IntegerModel:
    """Return the model of `tiles` (M,) alone, in their order, all others keeping their labels.

    What the edges to the other tiles cost is added to the unary terms.
    """
    n, n_labels = len(tiles), model.unary.shape[1]
    number = np.full(len(labels), -1, np.int32)
    for row in range(n):
        number[tiles[row]] = row
    first = np.zeros(n + 1, np.int64)
    position = np.empty(len(model.tile), np.int32)
    n_arcs = 0
    for row in range(n):
        for arc in range(model.first[tiles[row]], model.first[tiles[row] + 1]):
            if number[model.tile[arc]] >= 0:
                position[arc] = n_arcs
                n_arcs += 1
        first[row + 1] = n_arcs
    neighbour = np.empty(n_arcs, np.int32)
    reverse = np.empty(n_arcs, np.int32)
    weight = np.empty(n_arcs, np.int64)
    unary = np.empty((n, n_labels), np.int64)
    for row in range(n):
        tile = tiles[row]
        unary[row] = model.unary[tile]
        for arc in range(model.first[tile], model.first[tile + 1]):
            other = model.tile[arc]
            if number[other] >= 0:
                neighbour[position[arc]] = number[other]
                reverse[position[arc]] = position[model.reverse[arc]]
                weight[position[arc]] = model.weight[arc]
            else:
                for label in range(n_labels):
                    if label != labels[other]:
                        unary[row, label] += model.weight[arc]
    return IntegerModel(first, neighbour, reverse, weight, unary)
