"""HETMAP's clustering as published, in plain Python: what the speed of ours is measured against.

The procedure is the paper's, step by step, and so are its defects (a dense matrix of similarities,
a second PCA of the unscaled features, a stopping rule that may run to the last proposal for
nothing). Three that make it crash are mended, each said where it is. It is written as fast as plain
Python goes: the annealing looks at one tile's neighbours per proposal and works on lists, which are
faster than single elements of arrays, and the cosines of tiles and centres are computed once.

Nothing is shared with the library, so the two can be checked against each other.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Q = 20
NEIGHBOURS = 8
VARIANCE = 0.8
T_START, COOLING, T_END = 2.0, 0.9, 0.01
PROPOSALS_PER_TEMPERATURE = 10_000
RECORDED = 100_000
MAX_PROPOSALS = 10_000_000


@dataclass(frozen=True)
class Graph:
    """Neighbours and similarities of every tile, as lists, and the number of edges."""

    neighbours: list[list[tuple[int, float]]]
    n_edges: int


@dataclass(frozen=True)
class Annealed:
    """Labels, their energy as followed through the proposals, and how many of those there were."""

    labels: np.ndarray
    energy: float
    n_proposals: int


@dataclass
class PublishedRun:
    """Labels of the tiles, and where the CPU seconds went.

    `cpu_s` has the stages ``graph``, ``k_means``, ``potts`` (annealing) and ``model_choice`` (PCA
    and BIC). The other lists have one entry per round.
    """

    start: np.ndarray
    labels: np.ndarray
    rounds: list[Annealed] = field(default_factory=list)
    bic: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        return len(np.unique(self.labels))


def cluster_as_published(
    features: np.ndarray, coords: np.ndarray, seed: int, q: int = Q, n_init: int = Q
) -> PublishedRun:
    """Cluster (N, D) features of length 1 at (N, 2) positions, on one thread."""
    rng = random.Random(seed)
    stages = Stages()
    with threadpool_limits(limits=1):
        with stages("graph"):
            graph = build_graph(features, coords)
        with stages("k_means"):
            k_means = KMeans(q, n_init=n_init, random_state=seed).fit(features)
        with stages("model_choice"):
            embedding = bic_embedding(features, seed)
        run = PublishedRun(k_means.labels_, k_means.labels_, cpu_s=stages.cpu_s)
        while True:
            with stages("potts"):
                unary = unary_terms(features, k_means.cluster_centers_, graph)
                run.rounds.append(anneal(graph, unary, k_means.labels_, rng))
            with stages("model_choice"):
                # Mended: labels that annealing left without tiles were used as row numbers.
                run.labels = np.unique(run.rounds[-1].labels, return_inverse=True)[1]
                run.bic.append(bic(embedding, run.labels))
                merged = first_improving_merge(embedding, run.labels, run.bic[-1])
            if merged is None:
                return run
            with stages("k_means"):
                centres = np.array([features[merged == k].mean(axis=0) for k in np.unique(merged)])
                k_means = KMeans(len(centres), init=centres, n_init=1).fit(features)


class Stages:
    """Adds up the CPU seconds of this process by stage."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        before = time.process_time()
        yield
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.process_time() - before


def build_graph(features: np.ndarray, coords: np.ndarray) -> Graph:
    """Return the union of every tile's edges to its 8 nearest, weighted with the cosine."""
    similarity = cosine_similarity(features)
    nearest = cKDTree(coords).query(coords, min(NEIGHBOURS + 1, len(coords)))[1]
    arcs = ((u, v) for u, row in enumerate(nearest.tolist()) for v in row if u != v)
    edges = {(min(arc), max(arc)) for arc in arcs}
    neighbours: list[list[tuple[int, float]]] = [[] for _ in coords]
    for u, v in sorted(edges):
        weight = float(similarity[u, v])
        neighbours[u].append((v, weight))
        neighbours[v].append((u, weight))
    return Graph(neighbours, len(edges))


def unary_terms(features: np.ndarray, centres: np.ndarray, graph: Graph) -> list[list[float]]:
    """Return -c cos(centre_k, x_i) for every tile and label, c = edges / tiles."""
    c = graph.n_edges / len(features)
    return (-c * cosine_similarity(features, centres).astype(np.float64)).tolist()


