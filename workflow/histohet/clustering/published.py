"""The published clustering (HETMAP), its defects mended: cosines, annealing, full-covariance BIC.

K-means; then, until no merge lowers BIC: annealing of the Potts energy, one merge, k-means again.

The energy
----------
Cosines of neighbours, and of tiles and the means of their clusters. Both terms weigh alike: the
second is multiplied by edges / tiles. Neighbours that point in opposite directions have negative
weights.

The number of clusters
----------------------
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

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.linalg import cho_factor, cho_solve
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from histohet.clustering.energy import typical_coupling
from histohet.clustering.potts.minimise import gap_percent, lower_bound
from histohet.clustering.potts.model import PottsModel, energy, neighbour_lists
from histohet.clustering.result import (
    UNKNOWN,
    Certainty,
    Clustering,
    Step,
    at_most_one_cluster,
    compact,
    numbered,
)
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.tiles import Features, OrderedTiles
from histohet.common.arrays import Floats, Int32, Ints

# Share of the variance that the space of BIC keeps (HETMAP).
VARIANCE = 0.8
# What the prior of a covariance weighs.
PRIOR_TILES = 1.0
EDGES_PER_CHUNK = 4096


@dataclass(frozen=True)
class AnnealingSchedule:
    """Cooling of the published annealing.

    The temperature starts at `t_start` and is multiplied by `factor` after every
    `proposals_per_temperature` proposals until it is below `t_end`. The published rule for what
    comes then may run to `max_proposals` without changing a label. Here the cold chain goes on in
    sweeps of N * K proposals (every label of every tile once, on average) until one sweep lowers
    the energy by no more than `tolerance` of its magnitude.
    """

    t_start: float = 2.0
    factor: float = 0.9
    proposals_per_temperature: int = 10_000
    t_end: float = 0.01
    max_proposals: int = 10_000_000
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not (self.t_start > 0 and self.t_end > 0 and 0 < self.factor < 1):
            raise ValueError(f"annealing must cool from a positive temperature: {self}")
        if self.proposals_per_temperature < 1 or self.max_proposals < 0 or self.tolerance < 0:
            raise ValueError(f"annealing needs proposals and a tolerance of 0 or more: {self}")


SCHEDULE = AnnealingSchedule()
"""That of HETMAP."""


def cluster(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    """Cluster tiles as published.

    Parameters
    ----------
    settings
        Those of HETMAP are `ClusteringSettings(procedure="paper")`.
    seed
        Of k-means, which has `settings.q` starts (HETMAP), and of annealing.
    smoothed
        Whether there is annealing.
    """
    start, notes = _start(tiles, settings.q, seed)
    if start.max(initial=0) < 1:
        return at_most_one_cluster(settings, len(tiles), smoothed, notes)
    edges = tiles.graph(settings.k, settings.reach).edges
    weights = edge_similarity(tiles.features, edges)
    rng = np.random.default_rng(seed)
    embedding = bic_embedding(tiles.features)
    raw, steps = start, list[Step]()
    while True:
        labels, certainty = raw, UNKNOWN
        if smoothed:
            model = cosine_energy(tiles.features, edges, weights, raw)
            labels, certainty = _smooth(model, raw, rng)
        clusters = compact(labels)
        search = first_improving_merge(embedding, clusters)
        sizes = np.bincount(clusters).tolist()
        merged = (sizes[search.merge[0]], sizes[search.merge[1]]) if search.merge else None
        steps.append(Step(len(sizes), search.bic, merged))
        if search.merge is None:
            return numbered(settings, start, raw, labels, tuple(steps), certainty, notes)
        source, target = search.merge
        raw = _refit(tiles.features, compact(np.where(clusters == source, target, clusters)))


def too_few_different(n_tiles: int, different: int, q: int) -> str:
    """Return the note that there are fewer clusters at the start because tiles are alike."""
    return (
        f"{n_tiles} tiles with {different} different feature vectors:"
        f" {different} instead of {q} clusters at the start"
    )


def _start(tiles: OrderedTiles, q: int, seed: int) -> tuple[Ints, tuple[str, ...]]:
    """Return the labels (N,) of the first k-means, and why they are fewer than `q`."""
    different = tiles.count_different(q)
    notes = () if different == q else (too_few_different(len(tiles), different, q),)
    if different < 2:
        return np.zeros(len(tiles), np.int64), notes
    k_means = KMeans(different, n_init=q, random_state=seed)
    return compact(k_means.fit(tiles.features).labels_), notes


def _smooth(model: PottsModel, labels: Ints, rng: np.random.Generator) -> tuple[Ints, Certainty]:
    """Anneal the labels, and tell how near the minimum they come."""
    annealed = anneal(model, labels, SCHEDULE, rng)
    # Repelling neighbours are left out of the bound, which holds all the more: they could only
    # raise the energy.
    attracting = replace(model, weights=np.maximum(model.weights, 0.0))
    bound = min(annealed.energy, lower_bound(attracting, annealed.labels))
    gap = gap_percent(attracting, annealed.energy, bound)
    return annealed.labels, Certainty(annealed.energy, bound, gap, typical_coupling(model))


def _refit(features: Features, clusters: Ints) -> Ints:
    """Return the labels of k-means that starts from the means of the clusters."""
    means = [features[clusters == k].mean(axis=0, dtype=np.float64) for k in np.unique(clusters)]
    init = np.array(means, np.float32)
    return compact(KMeans(len(init), init=init, n_init=1).fit(features).labels_)


def cosine_energy(
    features: npt.NDArray[np.floating], edges: Ints, weights: Floats, labels: Ints
) -> PottsModel:
    """Return the terms that any labelling by the clusters of `labels` is judged with.

    Parameters
    ----------
    features
        (N, D) float embeddings.
    edges, weights
        (E, 2) int64, and their (E,) `edge_similarity`.
    labels
        (N,) int64 in 0..K-1, each used; they describe the clusters.
    """
    centres = [features[labels == k].mean(axis=0) for k in range(int(labels.max()) + 1)]
    unary = unary_cosine(features, np.array(centres), len(edges) / len(features))
    return PottsModel(edges, weights, unary)


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


def _row_norms(rows: npt.NDArray[np.floating]) -> Floats:
    squared: Floats = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(squared)


def edge_similarity(features: npt.NDArray[np.floating], edges: Ints) -> Floats:
    """Return the cosine similarity of the two tiles of every edge.

    Works through the edges in chunks: the N x N matrix of all similarities never exists.

    Parameters
    ----------
    features
        (N, D) float, need not be normalised. The similarity with an all-zero row is 0.
    edges
        (E, 2) int64.

    Returns
    -------
    ndarray
        (E,) float64 in [-1, 1].
    """
    norm = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    scale = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
    similarity = np.empty(len(edges), np.float64)
    for first in range(0, len(edges), EDGES_PER_CHUNK):
        u, v = edges[first : first + EDGES_PER_CHUNK].T
        product = np.einsum("ij,ij->i", features[u], features[v], dtype=np.float64)
        similarity[first : first + EDGES_PER_CHUNK] = product * scale[u] * scale[v]
    return np.clip(similarity, -1.0, 1.0)


@dataclass(frozen=True)
class Annealed:
    """What the annealing came to.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1; labels may have become unused.
    start_energy, energy
        Energy of the labels at the start and of `labels`, computed afresh.
    n_proposals
        Proposals made.
    trace
        (B,) float64 energy after each block of proposals of one temperature.
    """

    labels: Ints
    start_energy: float
    energy: float
    n_proposals: int
    trace: Floats


def anneal(
    model: PottsModel,
    start: npt.NDArray[np.integer],
    schedule: AnnealingSchedule,
    rng: np.random.Generator,
) -> Annealed:
    """Minimise the energy by single-site Metropolis annealing from the labels `start`.

    A proposal draws a tile and a label uniformly (drawing the tile's own label changes nothing but
    counts) and is accepted if it lowers the energy or with probability exp(-rise / T).

    Random numbers are drawn here, block by block, so that the compiled part is a pure function.
    """
    n, n_labels = model.unary.shape
    labels = start.astype(np.int64)
    start_energy = now = energy(model, labels)
    neighbours = neighbour_lists(model.edges, n)
    weights = model.weights[neighbours.edge]
    trace = []
    done = 0
    temperature = schedule.t_start
    sweep = max(n * n_labels, schedule.proposals_per_temperature)
    sweep_start, sweep_energy = 0, now
    while n and n_labels > 1 and done < schedule.max_proposals:
        size = min(schedule.proposals_per_temperature, schedule.max_proposals - done)
        tiles = rng.integers(n, size=size)
        proposals = rng.integers(n_labels, size=size)
        uniforms = rng.random(size)
        now += _metropolis(
            neighbours.first,
            neighbours.tile,
            weights,
            model.unary,
            labels,
            tiles,
            proposals,
            uniforms,
            temperature,
        )
        done += size
        trace.append(now)
        if temperature >= schedule.t_end:
            temperature *= schedule.factor
            sweep_start, sweep_energy = done, now
        elif done - sweep_start >= sweep:
            if sweep_energy - now <= schedule.tolerance * abs(sweep_energy):
                break
            sweep_start, sweep_energy = done, now
    trace_energies = np.array(trace, np.float64)
    return Annealed(labels, start_energy, energy(model, labels), done, trace_energies)


@njit(cache=True)
def _metropolis(
    first: Ints,
    neighbour: Int32,
    weight: Floats,
    unary: Floats,
    labels: Ints,
    tiles: Ints,
    proposals: Ints,
    uniforms: Floats,
    temperature: float,
) -> float:
    """Try the proposals in order, changing `labels` in place; return the change of energy."""
    change = 0.0
    for step in range(len(tiles)):
        tile, new = tiles[step], proposals[step]
        old = labels[tile]
        if new == old:
            continue
        rise = unary[tile, new] - unary[tile, old]
        for arc in range(first[tile], first[tile + 1]):
            label = labels[neighbour[arc]]
            if label == old:
                rise += weight[arc]
            elif label == new:
                rise -= weight[arc]
        if rise < 0 or uniforms[step] < np.exp(-rise / temperature):
            labels[tile] = new
            change += rise
    return change


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
