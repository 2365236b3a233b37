from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from histohet.clustering.energy import typical_coupling
from histohet.clustering.potts.model import PottsModel, energy
from histohet.clustering.published import (
    AnnealingSchedule,
    anneal,
    bic_embedding,
    cosine_energy,
    edge_similarity,
    first_improving_merge,
    unary_cosine,
)
from histohet.tiles.neighbours import knn_edges


def blobs(seed: int, sizes: list[int], centres: list[list[float]]):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return rng.standard_normal((len(labels), len(centres[0]))) + np.array(centres)[labels], labels


def ml_covariance(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(axis=0)
    return centred.T @ centred / len(points)


def pooled_covariance(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    within = sum((labels == k).sum() * ml_covariance(points[labels == k]) for k in set(labels))
    return (within + ml_covariance(points)) / (len(points) + 1)


def bic_by_scipy(points, labels, n_parameters, pooled=None) -> float:
    """-2 log L + p log n from scipy's normal density; covariances shrunk when `pooled` is given."""
    log_likelihood = 0.0
    for k in set(labels):
        own = points[labels == k]
        covariance = ml_covariance(own)
        if pooled is not None:
            covariance = (len(own) * covariance + pooled) / (len(own) + 1)
        density = multivariate_normal(own.mean(axis=0), covariance)
        log_likelihood += np.sum(density.logpdf(own)) + len(own) * np.log(len(own) / len(points))
    return -2 * log_likelihood + n_parameters * np.log(len(points))


def bic(points: np.ndarray, labels: np.ndarray) -> float:
    return first_improving_merge(points, labels).bic


def test_bic_with_prior_shrinks_to_the_pooled_covariance():
    points, labels = blobs(1, [40, 30, 2, 1], [[0, 0, 0], [4, 0, 0], [0, 5, 0], [9, 9, 9]])
    pooled = pooled_covariance(points, labels)
    expected = bic_by_scipy(points, labels, n_parameters=4 * (3 + 6) + 3, pooled=pooled)
    assert bic(points, labels) == pytest.approx(expected, rel=1e-12)


def test_the_prior_has_no_effect_on_large_clusters():
    differences = []
    for n in (100, 10_000):
        points, labels = blobs(2, [n, n], [[0, 0], [3, 1]])
        per_cluster = bic(points, labels) - bic_by_scipy(points, labels, n_parameters=11)
        differences.append(abs(per_cluster))
    assert differences[1] < differences[0] / 50
    assert differences[1] < 1e-3


def test_bic_prefers_the_truth():
    points, labels = blobs(3, [200, 200], [[0, 0], [6, 0]])
    one = np.zeros_like(labels)
    halves = labels * 2 + (points[:, 1] > 0)
    assert bic(points, labels) < bic(points, one)
    assert bic(points, labels) < bic(points, halves)


def test_bic_ignores_the_numbers_of_the_clusters_and_the_order_of_tiles():
    points, labels = blobs(4, [20, 30, 3], [[0, 0], [4, 0], [0, 5]])
    order = np.random.default_rng(0).permutation(len(labels))
    renamed = np.array([2, 0, 1])[labels]
    expected = bic(points, labels)
    assert bic(points[order], renamed[order]) == pytest.approx(expected, rel=1e-12)


def test_merge_reports_bic_before_and_after():
    points, labels = blobs(5, [40, 40, 2], [[0, 0, 0], [0.1, 0, 0], [8, 0, 0]])
    found = first_improving_merge(points, labels)
    assert found.merge is not None
    source, target = found.merge
    assert found.bic == pytest.approx(bic(points, labels), rel=1e-12)
    merged = np.where(labels == source, target, labels)
    pooled = pooled_covariance(points, labels)
    expected = bic_by_scipy(points, merged, n_parameters=2 * 9 + 1, pooled=pooled)
    assert found.bic_merged == pytest.approx(expected, rel=1e-12)
    assert found.bic_merged < found.bic


def test_the_first_improving_merge_is_taken_in_the_order_of_the_clusters():
    # 0 stands alone; 1 and 2 are halves of one cluster, 3 and 4 of another.
    centres = [[30.0, 0], [0, 0], [0, 0.1], [0, 30], [0, 30.1]]
    points, labels = blobs(6, [60] * 5, centres)
    assert first_improving_merge(points, labels).merge == (1, 2)
    other_way = np.array([0, 3, 4, 1, 2])[labels]
    assert first_improving_merge(points, other_way).merge == (1, 2)
    assert first_improving_merge(points[labels < 3], labels[labels < 3]).merge == (1, 2)
    assert first_improving_merge(points, np.array([0, 1, 1, 2, 2])[labels]).merge is None


def test_tiles_go_to_the_cluster_with_the_nearest_centroid():
    centres = [[0.0, 0], [1.5, 0], [1.0, 0]]
    points, labels = blobs(7, [50] * 3, centres)
    found = first_improving_merge(points, labels)
    means = [points[labels == k].mean(axis=0) for k in range(3)]
    nearest = 1 + int(np.argmin([np.linalg.norm(means[0] - means[k]) for k in (1, 2)]))
    assert found.merge == (0, nearest)


def test_clusters_too_small_for_a_covariance_are_merged():
    # In 8 dimensions every cluster has fewer members than a covariance needs.
    rng = np.random.default_rng(8)
    points = rng.standard_normal((40, 8))
    labels = np.arange(40) % 10
    while True:
        found = first_improving_merge(points, labels)
        assert np.isfinite(found.bic)
        if found.merge is None:
            break
        labels = np.where(labels == found.merge[0], found.merge[1], labels)
        labels = np.unique(labels, return_inverse=True)[1]
    assert labels.max() == 0


def test_a_slide_of_singletons_has_a_bic():
    points = np.random.default_rng(9).standard_normal((8, 5))
    found = first_improving_merge(points, np.arange(8))
    assert np.isfinite(found.bic)
    assert found.merge is not None


def test_one_cluster_cannot_be_merged():
    points, labels = blobs(10, [30], [[0, 0]])
    found = first_improving_merge(points, labels)
    assert (found.merge, found.bic_merged) == (None, None)
    assert np.isfinite(found.bic)


def test_labels_with_a_gap_are_refused():
    points, _ = blobs(11, [10], [[0, 0]])
    with pytest.raises(ValueError, match="label 1: labels have a gap"):
        bic(points, np.repeat([0, 2], 5))


@pytest.mark.parametrize("shape", [(200, 12), (20, 60)])
def test_embedding_is_the_pca_of_the_scaled_features(shape):
    rng = np.random.default_rng(0)
    features = (rng.standard_normal(shape) @ rng.standard_normal((shape[1], shape[1]))).astype(
        np.float32
    )
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    _, singular, axes = np.linalg.svd(scaled.astype(np.float64), full_matrices=False)
    explained = np.cumsum(singular**2) / np.sum(singular**2)
    d = int(np.sum(explained < 0.8)) + 1
    embedding = bic_embedding(features)
    assert embedding.shape == (shape[0], d)
    assert embedding.dtype == np.float64
    expected = scaled @ axes[:d].T
    # Axes are defined up to their sign.
    np.testing.assert_allclose(np.abs(embedding), np.abs(expected), atol=2e-3)
    np.testing.assert_allclose(
        np.cov(embedding.T), np.diag(np.var(embedding, 0, ddof=1)), atol=1e-3
    )


def test_embedding_does_not_see_the_scale_of_a_feature():
    features = np.random.default_rng(1).standard_normal((100, 6))
    stretched = features * np.array([1000, 1, 1, 1e-3, 1, 1])
    np.testing.assert_allclose(bic_embedding(stretched), bic_embedding(features), atol=1e-9)


def test_embedding_keeps_the_fewest_components_that_reach_the_share():
    # Five uncorrelated columns: every component explains one fifth.
    columns = np.linalg.qr(np.random.default_rng(2).standard_normal((50, 6)))[0]
    columns = np.linalg.qr(np.column_stack([np.ones(50), columns[:, :5]]))[0][:, 1:]
    widths = [bic_embedding(columns, share).shape[1] for share in (0.1, 0.39, 0.41, 0.79, 0.81)]
    assert widths == [1, 2, 3, 4, 5]
    assert bic_embedding(columns, 1.0).shape[1] == 5


def test_constant_features_are_ignored():
    features = np.random.default_rng(3).standard_normal((50, 4))
    with_constant = np.column_stack([features, np.full(50, 7.0)])
    np.testing.assert_allclose(bic_embedding(with_constant), bic_embedding(features), atol=1e-9)


def test_two_different_tiles_have_one_dimension():
    assert bic_embedding(np.array([[0, 1, 2], [0, 3, 5]], np.float32)).shape == (2, 1)


SLOW = AnnealingSchedule(factor=0.97, proposals_per_temperature=1000)


def small_slide(seed: int, n: int = 7, n_labels: int = 3) -> PottsModel:
    rng = np.random.default_rng(seed)
    coords = rng.permutation(25)[:n]
    coords = np.stack([coords % 5, coords // 5], axis=1)
    features = rng.standard_normal((n, 4)).astype(np.float32)
    centres = rng.standard_normal((n_labels, 4)).astype(np.float32)
    edges = knn_edges(coords, 3)
    coupling = len(edges) / n
    weights = edge_similarity(features, edges)
    return PottsModel(edges, weights, unary_cosine(features, centres, coupling))


def labelings(model: PottsModel):
    n, n_labels = model.unary.shape
    return (np.array(labels) for labels in itertools.product(range(n_labels), repeat=n))


@pytest.mark.parametrize("seed", range(12))
def test_slow_annealing_finds_the_minimum_over_all_labelings(seed):
    model = small_slide(seed)
    best = min(energy(model, labels) for labels in labelings(model))
    start = np.zeros(len(model.unary), np.int64)
    rng = np.random.default_rng(seed)
    # Even slow cooling may freeze behind a barrier of several tiles, so it has a few tries.
    found = [anneal(model, start, SLOW, rng).energy for _ in range(8)]
    assert min(found) == pytest.approx(best, abs=1e-9)
    assert np.median(found) == pytest.approx(best, abs=1e-9)


def lattice_model(seed: int = 0, side: int = 15, n_labels: int = 5) -> PottsModel:
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    edges = knn_edges(np.stack([x.ravel(), y.ravel()], axis=1), 8)
    return PottsModel(edges, rng.random(len(edges)), -4 * rng.random((side**2, n_labels)))


def test_energy_followed_through_the_proposals_equals_energy_computed_afresh():
    model = lattice_model()
    start = np.random.default_rng(1).integers(5, size=len(model.unary))
    found = anneal(model, start, AnnealingSchedule(), np.random.default_rng(2))
    assert found.trace[-1] == pytest.approx(found.energy, rel=1e-10)
    assert found.energy == energy(model, found.labels)
    assert found.start_energy == energy(model, start)
    assert found.energy < found.start_energy


def test_start_labels_are_left_alone():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int32)
    anneal(model, start, AnnealingSchedule(max_proposals=20_000), np.random.default_rng(0))
    assert not start.any()


def test_same_seed_same_labels():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    schedule = AnnealingSchedule(max_proposals=200_000)
    first, again, other = (
        anneal(model, start, schedule, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.trace.tobytes() == again.trace.tobytes()
    assert first.labels.tobytes() != other.labels.tobytes()


def test_published_schedule_cools_for_51_temperatures_and_then_stops_at_rest():
    # 2 * 0.9^50 = 0.0103 is the last temperature of at least 0.01.
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    found = anneal(model, start, AnnealingSchedule(), np.random.default_rng(0))
    assert 520_000 <= found.n_proposals < 700_000
    assert len(found.trace) == found.n_proposals / 10_000
    assert found.trace[-1] == pytest.approx(found.trace[-2], rel=1e-2)


def test_proposals_are_capped_exactly():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    schedule = AnnealingSchedule(max_proposals=25_000)
    found = anneal(model, start, schedule, np.random.default_rng(0))
    assert found.n_proposals == 25_000
    assert len(found.trace) == 3
    still = anneal(model, start, AnnealingSchedule(max_proposals=0), np.random.default_rng(0))
    assert not still.labels.any()
    assert still.energy == still.start_energy


def test_hot_annealing_without_coupling_samples_the_boltzmann_distribution():
    # One tile and two labels of energies 0 and 1 at T = 2: p(1) / p(0) = exp(-1/2).
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.array([[0.0, 1.0]]))
    schedule = AnnealingSchedule(proposals_per_temperature=50, max_proposals=50)
    rng = np.random.default_rng(0)
    ones = sum(anneal(model, np.zeros(1), schedule, rng).labels[0] for _ in range(4000))
    expected = math.exp(-0.5) / (1 + math.exp(-0.5))
    assert ones / 4000 == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize(("n", "n_labels"), [(0, 3), (4, 1)])
def test_nothing_to_choose(n, n_labels):
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.zeros((n, n_labels)))
    found = anneal(model, np.zeros(n, np.int64), AnnealingSchedule(), np.random.default_rng(0))
    assert found.labels.tolist() == [0] * n
    assert (found.energy, found.n_proposals, len(found.trace)) == (0.0, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"t_start": 0.0},
        {"t_end": 0.0},
        {"factor": 1.0},
        {"proposals_per_temperature": 0},
        {"max_proposals": -1},
        {"tolerance": -1.0},
    ],
)
def test_schedule_must_cool(bad):
    with pytest.raises(ValueError, match="annealing"):
        AnnealingSchedule(**bad)


def test_cosine_terms_are_the_published_ones():
    rng = np.random.default_rng(3)
    coords = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=2).reshape(-1, 2)
    edges, labels = knn_edges(coords, 8, 1.5), coords[:, 0] // 2
    features = (2 * rng.standard_normal((3, 5))[labels] + rng.standard_normal((36, 5)) + 1).astype(
        np.float32
    )
    features[7] = 0
    model = cosine_energy(features, edges, edge_similarity(features, edges), labels)

    def cosine(a, b):
        lengths = math.sqrt(sum(float(x) ** 2 for x in a) * sum(float(y) ** 2 for y in b))
        dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
        return dot / lengths if lengths else 0.0

    expected = [cosine(features[u], features[v]) for u, v in edges]
    np.testing.assert_allclose(model.weights, expected, atol=1e-6)
    assert model.weights.min() < 0
    centres = [features[labels == k].mean(axis=0) for k in range(3)]
    unary = [[-len(edges) / len(features) * cosine(c, x) for c in centres] for x in features]
    np.testing.assert_allclose(model.unary, unary, atol=1e-5)
    assert typical_coupling(model) == pytest.approx(np.mean(expected), abs=1e-6)


def test_edge_similarity_is_the_cosine(monkeypatch):
    monkeypatch.setattr("histohet.clustering.published.EDGES_PER_CHUNK", 7)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 5)).astype(np.float32)
    features[3] = 0
    edges = knn_edges(rng.integers(0, 50, (30, 2)), 4)
    expected = [
        0.0
        if 3 in (u, v)
        else float(np.dot(features[u], features[v]))
        / (float(np.linalg.norm(features[u])) * float(np.linalg.norm(features[v])))
        for u, v in edges
    ]
    np.testing.assert_allclose(edge_similarity(features, edges), expected, atol=1e-6)


def test_edge_similarity_of_equal_tiles_is_one():
    features = np.full((2, 1536), 0.1, np.float32)
    assert edge_similarity(features, np.array([[0, 1]])) == pytest.approx(1.0, abs=1e-12)
    assert edge_similarity(features, np.empty((0, 2), np.int64)).shape == (0,)


def test_unary_of_zero_rows_is_zero():
    features = np.array([[0, 0], [3, 4]], np.float32)
    centres = np.array([[0, 1], [0, 0]], np.float32)
    assert unary_cosine(features, centres, 2.0) == pytest.approx(np.array([[0, 0], [-1.6, 0]]))
