from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_t

from helpers.lattices import lattice
from histohet.clustering.energy import (
    LARGEST_COUPLING,
    calibrated_energy,
    descend,
    estimate_coupling,
    log_likelihood,
    merge_gains,
    neighbour_counts,
    typical_coupling,
)
from histohet.clustering.mixture import SHARED_TILES, TAIL_FREEDOM
from histohet.clustering.potts.model import PottsModel, energy, neighbour_lists
from histohet.clustering.result import compact
from histohet.clustering.tiles import Graph
from histohet.tiles.neighbours import knn_edges

SEEDS = st.integers(0, 2**32 - 1)


def random_graph(rng: np.random.Generator, n: int) -> np.ndarray:
    """Edges of a graph in which some tiles have many neighbours and some none."""
    u, v = np.triu_indices(n, 1)
    chosen = rng.random(len(u)) < rng.uniform(0, 0.5)
    return np.stack([u[chosen], v[chosen]], axis=1)


def counted(edges: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return neighbour_counts(neighbour_lists(edges, len(labels)), labels, int(labels.max()) + 1)


def defined_log_likelihood(edges: np.ndarray, labels: np.ndarray, coupling: float) -> float:
    """Besag's pseudo-likelihood, tile by tile and edge by edge."""
    result = 0.0
    for tile, own in enumerate(labels):
        others = [v if u == tile else u for u, v in edges if tile in (u, v)]
        scores = [
            coupling * sum(1 for other in others if labels[other] == label)
            for label in range(labels.max() + 1)
        ]
        largest = max(scores)
        normaliser = largest + math.log(sum(math.exp(score - largest) for score in scores))
        result += scores[own] - normaliser
    return result


def likeliest_coupling(counts: np.ndarray, labels: np.ndarray) -> float:
    def minus_log_likelihood(coupling: float) -> float:
        scores = coupling * counts
        own = scores[np.arange(len(labels)), labels]
        return float(np.logaddexp.reduce(scores, axis=1).sum() - own.sum())

    found = minimize_scalar(
        minus_log_likelihood,
        bounds=(0, LARGEST_COUPLING),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


@given(SEEDS, st.integers(1, 12), st.integers(1, 5))
@settings(deadline=None)
def test_counts_are_those_of_a_loop(seed, n, n_labels):
    rng = np.random.default_rng(seed)
    edges, labels = random_graph(rng, n), rng.integers(n_labels, size=n)
    expected = np.zeros((n, n_labels), int)
    for u, v in edges:
        expected[u, labels[v]] += 1
        expected[v, labels[u]] += 1
    counts = neighbour_counts(neighbour_lists(edges, n), labels, n_labels)
    assert counts.dtype == np.int64
    assert counts.tolist() == expected.tolist()


@given(SEEDS, st.integers(1, 12), st.integers(1, 5), st.floats(0, LARGEST_COUPLING))
@settings(deadline=None)
def test_likelihood_is_the_product_of_the_conditionals(seed, n, n_labels, coupling):
    rng = np.random.default_rng(seed)
    edges, labels = random_graph(rng, n), compact(rng.integers(n_labels, size=n))
    assert log_likelihood(counted(edges, labels), labels, coupling) == pytest.approx(
        defined_log_likelihood(edges, labels, coupling), rel=1e-10, abs=1e-10
    )


@given(SEEDS, st.integers(1, 12), st.integers(2, 5), st.floats(0, LARGEST_COUPLING))
@settings(deadline=None)
def test_gain_of_every_merger_is_the_rise_of_the_likelihood(seed, n, n_labels, coupling):
    rng = np.random.default_rng(seed)
    edges, labels = random_graph(rng, n), compact(rng.integers(n_labels, size=n))
    before = defined_log_likelihood(edges, labels, coupling)
    n_labels = int(labels.max()) + 1
    gains = merge_gains(counted(edges, labels), labels, coupling)
    assert gains.shape == (n_labels, n_labels)
    for a in range(n_labels):
        for b in range(n_labels):
            merged = compact(np.where(labels == b, a, labels))
            after = defined_log_likelihood(edges, merged, coupling)
            assert gains[a, b] == pytest.approx(after - before, rel=1e-9, abs=1e-9)


def test_gains_of_many_clusters_on_a_lattice():
    rng = np.random.default_rng(0)
    coords = lattice(15, 15)
    labels = compact(coords[:, 0] // 3 * 5 + coords[:, 1] // 3)
    labels = np.where(rng.random(225) < 0.1, rng.integers(25, size=225), labels)
    edges = knn_edges(coords, 8, 1.5)
    counts = counted(edges, labels)
    coupling = estimate_coupling(counts, labels)
    gains = merge_gains(counts, labels, coupling)
    before = log_likelihood(counts, labels, coupling)
    for a, b in [(0, 1), (0, 24), (7, 12), (23, 24)]:
        merged = compact(np.where(labels == b, a, labels))
        after = log_likelihood(counted(edges, merged), merged, coupling)
        assert gains[a, b] == pytest.approx(after - before, rel=1e-10)


@given(SEEDS, st.integers(2, 40), st.integers(2, 5))
@settings(deadline=None, max_examples=200)
def test_coupling_is_the_one_of_largest_likelihood(seed, n, n_labels):
    rng = np.random.default_rng(seed)
    edges, labels = random_graph(rng, n), compact(rng.integers(n_labels, size=n))
    counts = counted(edges, labels)
    found, expected = estimate_coupling(counts, labels), likeliest_coupling(counts, labels)
    assert 0 <= found <= LARGEST_COUPLING
    # Where the likelihood is all but flat, couplings that differ are equally likely.
    loss = log_likelihood(counts, labels, expected) - log_likelihood(counts, labels, found)
    assert found == pytest.approx(expected, abs=1e-5) or abs(loss) < 1e-9


@pytest.mark.parametrize(("noise", "n_labels"), [(0.05, 2), (0.3, 3), (0.6, 5), (0.9, 5)])
def test_coupling_of_a_lattice(noise, n_labels):
    rng = np.random.default_rng(0)
    coords = lattice(20, 20)
    labels = coords[:, 0] * n_labels // 20
    labels = np.where(rng.random(400) < noise, rng.integers(n_labels, size=400), labels)
    counts = counted(knn_edges(coords, 8, 1.5), labels)
    found = estimate_coupling(counts, labels)
    assert found == pytest.approx(likeliest_coupling(counts, labels), abs=1e-5)
    assert found > 0


def test_coupling_is_recovered_from_labels_drawn_with_it():
    # Gibbs sampling of a Potts model on a large lattice.
    rng = np.random.default_rng(0)
    coords = lattice(60, 60)
    edges = knn_edges(coords, 8, 1.1)
    neighbours = neighbour_lists(edges, len(coords))
    labels = rng.integers(3, size=len(coords))
    black = coords.sum(axis=1) % 2
    for sweep in range(60):
        scores = 0.8 * neighbour_counts(neighbours, labels, 3) + rng.gumbel(size=(len(labels), 3))
        labels = np.where(black == sweep % 2, scores.argmax(axis=1), labels)
    assert estimate_coupling(counted(edges, labels), labels) == pytest.approx(0.8, abs=0.05)


def test_labels_without_a_border_have_the_largest_coupling():
    coords = lattice(6, 6)
    apart = coords + np.where(coords[:, :1] < 3, 0, 100)
    labels = (coords[:, 0] >= 3).astype(np.int64)
    counts = counted(knn_edges(apart, 8, 1.5), labels)
    assert estimate_coupling(counts, labels) == pytest.approx(LARGEST_COUPLING, abs=1e-4)


def test_nothing_to_learn_a_coupling_from():
    coords = lattice(6, 6)
    edges = knn_edges(coords, 8, 1.1)
    one_label = np.zeros(36, np.int64)
    assert estimate_coupling(counted(edges, one_label), one_label) == 0
    checkerboard = coords.sum(axis=1) % 2
    assert estimate_coupling(counted(edges, checkerboard), checkerboard) == 0
    no_edges = np.empty((0, 2), np.int64)
    assert estimate_coupling(counted(no_edges, checkerboard), checkerboard) == 0


def test_a_tile_with_a_thousand_neighbours_is_no_overflow():
    # Tiles that share one position are all neighbours of a few of them.
    hubs = np.stack([np.repeat([0, 1], 1000), np.arange(2, 2002)], axis=1)
    labels = np.concatenate([[0, 1], np.repeat([0, 1], 1000)])
    with np.errstate(over="raise", invalid="raise"):
        counts = counted(hubs, labels)
        coupling = estimate_coupling(counts, labels)
        assert coupling > 0
        found = log_likelihood(counts, labels, coupling)
        gains = merge_gains(counts, labels, coupling)
    expected = sum(-np.logaddexp(0, -coupling * size) for size in np.repeat([1000, 1], [2, 2000]))
    assert found == pytest.approx(expected)
    assert gains[0, 1] == pytest.approx(-found)


@given(SEEDS, st.integers(1, 14), st.integers(1, 4), st.floats(0, LARGEST_COUPLING))
@settings(deadline=None, max_examples=200)
def test_descent_ends_where_no_tile_can_improve(seed, n, n_labels, coupling):
    rng = np.random.default_rng(seed)
    edges = random_graph(rng, n)
    model = PottsModel(edges, np.full(len(edges), coupling), rng.standard_normal((n, n_labels)))
    start = rng.integers(n_labels, size=n)
    given_start = start.copy()
    neighbours = neighbour_lists(edges, n)
    energies = [energy(model, start)]
    for sweeps in range(1, 4):
        found = descend(neighbours, model.unary, coupling, start, sweeps)
        energies.append(energy(model, found))
    assert (np.diff(energies) <= 1e-9).all()
    labels = descend(neighbours, model.unary, coupling, start, 1000)
    assert start.tolist() == given_start.tolist()
    lowest = energy(model, labels)
    assert lowest <= energies[-1] + 1e-9
    for tile in range(n):
        for label in range(n_labels):
            changed = labels.copy()
            changed[tile] = label
            assert energy(model, changed) >= lowest - 1e-9


def test_descent_without_coupling_takes_the_best_label_of_every_tile():
    rng = np.random.default_rng(0)
    unary = rng.standard_normal((50, 4))
    neighbours = neighbour_lists(random_graph(rng, 50), 50)
    labels = descend(neighbours, unary, 0.0, rng.integers(4, size=50))
    assert labels.tolist() == unary.argmin(axis=1).tolist()


def test_descent_keeps_labels_that_are_as_good_as_any():
    start = np.array([2, 0, 1, 2])
    neighbours = neighbour_lists(np.empty((0, 2), np.int64), 4)
    assert descend(neighbours, np.zeros((4, 3)), 1.0, start).tolist() == start.tolist()


def planted(seed: int, side: int = 12, d: int = 3):
    """Stripes of three kinds whose embeddings lie around 1, with a few tiles far out."""
    rng = np.random.default_rng(seed)
    coords = lattice(side, side)
    labels = coords[:, 0] * 3 // side
    rows = 2 * rng.standard_normal((3, d))[labels] + rng.standard_t(3, (side**2, d)) + 1
    labels = np.where(rng.random(side**2) < 0.1, rng.integers(3, size=side**2), labels)
    return rows, knn_edges(coords, 8, 1.5), labels


def of_slide(rows, edges, labels) -> PottsModel:
    return calibrated_energy(rows, Graph.of(edges, len(rows)), labels)


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
    model = of_slide(rows, edges, labels)
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
    model, scaled = (of_slide(x, edges, labels) for x in (rows, rows * 2.0**-7))
    np.testing.assert_allclose(
        scaled.unary - scaled.unary[:, :1], model.unary - model.unary[:, :1], atol=1e-8
    )
    assert scaled.weights.tolist() == model.weights.tolist()


def test_calibrated_terms_do_not_depend_on_the_numbers_of_the_clusters():
    rows, edges, labels = planted(1)
    number = np.array([2, 0, 1])
    model, renamed = of_slide(rows, edges, labels), of_slide(rows, edges, number[labels])
    np.testing.assert_allclose(renamed.unary[:, number], model.unary, atol=1e-10)
    assert typical_coupling(renamed) == pytest.approx(typical_coupling(model), abs=1e-6)


def test_one_cluster_and_no_edges_attract_nothing():
    rows, edges, labels = planted(2)
    alone = of_slide(rows, edges, np.zeros_like(labels))
    assert alone.unary.shape == (len(rows), 1)
    assert typical_coupling(alone) == 0
    no_edges = np.empty((0, 2), np.int64)
    assert typical_coupling(of_slide(rows, no_edges, labels)) == 0


def test_typical_coupling_without_edges_is_zero():
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.zeros((3, 2)))
    assert typical_coupling(model) == 0
