"""How many clusters the tiles of a slide give evidence for.

The question is whether two groups of tiles are two kinds of tissue, or one kind whose embeddings
drift over the slide (stain, thickness, focus). A Gaussian per cluster cannot tell: drift looks like
clusters, and ever more so the more tiles there are, because neighbouring tiles are not independent
observations. Neighbours themselves can tell: drift is smooth, a border between kinds is not.

The model
---------
Tile i of cluster k has the embedding x_i = mean_k + r_i. Its residual r_i is predicted from the
mean residual of the tiles in its vicinity, by one regression for the slide; what remains, e_i, is
Gaussian with a covariance of the cluster's own. If two clusters are halves of a drifting one, their
means add nothing to what the vicinity predicts; if they are two kinds, tiles across the border
mispredict. The vicinity is wider than the tiles that touch: a border of real tissue is blurred over
a tile or two, and tiles that touch would explain it away as drift.
The labels follow the Potts model of `energy`: labels that do not hang together are
improbable. The evidence of a labelling is the sum of

- the log density of the e_i, with every cluster's covariance integrated out: a priori it is inverse
  Wishart around the covariance that all clusters share, and how much they share is what fits best.
  Integrating, not maximising, is what pays for the d (d + 1) / 2 parameters of a covariance (BIC
  charges all of them in full, which small slides can never repay);
- the log pseudo-likelihood of the labels at the coupling that fits them best;
- the log probability of the means, integrated out as well: a priori they are Gaussian around the
  mean of all tiles, with a multiple of the clusters' shared covariance that fits best. So a cluster
  pays for where it lies, and small ones pay more for the same distance than in BIC.

It is a pseudo-likelihood (Besag 1975): every tile given its neighbours. Tiles have the weights of a
t distribution (`mixture`), and its log density in place of the Gaussian one.

From sufficient statistics
--------------------------
Let y_i = (x_i, mean x of the vicinity, share of every label in it). Every residual,
predicted or not, of every merger of clusters, is linear in y_i; so the sums over each cluster of 1,
y and y y^T give the evidence of every merger (`mergers`) without a look at the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from histohet.clustering.energy import (
    estimate_coupling,
    log_likelihood,
    neighbour_counts,
)
from histohet.clustering.mixture import TAIL_FREEDOM, ridge, tail_weights, weighted_means
from histohet.clustering.potts.model import Neighbours, edges_within, neighbour_lists
from histohet.common.arrays import Floats, Ints

# The regression on neighbours is shrunk by this share of their residuals' variance: a small slide
# does not teach d x d slopes, and what they overfit would count against separate means.
REGRESSION_RIDGE = 0.1
# Tiles that the clusters' covariances may share, from hardly any to all.
SHARED_TILES = 2.0 ** np.arange(1, 14, 2)
# Tiles that the prior of a mean may be worth.
PRIOR_TILES = 2.0 ** np.arange(-20, 16)
# Rounds in which weights and covariance of the unpredicted part settle.
WEIGHT_ROUNDS = 2


@dataclass(frozen=True)
class TileField:
    """Embeddings on the graph of the tiles.

    Attributes
    ----------
    rows
        (N, d) float64 embeddings.
    around
        (N, d) float64 mean embedding of each tile's vicinity; zeros where nothing is in it.
    neighbours
        The graph, whose tiles tend to be in one cluster.
    vicinity
        The tiles that each is predicted from.
    """

    rows: Floats
    around: Floats
    neighbours: Neighbours
    vicinity: Neighbours

    @classmethod
    def of(cls, rows: Floats, neighbours: Neighbours, vicinity: Neighbours) -> TileField:
        """Return the field of embeddings `rows` (N, d), centred, on graphs of N tiles."""
        centred = rows - rows.mean(axis=0)
        return cls(centred, _mean_around(centred, vicinity), neighbours, vicinity)

    def part(self, rows: Ints) -> TileField:
        """Return the field of some of the tiles, sorted `rows` (M,), without their other edges."""
        neighbours, vicinity = _among(self.neighbours, rows), _among(self.vicinity, rows)
        return TileField.of(self.rows[rows], neighbours, vicinity)


def _among(lists: Neighbours, rows: Ints) -> Neighbours:
    u = np.repeat(np.arange(len(lists.first) - 1), np.diff(lists.first))
    edges = np.stack([u, lists.tile], axis=1)
    return neighbour_lists(edges_within(edges[edges[:, 0] < edges[:, 1]], rows), len(rows))


class Sums(NamedTuple):
    """Weighted sums over the tiles of each cluster; y is explained above.

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


