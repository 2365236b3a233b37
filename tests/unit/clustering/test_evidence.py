from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, multivariate_t, norm
from scipy.stats import t as student_t

from helpers.lattices import lattice
from histohet.clustering.energy import estimate_coupling, log_likelihood, neighbour_counts
from histohet.clustering.evidence import (
    PRIOR_TILES,
    REGRESSION_RIDGE,
    SHARED_TILES,
    WEIGHT_ROUNDS,
    TileField,
    assess,
)
from histohet.clustering.mergers import best_merge
from histohet.clustering.mixture import TAIL_FREEDOM
from histohet.clustering.potts.model import neighbour_lists
from histohet.clustering.result import compact
from histohet.tiles.neighbours import knn_edges


def field_of(rows: np.ndarray, edges: np.ndarray) -> TileField:
    return TileField.of(np.ascontiguousarray(rows), neighbour_lists(edges, len(rows)))


def evidence(rows, edges, labels) -> float:
    return assess(field_of(rows, edges), labels, np.ones(len(rows))).evidence


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
    return rows, knn_edges(coords, 8, 1.5), compact(labels)


class Plain:
    """The model of the evidence, spelled out tile by tile."""

    def __init__(self, rows: np.ndarray, edges: np.ndarray) -> None:
        self.rows = rows
        self.n, self.d = rows.shape
        self.edges = edges
        self.around: list[list[int]] = [[] for _ in rows]
        for u, v in edges:
            self.around[u].append(v)
            self.around[v].append(u)
        self.floor = 1e-6 * ((rows - rows.mean(axis=0)) ** 2).sum() / self.n / self.d

    def unpredicted(self, labels, weights) -> np.ndarray:
        """What the mean residual of the neighbours does not predict of each tile's residual."""
        means = [
            np.average(self.rows[labels == k], axis=0, weights=weights[labels == k])
            for k in range(labels.max() + 1)
        ]
        residual = [x - means[label] for x, label in zip(self.rows, labels, strict=True)]
        of_neighbours = [
            sum((residual[j] for j in around), np.zeros(self.d)) / max(len(around), 1)
            for around in self.around
        ]
        products, crossed = np.zeros((self.d, self.d)), np.zeros((self.d, self.d))
        for w, a, r in zip(weights, of_neighbours, residual, strict=True):
            products += w * np.outer(a, a)
            crossed += w * np.outer(a, r)
        penalty = REGRESSION_RIDGE * np.trace(products) / self.d + self.floor * weights.sum()
        slopes = np.linalg.inv(products + penalty * np.eye(self.d)) @ crossed
        return np.array([r - a @ slopes for a, r in zip(of_neighbours, residual, strict=True)])

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


@pytest.mark.parametrize(("seed", "d"), [(0, 1), (1, 2), (2, 3)])
def test_evidence_is_that_of_the_model_spelled_out(seed, d):
    rows, edges, labels = small_slide(seed, d, n_labels=3, side=6)
    plain = Plain(rows, edges)
    for some in (labels, np.zeros_like(labels), compact(np.minimum(labels, 1))):
        found = assess(field_of(rows, edges), some, np.ones(len(rows)))
        assert found.evidence == pytest.approx(plain.evidence(some), rel=1e-9)
        assert found.n_clusters == some.max() + 1
        np.testing.assert_allclose(
            found.weights, plain.settle(some, np.ones(len(rows)))[0], rtol=1e-8
        )
        assert found.coupling == estimate_coupling(plain.counts(some), some)


def test_evidence_of_a_singleton_is_that_of_the_model():
    rows, edges, labels = small_slide(5, d=2, n_labels=2, side=5)
    labels[3] = 2
    assert evidence(rows, edges, labels) == pytest.approx(
        Plain(rows, edges).evidence(labels), rel=1e-9
    )


