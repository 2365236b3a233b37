"""The Potts energy of a labelling of tiles: how badly labels fit tiles, less what agreement earns.

E(s) = sum over tiles i of unary[i, s_i] - sum over edges (u, v) with s_u = s_v of w_uv.

A `PottsModel` holds the two terms as plain arrays. Whoever builds other terms, or another minimiser
(`annealing`, `minimiser`), needs nothing else from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


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
    tile: Indices
    edge: Indices
    reverse: Indices


def unary_cosine(
    features: npt.NDArray[np.floating], centres: npt.NDArray[np.floating], weight: float
) -> Floats:
    """Return -weight * cos(centre_k, x_i) for every tile i and label k, the fit of HETMAP.

    Parameters
    ----------
    features
        (N, D) float; rows of zeros have cosine 0.
    centres
        (K, D) float.
    weight
        c of the published energy, number of edges / number of tiles, so that both terms weigh
        alike.

    Returns
    -------
    ndarray
        (N, K) float64.
    """
    products = (features @ centres.astype(features.dtype).T).astype(np.float64)
    norms = np.outer(_row_norms(features), _row_norms(centres))
    cosine = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return -weight * cosine


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
    # Fast on edges that are sorted already, as those of `graph`.
    order = np.argsort(codes, kind="stable")
    lists = _fill_lists(*np.divmod(codes[order], max(n, 1)), n)
    return lists._replace(edge=order.astype(np.int32)[lists.edge])


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


def _row_norms(rows: npt.NDArray[np.floating]) -> Floats:
    squared: Floats = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(squared)
