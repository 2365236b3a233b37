"""The Potts energy of a labelling of tiles: how badly labels fit tiles, less what agreement earns.

E(s) = sum over tiles i of unary[i, s_i] - sum over edges (u, v) with s_u = s_v of w_uv.

A `PottsModel` holds the two terms as plain arrays: minimisers know nothing else of an energy.

An `IntegerModel` holds them in whole numbers, so that cuts and bounds are exact and terminate. It
is shifted to be non-negative: E'(s) = sum of unary[i, s_i] + sum of weights on UNEQUAL edges, with
the smallest unary term of every tile 0. E' differs from E by a constant (`offset`) that no label
can change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import Floats, Int32, Ints

# Bits of the sum of all terms. Below 53, so that float64 holds every partial sum exactly.
TOTAL_BITS = 51
# No quantum is finer than this power of two; finer ones would not be normal floats.
LEAST_EXPONENT = -1000


@dataclass(frozen=True)
class PottsModel:
    """Terms of the energy of a labelling s: sum of unary[i, s_i] - sum of weights on equal edges.

    Attributes
    ----------
    edges
        (E, 2) int64 pairs of tiles, each once.
    weights
        (E,) float64 gain of giving both tiles of an edge the same label.
    unary
        (N, K) float64 cost of giving tile i label k.
    """

    edges: Ints
    weights: Floats
    unary: Floats


class Neighbours(NamedTuple):
    """The edges as arcs, one in each direction, sorted by the tile they leave and then the other.

    Attributes
    ----------
    first
        (N + 1,) int64; the arcs of tile i are first[i] to first[i + 1] - 1.
    tile
        (2E,) int32 tile at the other end of each arc.
    edge
        (2E,) int32 row of `edges` that each arc belongs to.
    reverse
        (2E,) int32 the arc of the same edge in the other direction.
    """

    first: Ints
    tile: Int32
    edge: Int32
    reverse: Int32


def energy(model: PottsModel, labels: npt.NDArray[np.integer]) -> float:
    """Return the energy of `labels` (N,), the exact sum rounded once.

    So equal energies are equal floats, whatever the order of tiles and edges.
    """
    u, v = model.edges.T
    fit = model.unary[np.arange(len(labels)), labels]
    agreement = model.weights[labels[u] == labels[v]]
    return math.fsum(fit.tolist() + (-agreement).tolist())


def neighbour_lists(edges: Ints, n: int) -> Neighbours:
    """Return the edges (E, 2), in any order, of `n` tiles as lists of neighbours.

    Each tile's neighbours are in ascending order.
    """
    codes = edges.min(axis=1) * n + edges.max(axis=1) if len(edges) else np.empty(0, np.int64)
    # Fast on edges that are sorted already, as those of `tiles.neighbours`.
    order = np.argsort(codes, kind="stable")
    lists = _fill_lists(*np.divmod(codes[order], max(n, 1)), n)
    return lists._replace(edge=order.astype(np.int32)[lists.edge])


def edges_within(edges: Ints, rows: Ints) -> Ints:
    """Return the edges (E, 2) between two of the sorted `rows` (M,), as positions among them."""
    if not len(edges) or not len(rows):
        return np.empty((0, 2), np.int64)
    u, v = np.searchsorted(rows, edges).clip(max=len(rows) - 1).T
    inside = (rows[u] == edges[:, 0]) & (rows[v] == edges[:, 1])
    return np.stack([u[inside], v[inside]], axis=1)


@njit(cache=True)
def _fill_lists(lower: Ints, upper: Ints, n: int) -> Neighbours:
    """Return the lists of edges that are sorted by their lower, then their upper tile."""
    n_edges = len(lower)
    first = np.zeros(n + 1, np.int64)
    for edge in range(n_edges):
        first[lower[edge] + 1] += 1
        first[upper[edge] + 1] += 1
    for tile in range(n):
        first[tile + 1] += first[tile]
    vacant = first[:-1].copy()
    tiles = np.empty(2 * n_edges, np.int32)
    edge_of = np.empty(2 * n_edges, np.int32)
    reverse = np.empty(2 * n_edges, np.int32)
    downward = np.empty(n_edges, np.int32)
    # All lower neighbours of a tile come before its upper ones.
    for edge in range(n_edges):
        arc = vacant[upper[edge]]
        vacant[upper[edge]] += 1
        tiles[arc], edge_of[arc], downward[edge] = lower[edge], edge, arc
    for edge in range(n_edges):
        arc = vacant[lower[edge]]
        vacant[lower[edge]] += 1
        tiles[arc], edge_of[arc] = upper[edge], edge
        reverse[arc], reverse[downward[edge]] = downward[edge], arc
    return Neighbours(first, tiles, edge_of, reverse)


class IntegerModel(NamedTuple):
    """Terms of E' in quanta, with the edges as arcs (see `Neighbours`).

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
    tile: Int32
    reverse: Int32
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
def _rows(unary: Ints, tiles: Ints) -> Ints:
    """Return the rows of `tiles`; to assign whole rows takes seconds to compile."""
    found = np.empty((len(tiles), unary.shape[1]), np.int64)
    for row in range(len(tiles)):
        for label in range(unary.shape[1]):
            found[row, label] = unary[tiles[row], label]
    return found


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
    unary = _rows(model.unary, tiles)
    for row in range(n):
        tile = tiles[row]
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