@dataclass(frozen=True)
class Assessment:
    """Evidence of one labelling, and what judging its mergers needs.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used.
    evidence
        Log evidence, up to a constant of the slide.
    coupling
        Coupling under which the labels are most likely.
    weights
        (N,) float64 weights of the tiles.
    """

    labels: Ints
    evidence: float
    coupling: float
    weights: Floats
    counts: Ints
    sums: Sums
    shared_tiles: float

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.sums.one)


def assess(field: TileField, labels: Ints, weights: Floats) -> Assessment:
    """Return the evidence of a labelling.

    Parameters
    ----------
    field
        Embeddings on their graph.
    labels
        (N,) int64 in 0..K-1, each used.
    weights
        (N,) float64 weights to begin with, ones or those of a similar labelling.
    """
    d = field.rows.shape[1]
    n_labels = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=n_labels)
    counts = neighbour_counts(field.neighbours, labels, n_labels)
    floor = ridge(field.rows)
    shares = _label_shares(field, labels, n_labels)
    weights, tails = _settle_weights(field, labels, shares, weights, floor)
    sums = _sum_up(field, labels, shares, weights, floor)
    covariances, shared_tiles = covariance_evidence(sums, np.arange(n_labels), sizes, d)
    coupling = estimate_coupling(counts, labels)
    evidence = covariances + tails + log_likelihood(counts, labels, coupling)
    evidence += _means_evidence(sums, sizes, d)
    return Assessment(labels, float(evidence), coupling, weights, counts, sums, float(shared_tiles))


def _settle_weights(
    field: TileField, labels: Ints, shares: Floats, weights: Floats, floor: float
) -> tuple[Floats, float]:
    """Return the tiles' weights, and how much the density of a t exceeds the weighted Gaussian's.

    Both with the covariance of all unpredicted parts together.
    """
    n, d = field.rows.shape
    squared = np.zeros(n)
    for _ in range(WEIGHT_ROUNDS):
        means = weighted_means(field.rows, labels, weights, shares.shape[1])
        residual = field.rows - means[labels]
        around = field.around - shares @ means
        weighted = around * weights[:, None]
        slopes = _regress(weighted.T @ around, weighted.T @ residual, floor * weights.sum())
        unpredicted = residual - around @ slopes
        pooled = (unpredicted * weights[:, None]).T @ unpredicted / n
        pooled[np.diag_indices(d)] += floor
        white = solve_triangular(np.linalg.cholesky(pooled), unpredicted.T, lower=True)
        squared = np.einsum("ij,ij->j", white, white)
        weights = tail_weights(squared, d)
    density = -(TAIL_FREEDOM + d) / 2 * np.log1p(squared / TAIL_FREEDOM)
    return weights, float((density + weights * squared / 2).sum())


def _scatters(sums: Sums, onto: Ints, d: int) -> Floats:
    """Return the scatter (K', d, d) of the unpredicted parts once cluster k is part of onto[k]."""
    n_merged = int(onto.max()) + 1
    totals = np.bincount(onto, sums.one, n_merged)
    means = np.zeros((n_merged, d))
    np.add.at(means, onto, sums.y[:, :d])
    means = (means / totals[:, None])[onto]
    to_around = np.concatenate([np.zeros((d, d)), np.eye(d), -means.T], axis=1)
    total = sums.yy.sum(axis=0)
    slopes = _regress(
        to_around @ total @ to_around.T,
        to_around @ (total[:, :d] - sums.y.T @ means),
        sums.ridge * sums.one.sum(),
    )
    to_unpredicted = -slopes.T @ to_around
    to_unpredicted[:, :d] += np.eye(d)
    products = to_unpredicted @ sums.yy @ to_unpredicted.T
    crossed = (sums.y @ to_unpredicted.T)[:, :, None] * means[:, None, :]
    squares = sums.one[:, None, None] * means[:, :, None] * means[:, None, :]
    of_each = products - crossed - crossed.transpose(0, 2, 1) + squares
    scatters = np.zeros((n_merged, d, d))
    np.add.at(scatters, onto, of_each)
    return scatters


def covariance_evidence(
    sums: Sums, onto: Ints, sizes: Ints, d: int, shared_tiles: float | None = None
) -> tuple[float, float]:
    """Return the log density of the unpredicted parts, and the number of shared tiles.

    Covariances are integrated out; `shared_tiles` is the best of `SHARED_TILES` unless given.
    """
    scatters = _scatters(sums, onto, d)
    pooled = scatters.sum(axis=0) / sizes.sum()
    pooled[np.diag_indices(d)] += sums.ridge
    candidates = SHARED_TILES if shared_tiles is None else np.array([shared_tiles])
    densities = [_integrated_density(scatters, sizes, pooled, shared) for shared in candidates]
    best = int(np.argmax(densities))
    return densities[best], float(candidates[best])


