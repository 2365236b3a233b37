"""Clusters as heavy-tailed Gaussians: how badly every tile fits every cluster.

A cluster is a multivariate t distribution of `TAIL_FREEDOM` degrees of freedom, so that a few odd
tiles (folds, pen, blur) neither move its mean nor widen it: a tile far out has little weight.
Covariances are shrunk towards the one that all clusters share, as if `SHARED_TILES` more tiles of
every cluster had been drawn from that one: small clusters get a regular covariance, large ones keep
their own.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from histohet.potts import Floats, Ints

TAIL_FREEDOM = 5.0
SHARED_TILES = 64.0
# Smallest variance in any direction, as a share of the mean variance of all tiles.
SMALLEST_VARIANCE = 1e-6


def tail_weights(squared_distance: Floats, d: int) -> Floats:
    """Return the weights of tiles at these squared Mahalanobis distances, 1 at the typical one."""
    return np.asarray((TAIL_FREEDOM + d) / (TAIL_FREEDOM + squared_distance))


def weighted_means(rows: Floats, labels: Ints, weights: Floats, n_labels: int) -> Floats:
    """Return the (K, d) weighted mean of the rows (N, d) of every label; all labels are used."""
    sums = [np.bincount(labels, weights * column, n_labels) for column in rows.T]
    means = np.stack(sums, axis=1) / np.bincount(labels, weights, n_labels)[:, None]
    return np.asarray(means, np.float64)


def ridge(rows: Floats) -> float:
    """Return the variance that is added to every direction, so that repeated rows do no harm."""
    return float(SMALLEST_VARIANCE * rows.var(axis=0).mean() + np.finfo(np.float64).tiny)


def misfit(rows: Floats, labels: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Return how badly each tile fits each cluster, and the weights of the tiles in their own.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    labels
        (N,) int64 in 0..K-1, each used; means and covariances are theirs.
    weights
        (N,) float64 weights of the tiles so far; ones to begin with.

    Returns
    -------
    ndarray
        (N, K) float64 minus log density, up to a constant.
    ndarray
        (N,) float64 new weights.
    """
    n, d = rows.shape
    n_labels = int(labels.max()) + 1
    means = weighted_means(rows, labels, weights, n_labels)
    scaled = (rows - means[labels]) * np.sqrt(weights)[:, None]
    shared = scaled.T @ scaled / n
    shared[np.diag_indices(d)] += ridge(rows)
    cost = np.empty((n, n_labels))
    weights = np.empty(n)
    for label in range(n_labels):
        members = labels == label
        own = scaled[members]
        covariance = (own.T @ own + SHARED_TILES * shared) / (len(own) + SHARED_TILES)
        factor = np.linalg.cholesky(covariance)
        white = solve_triangular(factor, (rows - means[label]).T, lower=True)
        squared = np.einsum("ij,ij->j", white, white)
        weights[members] = tail_weights(squared[members], d)
        cost[:, label] = (TAIL_FREEDOM + d) / 2 * np.log1p(squared / TAIL_FREEDOM)
        cost[:, label] += np.log(np.diag(factor)).sum()
    return cost, weights
