"""The evidence of clusters, spelled out tile by tile, and small slides to compute it of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import multivariate_normal, multivariate_t

from helpers.lattices import lattice
from histohet.clustering.energy import estimate_coupling, log_likelihood, neighbour_counts
from histohet.clustering.evidence import (
    PRIOR_TILES,
    REGRESSION_RIDGE,
    SHARED_TILES,
    WEIGHT_ROUNDS,
    TileField,
)
from histohet.clustering.mixture import TAIL_FREEDOM
from histohet.clustering.potts.model import neighbour_lists
from histohet.clustering.result import compact
from histohet.tiles.neighbours import edges_within_reach, knn_edges


class Graphs(NamedTuple):
    """Pairs of neighbours, and of tiles in each other's vicinity."""

    edges: np.ndarray
    vicinity: np.ndarray

    @classmethod
    def of(cls, coords: np.ndarray) -> Graphs:
        return cls(knn_edges(coords, 8, 1.5), edges_within_reach(coords, 2.5))


NO_EDGES = Graphs(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64))


def field_of(rows: np.ndarray, graphs: Graphs) -> TileField:
    """Return what the library knows of tiles with these embeddings and neighbours."""
    lists = (neighbour_lists(edges, len(rows)) for edges in graphs)
    return TileField.of(np.ascontiguousarray(rows), *lists)


def small_slide(seed: int, d: int = 3, n_labels: int = 4, side: int = 8):
    """Stripes of kinds with a drift on top, heavy tails, a hole and one tile without neighbours."""
    rng = np.random.default_rng(seed)
    coords = lattice(side, side)
    coords = coords[(coords != side // 2).any(axis=1)]
    coords[-1] += 100
    labels = coords[:, 0].clip(max=side - 1) * n_labels // side
    labels = np.where(
        rng.random(len(coords)) < 0.15, rng.integers(n_labels, size=len(coords)), labels
    )
    rows = rng.standard_t(4, (len(coords), d)) * rng.uniform(0.5, 2, (n_labels, d))[labels]
    rows += rng.standard_normal((n_labels, d))[labels] + 0.2 * coords[:, 1:].clip(max=side)
    return rows, Graphs.of(coords), compact(labels)


class Plain:
    """The model of the evidence, spelled out tile by tile."""

    def __init__(self, rows: np.ndarray, graphs: Graphs) -> None:
        self.rows = rows
        self.n, self.d = rows.shape
        self.edges = graphs.edges
        self.around: list[list[int]] = [[] for _ in rows]
        for u, v in graphs.vicinity:
            self.around[u].append(v)
            self.around[v].append(u)
        self.floor = 1e-6 * ((rows - rows.mean(axis=0)) ** 2).sum() / self.n / self.d

    def unpredicted(self, labels, weights) -> np.ndarray:
        """What the mean residual of the vicinity does not predict of each tile's residual."""
        means = [
            np.average(self.rows[labels == k], axis=0, weights=weights[labels == k])
            for k in range(labels.max() + 1)
        ]
        residual = [x - means[label] for x, label in zip(self.rows, labels, strict=True)]
        of_vicinity = [
            sum((residual[j] for j in around), np.zeros(self.d)) / max(len(around), 1)
            for around in self.around
        ]
        products, crossed = np.zeros((self.d, self.d)), np.zeros((self.d, self.d))
        for w, a, r in zip(weights, of_vicinity, residual, strict=True):
            products += w * np.outer(a, a)
            crossed += w * np.outer(a, r)
        penalty = REGRESSION_RIDGE * np.trace(products) / self.d + self.floor * weights.sum()
        slopes = np.linalg.inv(products + penalty * np.eye(self.d)) @ crossed
        return np.array([r - a @ slopes for a, r in zip(of_vicinity, residual, strict=True)])

    def settle(self, labels, weights) -> tuple[np.ndarray, float]:
        """Weights of the tiles, and the log density of a t above that of weighted Gaussians."""
        for _ in range(WEIGHT_ROUNDS):
            left = self.unpredicted(labels, weights)
            pooled = sum(w * np.outer(e, e) for w, e in zip(weights, left, strict=True)) / self.n
            inverse = np.linalg.inv(pooled + self.floor * np.eye(self.d))
            squared = np.array([e @ inverse @ e for e in left])
            weights = (TAIL_FREEDOM + self.d) / (TAIL_FREEDOM + squared)
        of_t = -(TAIL_FREEDOM + self.d) / 2 * np.log(1 + squared / TAIL_FREEDOM)
        return weights, float((of_t + weights * squared / 2).sum())

    def density(self, labels, weights, shared: float) -> float:
        """Each tile's log density, given the tiles of its cluster before it.

        Under an inverse Wishart prior of the covariance that is a multivariate t.
        """
        left = self.unpredicted(labels, weights) * np.sqrt(weights)[:, None]
        pooled = left.T @ left / self.n + self.floor * np.eye(self.d)
        total = 0.0
        for k in range(labels.max() + 1):
            freedom, scale = self.d + 1 + shared, shared * pooled
            for e in left[labels == k]:
                df = freedom - self.d + 1
                total += multivariate_t(np.zeros(self.d), scale / df, df=df).logpdf(e)
                freedom, scale = freedom + 1, scale + np.outer(e, e)
        return total

    def most_shared(self, labels, weights) -> float:
        return max(SHARED_TILES, key=lambda shared: self.density(labels, weights, shared))

    def counts(self, labels) -> np.ndarray:
        return neighbour_counts(neighbour_lists(self.edges, self.n), labels, int(labels.max()) + 1)

    def of_labels(self, labels, coupling: float) -> float:
        return log_likelihood(self.counts(labels), labels, coupling)

    def of_means(self, labels, weights) -> float:
        """Density of the clusters' means under their prior, less that of means known exactly."""
        sizes = np.bincount(labels)
        means = [
            np.average(self.rows[labels == k], axis=0, weights=weights[labels == k])
            for k in range(len(sizes))
        ]
        within = self.floor * np.eye(self.d)
        for w, x, label in zip(weights, self.rows, labels, strict=True):
            within += w * np.outer(x - means[label], x - means[label]) / self.n
        centre = sum(size * mean for size, mean in zip(sizes, means, strict=True)) / self.n

        def under(prior_tiles: float) -> float:
            total = 0.0
            for size, mean in zip(sizes, means, strict=True):
                integrated = within * (1 / size + 1 / prior_tiles)
                total += multivariate_normal(centre, integrated).logpdf(mean)
                total -= multivariate_normal(mean, within / size).logpdf(mean)
            return total

        return max(map(under, PRIOR_TILES))

    def evidence(self, labels) -> float:
        weights, tails = self.settle(labels, np.ones(self.n))
        density = max(self.density(labels, weights, shared) for shared in SHARED_TILES)
        coupling = estimate_coupling(self.counts(labels), labels)
        of_labels = self.of_labels(labels, coupling)
        return density + tails + of_labels + self.of_means(labels, weights)
