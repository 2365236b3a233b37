from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_t

from histohet.clustering.energy import calibrated_energy, cosine_energy, typical_coupling
from histohet.clustering.mixture import SHARED_TILES, TAIL_FREEDOM
from histohet.clustering.neighbour_labels import estimate_coupling, neighbour_counts
from histohet.clustering.potts.model import PottsModel, neighbour_lists
from histohet.tiles.neighbours import knn_edges


def planted(seed: int, side: int = 12, d: int = 3):
    """Stripes of three kinds whose embeddings lie around 1, with a few tiles far out."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    coords = np.stack([x.ravel(), y.ravel()], axis=1)
    labels = coords[:, 0] * 3 // side
    rows = 2 * rng.standard_normal((3, d))[labels] + rng.standard_t(3, (side**2, d)) + 1
    labels = np.where(rng.random(side**2) < 0.1, rng.integers(3, size=side**2), labels)
    return rows, knn_edges(coords, 8, 1.5), labels


def of_slide(rows, edges):
    return calibrated_energy(rows, edges, neighbour_lists(edges, len(rows)))


def density_once(rows, labels, weights):
    """Log densities (N, K) of the clusters' t distributions, and new weights, by scipy."""
    d = rows.shape[1]
    n_labels = labels.max() + 1
    means = [
        np.average(rows[labels == k], axis=0, weights=weights[labels == k]) for k in range(n_labels)
    ]
    scatters = []
    for k in range(n_labels):
        apart = rows[labels == k] - means[k]
        scatters.append((apart * weights[labels == k, None]).T @ apart)
    shared = sum(scatters) / len(rows) + 1e-6 * rows.var(axis=0).mean() * np.eye(d)
    log_density = np.empty((len(rows), n_labels))
    new_weights = np.empty(len(rows))
    for k in range(n_labels):
        members = labels == k
        covariance = (scatters[k] + SHARED_TILES * shared) / (members.sum() + SHARED_TILES)
        log_density[:, k] = multivariate_t(means[k], covariance, df=TAIL_FREEDOM).logpdf(rows)
        for tile in np.flatnonzero(members):
            apart = rows[tile] - means[k]
            squared = apart @ np.linalg.solve(covariance, apart)
            new_weights[tile] = (TAIL_FREEDOM + d) / (TAIL_FREEDOM + squared)
    return log_density, new_weights


@pytest.mark.parametrize("seed", range(3))
def test_calibrated_terms_are_densities_and_the_estimated_coupling(seed):
    rows, edges, labels = planted(seed)
    model = of_slide(rows, edges)(labels)
    _, weights = density_once(rows, labels, np.ones(len(rows)))
    log_density, _ = density_once(rows, labels, weights)
    apart = model.unary + log_density
    # Equal up to one constant for all tiles and clusters.
    np.testing.assert_allclose(apart, np.full(apart.shape, apart[0, 0]), atol=1e-8)
    counts = neighbour_counts(neighbour_lists(edges, len(rows)), labels, 3)
    coupling = estimate_coupling(counts, labels)
    assert coupling > 0
    assert model.weights.tolist() == [coupling] * len(edges)
    assert model.edges is edges
    assert typical_coupling(model) == pytest.approx(coupling)


def test_calibrated_terms_do_not_depend_on_the_unit_of_the_embedding():
    rows, edges, labels = planted(0)
    model, scaled = (of_slide(x, edges)(labels) for x in (rows, rows * 2.0**-7))
    np.testing.assert_allclose(
        scaled.unary - scaled.unary[:, :1], model.unary - model.unary[:, :1], atol=1e-8
    )
    assert scaled.weights.tolist() == model.weights.tolist()


def test_calibrated_terms_do_not_depend_on_the_numbers_of_the_clusters():
    rows, edges, labels = planted(1)
    number = np.array([2, 0, 1])
    model, renamed = of_slide(rows, edges)(labels), of_slide(rows, edges)(number[labels])
    np.testing.assert_allclose(renamed.unary[:, number], model.unary, atol=1e-10)
    assert typical_coupling(renamed) == pytest.approx(typical_coupling(model), abs=1e-6)


def test_one_cluster_and_no_edges_attract_nothing():
    rows, edges, labels = planted(2)
    alone = of_slide(rows, edges)(np.zeros_like(labels))
    assert alone.unary.shape == (len(rows), 1)
    assert typical_coupling(alone) == 0
    no_edges = np.empty((0, 2), np.int64)
    assert typical_coupling(of_slide(rows, no_edges)(labels)) == 0


def test_cosine_terms_are_the_published_ones():
    features, edges, labels = planted(3, side=6, d=5)
    features = features.astype(np.float32)
    features[7] = 0
    model = cosine_energy(features, edges)(labels)

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


def test_typical_coupling_without_edges_is_zero():
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.zeros((3, 2)))
    assert typical_coupling(model) == 0
