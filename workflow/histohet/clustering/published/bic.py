"""HETMAP's number of clusters: merges that lower the BIC of full-covariance Gaussians.

The Bayesian information criterion (BIC) of one Gaussian per cluster. The embedding is the PCA of
the scaled features, not a second PCA of the unscaled ones, and no covariance is singular: the
maximum-likelihood covariance of a cluster with fewer than d + 1 members is, so its likelihood is
infinite and the cluster can never be merged. Replacing it by a maximum a posteriori estimate inside
BIC is the regularisation of Fraley and Raftery (J. Classification 24:155, 2007). The prior weighs
**one tile**, the "unit information" BIC itself assumes (Kass and Wasserman, JASA 90:928, 1995), and
is centred on the pooled within-cluster covariance P:

    covariance_k = (scatter_k + P) / (n_k + 1),      P = (sum of scatters + T) / (n + 1)

where T is the covariance of the whole embedding, regular by construction, which serves P in the
same way when a slide has few tiles. Both terms vanish as clusters grow, so large clusters have the
published value. Merging stays sensible for small ones: n_k < d members leave d - n_k directions in
which the variance is P / (n_k + 1), which lowers -2 log L by n_k (d - n_k) log(n_k + 1), at most
d^2 / 4 log n, while the parameters of the cluster cost more than d^2 / 2 log n. A cluster thus
never survives only because it is too small to show its spread.

A limit of the published criterion itself remains: d grows with the width of the encoder, and a
cluster has to repay about d^2 / 2 log n. In wide embeddings only slides of very many tiles can
keep more than one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from histohet.common.arrays import Floats

# Share of the variance that the space of BIC keeps (HETMAP).
VARIANCE = 0.8
# What the prior of a covariance weighs.
PRIOR_TILES = 1.0


@dataclass(frozen=True)
class MergeSearch:
    """Outcome of `first_improving_merge`.

    Attributes
    ----------
    bic
        BIC of the labels as they are.
    merge
        (source, target): the cluster that is given up and the one that takes its tiles; None when
        no merge lowers BIC.
    bic_merged
        BIC after the merge; None without one.
    """

    bic: float
    merge: tuple[int, int] | None = None
    bic_merged: float | None = None


def bic_embedding(features: npt.NDArray[np.floating], variance: float = VARIANCE) -> Floats:
    """Return the principal components of the scaled features that explain `variance`.

    Parameters
    ----------
    features
        (N, D) float with at least two different rows.
    variance
        Share of the variance in (0, 1]; the smallest number of components that reaches it is kept.

    Returns
    -------
    ndarray
        (N, d) float64.
    """
    scaled = StandardScaler().fit_transform(features)
    # Eigenvectors of the D x D covariance are far cheaper when there are more tiles than columns.
    solver = "covariance_eigh" if len(features) > features.shape[1] else "full"
    pca = PCA(svd_solver=solver).fit(scaled)
    explained = np.cumsum(pca.explained_variance_ratio_, dtype=np.float64)
    d = min(int(np.searchsorted(explained, variance)) + 1, len(explained))
    axes = pca.components_[:d].T
    return np.ascontiguousarray(scaled @ axes - pca.mean_ @ axes, np.float64)


def first_improving_merge(embedding: Floats, labels: npt.NDArray[np.integer]) -> MergeSearch:
    """Look for the first merge that lowers BIC, in HETMAP's order.

    For each cluster in turn, all its tiles are given to the cluster with the nearest centroid
    (Euclidean, in the embedding). All candidates are judged with the same pooled covariance, that
    of `labels`, so only the terms of the two clusters change.

    Parameters
    ----------
    embedding
        (N, d) float64 of full column rank.
    labels
        (N,) integers 0..K-1, each used.
    """
    clusters = _Gaussians(embedding, labels)
    bic = clusters.bic()
    for source in range(clusters.n_clusters):
        target = clusters.nearest_to(source)
        if target is not None:
            change = clusters.bic_change(source, target)
            if change < 0:
                return MergeSearch(bic, (source, target), bic + change)
    return MergeSearch(bic)


class _Gaussians:
    """Sufficient statistics of the clusters: number of tiles, mean and scatter."""

    def __init__(self, embedding: Floats, labels: npt.NDArray[np.integer]) -> None:
        self.counts = np.bincount(labels)
        if not self.counts.all():
            raise ValueError(f"no tile has label {int(np.argmin(self.counts))}: labels have a gap")
        self.n, self.d = embedding.shape
        self.n_clusters = len(self.counts)
        self.means = np.empty((self.n_clusters, self.d))
        self.scatters = np.empty((self.n_clusters, self.d, self.d))
        for k in range(self.n_clusters):
            members = embedding[labels == k]
            self.means[k] = members.mean(axis=0)
            members = members - self.means[k]
            self.scatters[k] = members.T @ members
        centred = embedding - embedding.mean(axis=0)
        total = centred.T @ centred / self.n
        within = self.scatters.sum(axis=0)
        self.pooled = (within + PRIOR_TILES * total) / (self.n + PRIOR_TILES)
        self.deviances = np.array(
            [self._deviance(*cluster) for cluster in zip(self.counts, self.scatters, strict=True)]
        )

    def bic(self) -> float:
        shape_parameters = self.d + self.d * (self.d + 1) / 2
        p = self.n_clusters * shape_parameters + self.n_clusters - 1
        return float(self.deviances.sum() + p * np.log(self.n))

    def nearest_to(self, source: int) -> int | None:
        """Return the cluster with the nearest centroid, the lower number among equals."""
        if self.n_clusters < 2:
            return None
        squared = ((self.means - self.means[source]) ** 2).sum(axis=1)
        squared[source] = np.inf
        return int(np.argmin(squared))

    def bic_change(self, a: int, b: int) -> float:
        """Return how much BIC changes when clusters `a` and `b` become one."""
        n_a, n_b = self.counts[a], self.counts[b]
        apart = self.means[a] - self.means[b]
        between = (n_a * n_b / (n_a + n_b)) * np.outer(apart, apart)
        merged = self._deviance(n_a + n_b, self.scatters[a] + self.scatters[b] + between)
        saved_parameters = self.d + self.d * (self.d + 1) / 2 + 1
        change = merged - self.deviances[a] - self.deviances[b] - saved_parameters * np.log(self.n)
        return float(change)

    def _deviance(self, count: int, scatter: Floats) -> float:
        """Return a cluster's share of -2 log L."""
        covariance = (scatter + PRIOR_TILES * self.pooled) / (count + PRIOR_TILES)
        try:
            factor = cho_factor(covariance, lower=True)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"the covariance of a cluster of {count} tiles in {self.d} dimensions is singular"
            ) from error
        log_determinant = 2.0 * np.log(np.diag(factor[0])).sum()
        gaussian = count * (log_determinant + self.d * np.log(2.0 * np.pi))
        gaussian += np.trace(cho_solve(factor, scatter))
        return float(gaussian - 2.0 * count * np.log(count / self.n))
