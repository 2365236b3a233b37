from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from histohet.clustering.published.bic import bic_embedding, first_improving_merge


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