def potts_energy(graph: Graph, unary: list[list[float]], labels: list[int]) -> float:
    total = 0.0
    for tile, label in enumerate(labels):
        total += unary[tile][label]
        for other, weight in graph.neighbours[tile]:
            if tile < other and labels[other] == label:
                total -= weight
    return total


def anneal(
    graph: Graph, unary: list[list[float]], start: np.ndarray, rng: random.Random
) -> Annealed:
    """Single-site Metropolis annealing with the published schedule and stopping rule."""
    labels = start.tolist()
    candidates = sorted(set(labels))
    neighbours, draw, exp = graph.neighbours, rng.random, math.exp
    n, n_candidates = len(labels), len(candidates)
    energy = potts_energy(graph, unary, labels)
    recorded: list[float] = []
    temperature = T_START
    for proposal in range(1, MAX_PROPOSALS + 1):
        tile = int(draw() * n)
        new, old = candidates[int(draw() * n_candidates)], labels[tile]
        if new != old:
            rise = unary[tile][new] - unary[tile][old]
            for other, weight in neighbours[tile]:
                label = labels[other]
                if label == old:
                    rise += weight
                elif label == new:
                    rise -= weight
            if rise < 0 or draw() < exp(-rise / temperature):
                labels[tile] = new
                energy += rise
        if temperature >= T_END:
            if proposal % PROPOSALS_PER_TEMPERATURE == 0:
                temperature *= COOLING
        else:
            recorded.append(energy)
            # A chain at rest since the first record never ends this way: 0 is not less than 0.
            if len(recorded) > RECORDED and (
                abs(recorded[-1] - recorded[-1 - RECORDED])
                < abs(recorded[RECORDED] - recorded[0]) / 100
            ):
                break
    return Annealed(np.array(labels), energy, proposal)


def bic_embedding(features: np.ndarray, seed: int) -> np.ndarray:
    """Return principal components of the *unscaled* features, as many as the scaled ones need."""
    scaled = StandardScaler().fit_transform(features)
    explained = np.cumsum(PCA().fit(scaled).explained_variance_ratio_)
    d = min(int(np.searchsorted(explained, VARIANCE)) + 1, len(explained))
    return PCA(d, random_state=seed).fit_transform(features).astype(np.float64)


def bic(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Return -2 log L + p log n of one full-covariance Gaussian per cluster, from the data."""
    n, d = embedding.shape
    log_likelihood = 0.0
    used = np.unique(labels)
    for label in used:
        members = embedding[labels == label]
        log_likelihood += log_density(members) + len(members) * math.log(len(members) / n)
    parameters = len(used) * (d + d * (d + 1) / 2) + len(used) - 1
    return -2 * log_likelihood + parameters * math.log(n)


def log_density(points: np.ndarray) -> float:
    """Return the log-density of points under the Gaussian fitted to them.

    Mended: the covariance of fewer than d + 1 points is singular. It gets its pseudo-inverse and
    pseudo-determinant, with the tolerance of scipy.stats' `allow_singular`.
    """
    centred = points - points.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(points))
    kept = variances > 1e6 * np.finfo(float).eps * variances.max()
    white = centred @ (axes[:, kept] / np.sqrt(variances[kept]))
    log_determinant = np.log(variances[kept]).sum() + kept.sum() * math.log(2 * math.pi)
    return float(-0.5 * (len(points) * log_determinant + (white**2).sum()))


def first_improving_merge(
    embedding: np.ndarray, labels: np.ndarray, bic_now: float
) -> np.ndarray | None:
    """Return the labels after the first merge that lowers BIC, None if there is none.

    Mended: the published loop reads a variable that it has not assigned when no merge is found.
    """
    centroids = np.array([embedding[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
    if len(centroids) < 2:
        return None
    for source in range(len(centroids)):
        distances = np.linalg.norm(centroids - centroids[source], axis=1)
        distances[source] = np.inf
        merged = np.where(labels == source, distances.argmin(), labels)
        if bic(embedding, merged) < bic_now:
            return merged
    return None
