from __future__ import annotations

import numpy as np
import pytest

from histohet.clustering.potts.model import PottsModel, energy
from histohet.clustering.tiles import Graph
from histohet.common.arrays import Float32, Floats
from histohet.rotation.clusters import Means, draw, fit_means, smooth
from histohet.tiles.neighbours import adjacent_edges


def around(centres: Floats, n: int, seed: int, spread: float = 0.02) -> Float32:
    """Vectors of n tiles around each of some directions, of different lengths."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(centres, n, axis=0) + rng.normal(0, spread, (n * len(centres), len(centres.T)))
    return (rows * rng.uniform(1, 5, (len(rows), 1))).astype(np.float32)


THREE = np.eye(3)


def test_means_are_those_of_unit_vectors() -> None:
    rows = around(THREE, 50, 0)
    means = fit_means([rows], 3, 314)
    order = means.centres.argmax(axis=1).argsort()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = [unit[50 * k : 50 * (k + 1)].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(means.centres[order], expected, atol=1e-6)
    distances = means.distances(rows)
    brute = ((unit[:, None] - means.centres) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, brute, atol=1e-6)
    np.testing.assert_array_equal(order[np.repeat(range(3), 50)], distances.argmin(axis=1))


def test_the_variance_is_that_of_axes_by_their_own() -> None:
    """Two of a hundred axes vary: the others make clusters no sharper."""
    rng = np.random.default_rng(0)
    rows = np.zeros((4000, 100), np.float32)
    rows[:, 0] = 1
    rows[:, 1:3] = rng.normal(0, 0.01, (4000, 2))
    means = fit_means([rows[:2000], rows[2000:]], 2, 0)
    whole = fit_means([rows[:90]], 2, 0)
    for found, fitted in ((means, rows), (whole, rows[:90])):
        unit = fitted / np.linalg.norm(fitted, axis=1, keepdims=True)
        residuals = unit - found.centres[found.distances(fitted).argmin(axis=1)]
        eigenvalues = np.linalg.eigvalsh(residuals.T @ residuals / len(residuals))
        expected = (eigenvalues**2).sum() / eigenvalues.sum()
        assert found.variance == pytest.approx(expected, rel=1e-4)


def test_every_core_has_the_same_say() -> None:
    large, small = around(THREE[:2], 500, 0), around(THREE[1:], 5, 1)
    found = fit_means([large, small], 2, 0)
    # Half of the weight is on the second core, a quarter on its own direction.
    spots = found.centres.argmax(axis=1)
    assert set(spots.tolist()) != {0, 2}
    shares = fit_means([small, small], 2, 0)
    np.testing.assert_allclose(
        np.sort(shares.centres, axis=0),
        np.sort(fit_means([small], 2, 0).centres, axis=0),
        atol=1e-6,
    )


def test_there_are_no_more_clusters_than_different_vectors() -> None:
    constant = fit_means([np.ones((9, 4), np.float32)], 3, 0)
    assert constant.centres.shape == (1, 4)
    assert constant.variance == pytest.approx(0, abs=1e-12)
    rounded = 1 + np.random.default_rng(0).normal(0, 1e-7, (50, 4))
    assert len(fit_means([rounded.astype(np.float32)], 3, 0).centres) == 1
    two = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    assert len(fit_means([two], 3, 0).centres) == 2


def test_the_same_seed_gives_the_same_means() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    one, other = (fit_means([rows], 4, 7) for _ in range(2))
    np.testing.assert_array_equal(one.centres, other.centres)


def test_a_draw_depends_on_the_core_and_the_seed_alone() -> None:
    rows = np.arange(100, dtype=np.float32)[:, None]
    drawn = draw("a", rows, 10, 0)
    assert drawn.shape == (10, 1)
    assert (np.diff(drawn[:, 0]) > 0).all()
    np.testing.assert_array_equal(drawn, draw("a", rows, 10, 0))
    assert not np.array_equal(drawn, draw("b", rows, 10, 0))
    assert not np.array_equal(drawn, draw("a", rows, 10, 1))
    np.testing.assert_array_equal(draw("a", rows, 1000, 0), rows)


@pytest.fixture
def lattice() -> Graph:
    y, x = np.divmod(np.arange(100), 10)
    return Graph.of(adjacent_edges(np.stack([x, y], axis=1), 1.0), 100)


def test_smoothing_repairs_a_single_tile_and_keeps_borders(lattice: Graph) -> None:
    halves = (np.arange(100) % 10 >= 5).astype(int)
    distances = np.where(halves[:, None] == [0, 1], 0.02, 0.2)
    at_rest, flipped = distances.copy(), distances.copy()
    flipped[22] = [0.031, 0.03]
    found = smooth(np.stack([at_rest, flipped]), 0.01, lattice)
    np.testing.assert_array_equal(found, [halves, halves])
    sharp = smooth(np.stack([at_rest, flipped]), 1e-6, lattice)
    assert sharp[1, 22] == 1


def test_smoothed_labels_have_less_energy_than_any_change_of_one_tile(lattice: Graph) -> None:
    rng = np.random.default_rng(1)
    distances = rng.uniform(0, 1, (1, 100, 3)) + np.where(np.arange(100) < 50, 0.0, 0.3)[:, None]
    labels = smooth(distances, 0.2, lattice)[0]
    raw = distances[0].argmin(axis=1)
    from histohet.clustering.energy import estimate_coupling, neighbour_counts

    coupling = estimate_coupling(neighbour_counts(lattice.neighbours, raw, 3), raw)
    model = PottsModel(lattice.edges, np.full(len(lattice.edges), coupling), distances[0] / 0.4)
    least = energy(model, labels)
    for tile in range(100):
        for label in range(3):
            changed = labels.copy()
            changed[tile] = label
            assert energy(model, changed) >= least - 1e-9


def test_what_does_not_differ_is_not_smoothed(lattice: Graph) -> None:
    distances = Means(np.ones((1, 2)), 0.0).distances(np.ones((100, 2)))
    assert not smooth(np.stack([distances, distances]), 0.0, lattice).any()