def _means_evidence(sums: Sums, sizes: Ints, d: int) -> float:
    """Return the log factor by which integrating out the means lowers the density at their best.

    The prior of a mean is worth some number of tiles, the best of `PRIOR_TILES`: few where clusters
    lie far apart. One cluster lies where all tiles lie and pays next to nothing.
    """
    means = sums.y[:, :d] / sums.one[:, None]
    within = (sums.yy[:, :d, :d].sum(axis=0) - means.T @ sums.y[:, :d]) / sizes.sum()
    within[np.diag_indices(d)] += sums.ridge
    apart = means - np.average(means, axis=0, weights=sizes)
    squared = np.einsum("ij,ji->i", apart, np.linalg.solve(within, apart.T))
    prior = PRIOR_TILES[:, None]
    cost = d / 2 * np.log1p(sizes / prior) + prior * sizes / (prior + sizes) * squared / 2
    return -float(cost.sum(axis=1).min())


def _integrated_density(scatters: Floats, sizes: Ints, pooled: Floats, shared: float) -> float:
    """Return the log density of Gaussians whose covariances are inverse Wishart around `pooled`.

    The prior has d + 1 + `shared` degrees of freedom and the mean `pooled`.
    """
    d = len(pooled)
    freedom = d + 1 + shared
    prior = shared * pooled
    of_cluster = (
        freedom / 2 * _log_determinant(prior)
        - (freedom + sizes) / 2 * _log_determinant(prior + scatters)
        + _log_multigamma((freedom + sizes) / 2, d)
        - _log_multigamma(np.array(freedom / 2), d)
        - sizes * d / 2 * np.log(np.pi)
    )
    return float(of_cluster.sum())


def _log_multigamma(a: Floats, d: int) -> Floats:
    """Return log Gamma_d(a) for an array of arguments."""
    terms = gammaln(a[..., None] - np.arange(d) / 2).sum(axis=-1)
    return np.asarray(terms + d * (d - 1) / 4 * np.log(np.pi))


def _log_determinant(matrices: Floats) -> Floats:
    diagonal = np.diagonal(np.linalg.cholesky(matrices), axis1=-2, axis2=-1)
    return np.asarray(2 * np.log(diagonal).sum(axis=-1))


def _label_shares(field: TileField, labels: Ints, n_labels: int) -> Floats:
    """Return the share of every label in each tile's vicinity, (N, K)."""
    counts = neighbour_counts(field.vicinity, labels, n_labels)
    return np.asarray(counts / np.maximum(np.diff(field.vicinity.first), 1)[:, None])


def _sum_up(field: TileField, labels: Ints, shares: Floats, weights: Floats, floor: float) -> Sums:
    """Return the sums over the clusters.

    Parameters
    ----------
    labels, weights
        (N,) cluster and weight of every tile.
    shares
        (N, K) share of every label in each tile's vicinity.
    floor
        Variance that every covariance gets on top.
    """
    d, n_labels = field.rows.shape[1], shares.shape[1]
    width = 2 * d + n_labels
    order = np.argsort(labels, kind="stable")
    y = np.empty((len(labels), width))
    y[:, :d], y[:, d : 2 * d] = field.rows[order], field.around[order]
    y[:, 2 * d :] = shares[order]
    ends = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_labels))])
    sums, products = np.empty((n_labels, width)), np.empty((n_labels, width, width))
    for label, (begin, end) in enumerate(pairwise(ends)):
        weighted = y[begin:end] * weights[order[begin:end], None]
        sums[label] = weighted.sum(axis=0)
        products[label] = weighted.T @ y[begin:end]
    ones = np.bincount(labels, weights, n_labels).astype(np.float64)
    return Sums(ones, sums, products, floor)


def _regress(around_around: Floats, around_residual: Floats, floor: float) -> Floats:
    """Return the (d, d) slopes of the residual on the residual around."""
    d = len(around_around)
    regular = around_around.copy()
    regular[np.diag_indices(d)] += REGRESSION_RIDGE * np.trace(around_around) / d + floor
    return np.asarray(np.linalg.solve(regular, around_residual))


@njit(cache=True)
def _mean_around(rows: Floats, neighbours: Neighbours) -> Floats:
    n, d = rows.shape
    mean = np.zeros((n, d))
    for tile in range(n):
        begin, end = neighbours.first[tile], neighbours.first[tile + 1]
        for arc in range(begin, end):
            other = neighbours.tile[arc]
            for k in range(d):
                mean[tile, k] += rows[other, k]
        for k in range(d):
            mean[tile, k] /= max(end - begin, 1)
    return mean
