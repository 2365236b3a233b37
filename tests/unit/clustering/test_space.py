from __future__ import annotations

import numpy as np
import pytest

from helpers.lattices import lattice
from histohet.clustering.space import neighbour_correlation, structured
from histohet.tiles.neighbours import knn_edges

COORDS = lattice(30, 30)
EDGES = knn_edges(COORDS, 8, 1.5)


def test_correlation_is_one_less_gearys_ratio():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((900, 2))
    u, v = EDGES.T
    for column, found in zip(values.T, neighbour_correlation(values, EDGES), strict=True):
        # Geary's c: (N - 1) sum w (x_i - x_j)^2 / (2 W sum (x - mean)^2), W twice the edges.
        squares = 2 * ((column[u] - column[v]) ** 2).sum()
        c = squares / (2 * 2 * len(EDGES)) / column.var()
        assert found == pytest.approx(1 - c)


def test_noise_has_none_a_border_and_a_drift_have_much():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(900)
    border = (COORDS[:, 0] > 14) + 0.1 * rng.standard_normal(900)
    drift = COORDS[:, 1] + rng.standard_normal(900)
    components = np.stack([border, noise, drift], axis=1)
    noisy, bordered, drifting = neighbour_correlation(components, EDGES)[[1, 0, 2]]
    assert abs(noisy) < 0.05
    assert min(bordered, drifting) > 0.8
    np.testing.assert_array_equal(structured(components, EDGES), components[:, [0, 2]])


def test_chance_lets_hardly_any_component_in():
    found = [
        structured(np.random.default_rng(seed).standard_normal((900, 32)), EDGES).shape[1]
        for seed in range(50)
    ]
    assert np.mean(found) < 0.2


def test_a_faint_border_is_enough_on_a_large_slide():
    rng = np.random.default_rng(2)
    faint = 0.6 * (COORDS[:, 0] > 14) + rng.standard_normal(900)
    assert structured(faint[:, None], EDGES).shape == (900, 1)


def test_without_neighbours_nothing_can_be_told():
    components = np.random.default_rng(0).standard_normal((50, 3))
    nobody = np.empty((0, 2), np.int64)
    assert structured(components, nobody) is components
    assert structured(components[:, :0], EDGES[:5]).shape == (50, 0)