def test_integrated_density_in_one_dimension_is_a_chain_of_students():
    # Without neighbours nothing is predicted and a cluster's residuals are its own.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [30, 20])
    rows = (rng.standard_normal(50) * np.where(labels == 0, 1, 3) + 4 * labels)[:, None]
    field = field_of(rows, np.empty((0, 2), np.int64))
    found = assess(field, labels, np.ones(50))
    weights = found.weights
    means = [np.average(rows[labels == k, 0], weights=weights[labels == k]) for k in (0, 1)]
    residual = (rows[:, 0] - np.array(means)[labels]) * np.sqrt(weights)
    floor = 1e-6 * rows.var()

    def chain(shared: float) -> float:
        total = 0.0
        for k in (0, 1):
            freedom, squares = 2 + shared, shared * (np.mean(residual**2) + floor)
            for e in residual[labels == k]:
                total += student_t.logpdf(e, freedom, scale=np.sqrt(squares / freedom))
                freedom, squares = freedom + 1, squares + e**2
        return total

    plain = Plain(rows, np.empty((0, 2), np.int64))
    _, tails = plain.settle(labels, np.ones(50))
    # No neighbours: every label is as likely as any other.
    expected = max(map(chain, SHARED_TILES)) + tails - 50 * np.log(2)
    expected += plain.of_means(labels, weights)
    assert found.coupling == 0
    assert found.evidence == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_best_merger_is_that_of_the_evidence_of_merged_labels(seed):
    rows, edges, labels = small_slide(seed, d=2, n_labels=4, side=7)
    now = assess(field_of(rows, edges), labels, np.ones(len(rows)))
    plain = Plain(rows, edges)
    shared = plain.most_shared(labels, now.weights)

    def after(pair) -> float:
        merged = compact(np.where(labels == pair[1], pair[0], labels))
        of_labels = plain.of_labels(merged, now.coupling)
        return plain.density(merged, now.weights, shared) + of_labels

    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    assert best_merge(now, 2) == max(pairs, key=after)


@pytest.mark.parametrize("seed", range(10))
def test_mergers_are_ranked_by_the_determinant_of_a_shared_covariance(monkeypatch, seed):
    monkeypatch.setattr("histohet.clustering.mergers.JUDGED_PAIRS", 1)
    rows, edges, labels = small_slide(seed, d=3, n_labels=6, side=7)
    now = assess(field_of(rows, edges), labels, np.ones(len(rows)))
    plain = Plain(rows, edges)

    def rank(pair) -> float:
        merged = compact(np.where(labels == pair[1], pair[0], labels))
        total = now.weights.sum()
        left = plain.unpredicted(merged, now.weights)
        shared = (left * now.weights[:, None]).T @ left / total + plain.floor * np.eye(3)
        of_labels = plain.of_labels(merged, now.coupling)
        return -total / 2 * np.linalg.slogdet(shared)[1] + of_labels

    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    assert best_merge(now, 3) == max(pairs, key=rank)


@pytest.mark.parametrize("seed", range(3))
def test_best_of_many_mergers_is_found_among_the_leading_ones(seed):
    rng = np.random.default_rng(seed)
    coords = lattice(20, 10)
    labels = coords[:, 0] // 4 * 2 + coords[:, 1] // 5
    # Ten kinds; 3 and 7 are one kind in two places.
    means = 4 * rng.standard_normal((10, 3))
    means[7] = means[3]
    rows = means[labels] + rng.standard_normal((200, 3))
    now = assess(field_of(rows, knn_edges(coords, 8, 1.5)), labels, np.ones(200))
    assert best_merge(now, 3) == (3, 7)


def test_sums_are_those_of_a_loop_over_tiles():
    rows, edges, labels = small_slide(3)
    rows = rows - rows.mean(axis=0)
    n_labels = int(labels.max()) + 1
    found = assess(field_of(rows, edges), labels, np.ones(len(rows)))
    around = Plain(rows, edges).around
    one, y, yy = np.zeros(n_labels), np.zeros((n_labels, 10)), np.zeros((n_labels, 10, 10))
    for tile, label in enumerate(labels):
        neighbours = around[tile]
        mean = rows[neighbours].mean(axis=0) if neighbours else np.zeros(3)
        shares = [np.mean(labels[neighbours] == k) if neighbours else 0.0 for k in range(n_labels)]
        of_tile = np.concatenate([rows[tile], mean, shares])
        one[label] += found.weights[tile]
        y[label] += found.weights[tile] * of_tile
        yy[label] += found.weights[tile] * np.outer(of_tile, of_tile)
    np.testing.assert_allclose(found.sums.one, one, rtol=1e-12)
    np.testing.assert_allclose(found.sums.y, y, atol=1e-10)
    np.testing.assert_allclose(found.sums.yy, yy, atol=1e-10)


def test_numbers_of_clusters_and_order_of_tiles_do_not_matter():
    rows, edges, labels = small_slide(4)
    expected = evidence(rows, edges, labels)
    renamed = np.array([2, 0, 3, 1])[labels]
    assert evidence(rows, edges, renamed) == pytest.approx(expected, rel=1e-10)
    order = np.random.default_rng(0).permutation(len(rows))
    moved = np.sort(np.argsort(order)[edges], axis=1)
    assert evidence(rows[order], moved, labels[order]) == pytest.approx(expected, rel=1e-10)


