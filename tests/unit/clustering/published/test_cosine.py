from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.lattices import lattice
from histohet.clustering.energy import typical_coupling
from histohet.clustering.published.cosine import cosine_energy, edge_similarity, unary_cosine
from histohet.tiles.neighbours import knn_edges


def test_cosine_terms_are_the_published_ones():
    rng = np.random.default_rng(3)
    coords = lattice(6, 6)
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
    monkeypatch.setattr("histohet.clustering.published.cosine.EDGES_PER_CHUNK", 7)
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
