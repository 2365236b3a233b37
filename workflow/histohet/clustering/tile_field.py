"""Embeddings on the graph of the tiles, and the sums over them that evidence is computed from.

What y_i, the residuals and their regression are is explained in `evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit

from histohet.clustering.potts.model import Floats, Ints, Neighbours

# The regression on neighbours is shrunk by this share of their residuals' variance: a small slide
# does not teach d x d slopes, and what they overfit would count against separate means.
REGRESSION_RIDGE = 0.1


@dataclass(frozen=True)
class TileField:
    """Embeddings on the graph of the tiles.

    Attributes
    ----------
    rows
        (N, d) float64 embeddings.
    around
        (N, d) float64 mean embedding of each tile's neighbours; zeros where there are none.
    neighbours
        The graph.
    """

    rows: Floats
    around: Floats
    neighbours: Neighbours

    @classmethod
    def of(cls, rows: Floats, neighbours: Neighbours) -> TileField:
        """Return the field of embeddings `rows` (N, d), centred, on a graph of N tiles."""
        centred = rows - rows.mean(axis=0)
        return cls(centred, _mean_around(centred, neighbours), neighbours)


class Sums(NamedTuple):
    """Weighted sums over the tiles of each cluster; y is explained in `evidence`.

    Attributes
    ----------
    one, y, yy
        (K,), (K, 2d + K) and (K, 2d + K, 2d + K) float64.
    ridge
        Variance that every covariance gets on top.
    """

    one: Floats
    y: Floats
    yy: Floats
    ridge: float


def label_shares(field: TileField, counts: Ints) -> Floats:
    """Return the share of every label among each tile's neighbours, (N, K)."""
    return np.asarray(counts / np.maximum(np.diff(field.neighbours.first), 1)[:, None])


def sum_up(field: TileField, labels: Ints, counts: Ints, weights: Floats, floor: float) -> Sums:
    """Return the sums over the clusters.

    Parameters
    ----------
    labels, weights
        (N,) cluster and weight of every tile.
    counts
        (N, K) neighbours of every label.
    floor
        Variance that every covariance gets on top.
    """
    d, n_labels = field.rows.shape[1], counts.shape[1]
    width = 2 * d + n_labels
    order = np.argsort(labels, kind="stable")
    y = np.empty((len(labels), width))
    y[:, :d], y[:, d : 2 * d] = field.rows[order], field.around[order]
    y[:, 2 * d :] = label_shares(field, counts)[order]
    ends = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_labels))])
    sums, products = np.empty((n_labels, width)), np.empty((n_labels, width, width))
    for label, (begin, end) in enumerate(pairwise(ends)):
        weighted = y[begin:end] * weights[order[begin:end], None]
        sums[label] = weighted.sum(axis=0)
        products[label] = weighted.T @ y[begin:end]
    ones = np.bincount(labels, weights, n_labels).astype(np.float64)
    return Sums(ones, sums, products, floor)


def regress(around_around: Floats, around_residual: Floats, floor: float) -> Floats:
    """Return the (d, d) slopes of the residual on the residual around."""
    d = len(around_around)
    regular = around_around.copy()
    regular[np.diag_indices(d)] += REGRESSION_RIDGE * np.trace(around_around) / d + floor
    return np.asarray(np.linalg.solve(regular, around_residual))


@njit(cache=True)
def _mean_around(rows: Floats, neighbours: Neighbours) -> Floats:
    mean = np.zeros_like(rows)
    for tile in range(len(rows)):
        begin, end = neighbours.first[tile], neighbours.first[tile + 1]
        for arc in range(begin, end):
            mean[tile] += rows[neighbours.tile[arc]]
        if end > begin:
            mean[tile] /= end - begin
    return mean