def test_unit_origin_and_axes_of_the_embedding_shift_all_evidence_alike():
    rows, edges, labels = small_slide(6)
    labelings = [labels, np.zeros_like(labels), np.minimum(labels, 1), np.minimum(labels, 2)]
    before = np.array([evidence(rows, edges, some) for some in labelings])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    for unit, origin in ((1.0, 0.0), (1e-3, 0.0), (1.0, 5.0), (250.0, -100.0)):
        moved = (unit * rows + origin) @ turn
        after = np.array([evidence(moved, edges, some) for some in labelings])
        # The density of n tiles in 3 dimensions changes by the unit's volume.
        np.testing.assert_allclose(after, before - len(rows) * 3 * np.log(unit), atol=1e-5)


def smooth_field(coords: np.ndarray, kind: str) -> np.ndarray:
    x, y = coords.T / coords.max()
    return {
        "linear": x + 0.5 * y,
        "sinusoidal": np.sin(5 * x) + np.cos(4 * y),
    }[kind]


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def halves(values: np.ndarray) -> np.ndarray:
    return (values > np.median(values)).astype(np.int64)


@pytest.mark.parametrize("kind", ["linear", "sinusoidal"])
@pytest.mark.parametrize("columns", [25, 80])
def test_a_drift_is_one_kind_and_a_border_is_two(columns, kind):
    # Both vary alike, in one of four directions, and are labelled along their own variation.
    rng = np.random.default_rng(columns)
    coords = lattice(columns, columns * 4 // 5)
    edges = knn_edges(coords, 8, 1.5)
    noise = rng.standard_normal((len(coords), 4))
    drift = standardised(smooth_field(coords, kind))
    labels = halves(drift)
    step = standardised(labels.astype(float))
    one = np.zeros_like(labels)
    for signal, two_found in ((drift, False), (step, True)):
        rows = noise.copy()
        rows[:, 0] += 1.5 * signal
        gain = evidence(rows, edges, labels) - evidence(rows, edges, one)
        assert (gain > 0) == two_found
    # Not so without a look at the neighbours: halves of the drift look like clusters.
    rows = noise.copy()
    rows[:, 0] += 1.5 * drift
    halved = [norm(rows[labels == k].mean(axis=0), rows[labels == k].std(axis=0)) for k in (0, 1)]
    whole = norm(rows.mean(axis=0), rows.std(axis=0))
    naive = sum(halved[k].logpdf(rows[labels == k]).sum() for k in (0, 1))
    assert naive - whole.logpdf(rows).sum() > 4 * np.log(len(rows))


@pytest.mark.parametrize("n_columns", [25, 70])
def test_heavy_tails_are_no_second_kind(n_columns):
    rng = np.random.default_rng(n_columns)
    coords = lattice(n_columns, n_columns)
    rows = rng.standard_t(3, (len(coords), 1)) * rng.standard_normal((len(coords), 4))
    edges = knn_edges(coords, 8, 1.5)
    far = (np.linalg.norm(rows, axis=1) > 3).astype(np.int64)
    one = np.zeros_like(far)
    assert evidence(rows, edges, far) < evidence(rows, edges, one)


def test_kinds_of_one_mean_and_different_spread_are_two():
    rng = np.random.default_rng(0)
    coords = lattice(30, 30)
    labels = (coords[:, 0] >= 15).astype(np.int64)
    rows = rng.standard_normal((900, 3)) * np.where(labels[:, None] == 0, 1.0, [2.0, 0.5, 1.0])
    edges = knn_edges(coords, 8, 1.5)
    assert evidence(rows, edges, labels) > evidence(rows, edges, np.zeros_like(labels))


def test_labels_that_do_not_hang_together_are_improbable():
    rng = np.random.default_rng(0)
    coords = lattice(20, 20)
    edges = knn_edges(coords, 8, 1.5)
    rows = rng.standard_normal((400, 2))
    stripes = (coords[:, 0] >= 10).astype(np.int64)
    scattered = rng.permutation(stripes)
    # The rows say nothing; the labels do.
    assert evidence(rows, edges, stripes) > evidence(rows, edges, scattered) + 100
    no_edges = edges[:0]
    apart = evidence(rows, no_edges, stripes) - evidence(rows, no_edges, scattered)
    assert abs(apart) < 20


def test_weights_to_begin_with_hardly_matter():
    rows, edges, labels = small_slide(7, side=16)
    field = field_of(rows, edges)
    fresh = assess(field, labels, np.ones(len(rows)))
    again = assess(field, labels, fresh.weights)
    assert again.evidence == pytest.approx(fresh.evidence, abs=5)
    assert again.labels is labels
