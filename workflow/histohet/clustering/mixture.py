"""Clusters as heavy-tailed Gaussians: how badly every tile fits every cluster.

A cluster is a multivariate t distribution of `TAIL_FREEDOM` degrees of freedom, so that a few odd
tiles (folds, pen, blur) neither move its mean nor widen it: a tile far out has little weight.
Covariances are shrunk towards the one that all clusters share, as if `SHARED_TILES` more tiles of
every cluster had been drawn from that one: small clusters get a regular covariance, large ones keep
their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histohet.common.arrays import Floats, Ints

TAIL_FREEDOM = 5.0
SHARED_TILES = 64.0
# Smallest variance in any direction, as a share of the mean variance of all tiles.
SMALLEST_VARIANCE = 1e-6
# Rows whose intermediate results stay in the cache.
ROWS_PER_CHUNK = 2_048


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


class Clusters(NamedTuple):
    """What clusters look like.

    Attributes
    ----------
    means
        (K, d) float64.
    to_white
        (K, d, d) float64; (row - mean) @ to_white is of unit covariance.
    log_scale
        (K,) float64 half the log determinant of the covariance.
    """

    means: Floats
    to_white: Floats
    log_scale: Floats


def describe(rows: Floats, labels: Ints, weights: Floats) -> Clusters:
    """Return what the clusters of labelled tiles look like.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    labels
        (N,) int64 in 0..K-1, each used.
    weights
        (N,) float64 weights of the tiles so far; ones to begin with.
    """
    n, d = rows.shape
    n_labels = int(labels.max()) + 1
    means = weighted_means(rows, labels, weights, n_labels)
    scaled = (rows - means[labels]) * np.sqrt(weights)[:, None]
    scatters = np.empty((n_labels, d, d))
    for label in range(n_labels):
        own = scaled[labels == label]
        scatters[label] = own.T @ own
    shared = scatters.sum(axis=0) / n
    shared[np.diag_indices(d)] += ridge(rows)
    sizes = np.bincount(labels, minlength=n_labels)[:, None, None]
    factors = np.linalg.cholesky((scatters + SHARED_TILES * shared) / (sizes + SHARED_TILES))
    to_white = np.linalg.inv(factors).transpose(0, 2, 1)
    log_scale = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return Clusters(means, np.ascontiguousarray(to_white), log_scale)


def distances(rows: Floats, clusters: Clusters) -> Floats:
    """Return the squared Mahalanobis distance (N, K) of every tile from every cluster."""
    squared = np.empty((len(rows), len(clusters.means)))
    for first in range(0, len(rows), ROWS_PER_CHUNK):
        chunk = rows[first : first + ROWS_PER_CHUNK]
        for label, (mean, to_white) in enumerate(
            zip(clusters.means, clusters.to_white, strict=True)
        ):
            white = chunk @ to_white - mean @ to_white
            squared[first : first + ROWS_PER_CHUNK, label] = np.einsum("ij,ij->i", white, white)
    return squared


def misfit(rows: Floats, labels: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Return how badly each tile fits each cluster, and the weights of the tiles in their own.

    Parameters
    ----------
    rows, labels, weights
        As in `describe`.

    Returns
    -------
    ndarray
        (N, K) float64 minus log density, up to a constant.
    ndarray
        (N,) float64 new weights.
    """
    clusters = describe(rows, labels, weights)
    squared = distances(rows, clusters)
    d = rows.shape[1]
    new_weights = tail_weights(squared[np.arange(len(rows)), labels], d)
    return minus_log_density(squared, clusters, d), new_weights


def minus_log_density(squared: Floats, clusters: Clusters, d: int) -> Floats:
    """Return minus the log density (N, K), up to a constant, at squared distances (N, K)."""
    cost = np.log1p(squared / TAIL_FREEDOM)
    cost *= (TAIL_FREEDOM + d) / 2
    cost += clusters.log_scale
    return np.asarray(cost)


def nearest(rows: Floats, known: Floats, labels: Ints) -> Ints:
    """Return the cluster (N,) that suits each of the rows (N, d) best.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    known, labels
        (M, d) float64 embeddings and (M,) int64 labels 0..K-1, each used, that describe the
        clusters.
    """
    _, weights = misfit(known, labels, np.ones(len(known)))
    clusters = describe(known, labels, weights)
    cost = minus_log_density(distances(rows, clusters), clusters, rows.shape[1])
    return np.asarray(np.argmin(cost, axis=1), np.int64)
