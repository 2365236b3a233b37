"""How many clusters the tiles of a slide give evidence for.

The question is whether two groups of tiles are two kinds of tissue, or one kind whose embeddings
drift over the slide (stain, thickness, focus). A Gaussian per cluster cannot tell: drift looks like
clusters, and ever more so the more tiles there are, because neighbouring tiles are not independent
observations. Neighbours themselves can tell: drift is smooth, a border between kinds is not.

The model
---------
Tile i of cluster k has the embedding x_i = mean_k + r_i. Its residual r_i is predicted from the
mean residual of its neighbours, by one regression for the slide; what remains, e_i, is Gaussian
with a covariance of the cluster's own. If two clusters are halves of a drifting one, their means
add nothing to what neighbours predict; if they are two kinds, neighbours across the border
mispredict.
The labels follow the Potts model of `neighbour_labels`: labels that do not hang together are
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
t distribution (`gaussian_clusters`), and its log density in place of the Gaussian one.

From sufficient statistics
--------------------------
Let y_i = (x_i, mean x of the neighbours, share of every label among them). Every residual,
predicted or not, of every merger of clusters, is linear in y_i; so the sums over each cluster of 1,
y and y y^T give the evidence of every merger without a look at the tiles. All pairs are ranked by
the determinant of a covariance shared by all clusters, and the leading ones judged in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from histohet.clustering.merger_ranking import pooled_gains
from histohet.clustering.mixture import TAIL_FREEDOM, ridge, tail_weights, weighted_means
from histohet.clustering.neighbour_labels import (
    estimate_coupling,
    log_likelihood,
    merge_gains,
    neighbour_counts,
)
from histohet.clustering.potts.model import Floats, Ints
from histohet.clustering.tile_field import Sums, TileField, label_shares, regress, sum_up

# Tiles that the clusters' covariances may share, from hardly any to all.
SHARED_TILES = 2.0 ** np.arange(1, 14)
# Tiles that the prior of a mean may be worth.
PRIOR_TILES = 2.0 ** np.arange(-20, 16)
# Rounds in which weights and covariance of the unpredicted part settle.
WEIGHT_ROUNDS = 2
# Pairs whose merger is judged in full.
JUDGED_PAIRS = 8


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
    weights, tails = _settle_weights(field, labels, counts, weights, floor)
    sums = sum_up(field, labels, counts, weights, floor)
    covariances, shared_tiles = _covariance_evidence(sums, np.arange(n_labels), sizes, d)
    coupling = estimate_coupling(counts, labels)
    evidence = covariances + tails + log_likelihood(counts, labels, coupling)
    evidence += _means_evidence(sums, sizes, d)
    return Assessment(labels, float(evidence), coupling, weights, counts, sums, float(shared_tiles))


def best_merge(now: Assessment, d: int) -> tuple[int, int]:
    """Return the two clusters, the lower number first, whose merger has the most evidence.

    What the means cost is left out: it hardly differs between pairs.

    Parameters
    ----------
    now
        Assessment of two clusters or more.
    d
        Width of the embeddings.
    """
    sizes = np.bincount(now.labels)
    of_labels = merge_gains(now.counts, now.labels, now.coupling)
    pairs = np.stack(np.triu_indices(now.n_clusters, 1), axis=1)
    first, second = pairs.T
    ranking = pooled_gains(now.sums, d)[first, second] + of_labels[first, second]
    best, best_pair = -np.inf, (0, 1)
    for a, b in pairs[np.argsort(-ranking, kind="stable")[:JUDGED_PAIRS]]:
        onto = np.arange(now.n_clusters)
        onto[b] = a
        onto[b + 1 :] -= 1
        merged = np.bincount(onto, sizes).astype(np.int64)
        covariances, _ = _covariance_evidence(now.sums, onto, merged, d, now.shared_tiles)
        if covariances + of_labels[a, b] > best:
            best, best_pair = covariances + of_labels[a, b], (int(a), int(b))
    return best_pair


def _settle_weights(
    field: TileField, labels: Ints, counts: Ints, weights: Floats, floor: float
) -> tuple[Floats, float]:
    """Return the tiles' weights, and how much the density of a t exceeds the weighted Gaussian's.

    Both with the covariance of all unpredicted parts together.
    """
    n, d = field.rows.shape
    shares = label_shares(field, counts)
    squared = np.zeros(n)
    for _ in range(WEIGHT_ROUNDS):
        means = weighted_means(field.rows, labels, weights, counts.shape[1])
        residual = field.rows - means[labels]
        around = field.around - shares @ means
        weighted = around * weights[:, None]
        slopes = regress(weighted.T @ around, weighted.T @ residual, floor * weights.sum())
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
    slopes = regress(
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


def _covariance_evidence(
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
