from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.pottsmodels import few_tiles, labelings
from histohet.clustering.potts.model import PottsModel, energy, neighbour_lists
from histohet.tiles.neighbours import knn_edges


def published_energy(features, centres, edges, labels) -> float:
    """METHODS §1, spelled out: no arrays, no shared code."""

    def cosine(a, b):
        dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(sum(float(x) ** 2 for x in a) * sum(float(y) ** 2 for y in b))

    smooth = sum(cosine(features[u], features[v]) for u, v in edges if labels[u] == labels[v])
    fit = sum(cosine(centres[label], x) for label, x in zip(labels, features, strict=True))
    return -smooth - len(edges) / len(features) * fit


@pytest.mark.parametrize("seed", range(3))
def test_energy_is_the_published_one_for_every_labelling(seed):
    features, centres, model = few_tiles(seed, n=6)
    for labels in labelings(model):
        expected = published_energy(features, centres, model.edges, labels)
        assert energy(model, labels) == pytest.approx(expected, abs=1e-5)


def test_energy_does_not_depend_on_the_order_of_tiles_and_edges():
    rng = np.random.default_rng(0)
    n = 200
    edges = knn_edges(rng.permutation(400)[: 2 * n].reshape(n, 2), 8)
    model = PottsModel(edges, 1e6 * rng.standard_normal(len(edges)), rng.standard_normal((n, 4)))
    labels = rng.integers(4, size=n)
    order, mixed = rng.permutation(n), rng.permutation(len(edges))
    moved = PottsModel(np.argsort(order)[edges[mixed]], model.weights[mixed], model.unary[order])
    assert energy(moved, labels[order]) == energy(model, labels)


def test_neighbour_lists_say_both_directions_of_every_edge():
    rng = np.random.default_rng(1)
    edges = knn_edges(rng.permutation(400)[:200].reshape(100, 2), 5)
    # Tile 100 has no neighbour; the order of the edges and of their ends is nobody's business.
    edges = rng.permutation(edges)[:, ::-1]
    found = neighbour_lists(edges, 101)
    for tile in range(101):
        arcs = slice(found.first[tile], found.first[tile + 1])
        expected = sorted([v for u, v in edges if u == tile] + [u for u, v in edges if v == tile])
        assert found.tile[arcs].tolist() == expected
        for arc in range(arcs.start, arcs.stop):
            assert {tile, found.tile[arc]} == set(edges[found.edge[arc]].tolist())
            assert found.tile[found.reverse[arc]] == tile
            assert found.edge[found.reverse[arc]] == found.edge[arc]
