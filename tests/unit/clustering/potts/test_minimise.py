from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lattices import lattice
from helpers.pottsmodels import labelings
from histohet.clustering.potts.expansion import expand
from histohet.clustering.potts.minimise import gap_percent, lower_bound, minimise
from histohet.clustering.potts.model import PottsModel, energy, quantise
from histohet.tiles.neighbours import knn_edges


def square(seed: int, side: int, n_labels: int, coupling: float, n_regions: int = 0) -> PottsModel:
    """Squares of tiles; with regions, vertical stripes whose label fits better, on noise."""
    rng = np.random.default_rng(seed)
    coords = lattice(side, side)
    edges = knn_edges(coords, 8)
    unary = rng.standard_normal((side**2, n_labels))
    if n_regions:
        unary[np.arange(side**2), coords[:, 0] * n_regions // side] -= 1.0
    return PottsModel(edges, coupling * rng.uniform(0.5, 1, len(edges)), unary)


def zeros(model: PottsModel):
    return np.zeros(len(model.unary), np.int64)


def lowest(model: PottsModel) -> float:
    return min(energy(model, labels) for labels in labelings(model))


@st.composite
def small_models(draw):
    n, n_labels = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    pairs = list(itertools.combinations(range(n), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    # Few values make ties and zeros; others span many magnitudes.
    weight = st.sampled_from([0.0, 5e-324, 0.5, 1.0]) | st.floats(0, 1e6)
    cost = st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1e3, 1e3)
    weights = draw(st.lists(weight, min_size=len(edges), max_size=len(edges)))
    unary = draw(st.lists(cost, min_size=n * n_labels, max_size=n * n_labels))
    return PottsModel(
        np.array(edges, np.int64).reshape(-1, 2),
        np.array(weights, np.float64),
        np.array(unary, np.float64).reshape(n, n_labels),
    )


@given(small_models())
@settings(max_examples=200, deadline=None)
def test_bound_is_below_every_energy_and_the_labels_above_it(model):
    found = minimise(model, zeros(model))
    assert found.energy == energy(model, found.labels)
    assert found.lower_bound <= lowest(model) <= found.energy <= found.start_energy
    assert found.gap_percent == gap_percent(model, found.energy, found.lower_bound) >= 0


@pytest.mark.parametrize("seed", range(10))
def test_two_labels_reach_the_minimum_over_all_labelings(seed):
    model = square(seed, 4, 2, 0.7)
    model = PottsModel(model.edges, model.weights, model.unary[:, :2])
    n = 12
    inside = (model.edges < n).all(axis=1)
    model = PottsModel(model.edges[inside], model.weights[inside], model.unary[:n])
    found = minimise(model, zeros(model))
    assert found.energy == pytest.approx(lowest(model), abs=1e-12)
    assert found.gap_percent < 1e-6


@pytest.mark.parametrize(
    ("n_labels", "coupling", "n_regions"),
    [(4, 0.2, 0), (20, 0.2, 0), (5, 0.5, 5), (5, 2.0, 5), (20, 1.0, 6)],
)
def test_gap_on_slides_of_2500_tiles(n_labels, coupling, n_regions):
    model = square(1, 50, n_labels, coupling, n_regions)
    found = minimise(model, model.unary.argmin(axis=1))
    assert found.lower_bound <= found.energy < found.start_energy
    assert found.gap_percent <= 0.02


def shuffled(model: PottsModel, seed: int):
    """The model with tiles, edges and the ends of edges in another order; and that of the tiles."""
    rng = np.random.default_rng(seed)
    order, mixed = rng.permutation(len(model.unary)), rng.permutation(len(model.edges))
    edges = np.argsort(order)[model.edges[mixed]]
    turned = np.where(rng.random((len(edges), 1)) < 0.5, edges, edges[:, ::-1])
    return PottsModel(turned, model.weights[mixed], model.unary[order]), order


def test_expansion_does_not_depend_on_the_order_of_tiles_and_edges():
    model = square(2, 40, 8, 0.7)
    start = model.unary.argmin(axis=1)
    found = expand(quantise(model)[0], start).labels
    for seed in range(3):
        moved, order = shuffled(model, seed)
        again = expand(quantise(moved)[0], start[order]).labels
        assert again.tolist() == found[order].tolist()


def test_proven_minimum_and_bound_do_not_depend_on_the_order_of_tiles_and_edges():
    model = square(3, 30, 5, 0.4, 5)
    start = model.unary.argmin(axis=1)
    found = minimise(model, start, tolerance=0)
    assert found.gap_percent < 1e-6
    for seed in range(3):
        moved, order = shuffled(model, seed)
        again = minimise(moved, start[order], tolerance=0)
        assert again.labels.tolist() == found.labels[order].tolist()
        assert again.energy == found.energy
        assert again.lower_bound == pytest.approx(found.lower_bound, rel=1e-8)


def test_constants_and_scale_change_no_label():
    model = square(3, 30, 5, 0.5, 5)
    start = model.unary.argmin(axis=1)
    shifts = np.random.default_rng(0).integers(-1000, 1000, size=(len(start), 1))
    found = minimise(model, start)
    shifted = minimise(PottsModel(model.edges, model.weights, model.unary + shifts), start)
    scaled = minimise(PottsModel(model.edges, 1e-9 * model.weights, 1e-9 * model.unary), start)
    assert shifted.labels.tolist() == found.labels.tolist() == scaled.labels.tolist()
    assert shifted.gap_percent == pytest.approx(found.gap_percent, abs=1e-6)
    assert scaled.gap_percent == pytest.approx(found.gap_percent, abs=1e-6)


def test_same_input_same_bytes_and_start_left_alone():
    model = square(4, 25, 8, 0.6)
    start = np.zeros(625, np.int32)
    first, again = minimise(model, start), minimise(model, start)
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.lower_bound == again.lower_bound
    assert not start.any()


def test_one_outlying_cost_takes_no_precision_from_the_others():
    model = square(5, 12, 3, 0.5)
    unary = model.unary.copy()
    unary[7, 1] = 1e200
    found = minimise(PottsModel(model.edges, model.weights, unary), zeros(model))
    assert found.labels[7] != 1
    unary[7, 1] = 1e3
    tame = minimise(PottsModel(model.edges, model.weights, unary), zeros(model))
    assert found.labels.tolist() == tame.labels.tolist()
    assert found.gap_percent <= 0.02


def test_tiles_without_neighbours_take_their_best_label():
    unary = np.array([[1.0, 0.0, 2.0], [1e-9, 1.0, 0.0], [3.0, 3.0, 3.0]])
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), unary)
    found = minimise(model, np.array([0, 0, 2]))
    # The last tile's labels are equal, so it keeps the one it has.
    assert found.labels.tolist() == [1, 2, 2]
    assert (found.energy, found.lower_bound, found.gap_percent) == (3.0, 3.0, 0.0)


def test_edges_of_weight_zero_couple_nothing():
    model = square(6, 10, 4, 0.0)
    found = minimise(model, zeros(model))
    assert found.labels.tolist() == model.unary.argmin(axis=1).tolist()
    assert found.gap_percent == 0


@pytest.mark.parametrize(("n", "n_labels"), [(0, 3), (0, 0), (1, 1), (4, 1), (1, 4)])
def test_nothing_to_choose(n, n_labels):
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.zeros((n, n_labels)))
    found = minimise(model, np.zeros(n, np.int64))
    assert found.labels.tolist() == [0] * n
    assert (found.energy, found.lower_bound, found.gap_percent) == (0.0, 0.0, 0.0)


def test_labels_that_become_unused_are_no_trouble():
    model = square(7, 20, 6, 50.0)
    found = minimise(model, model.unary.argmin(axis=1))
    # The coupling is so strong that one label for all is best, and which one is known.
    assert found.labels.tolist() == [int(model.unary.sum(axis=0).argmin())] * 400
    assert found.gap_percent <= 0.02


def test_bound_of_other_labels():
    model = square(8, 20, 4, 0.3, 4)
    labels = np.random.default_rng(0).integers(4, size=400)
    bound = lower_bound(model, labels)
    best = minimise(model, model.unary.argmin(axis=1))
    assert bound <= best.energy
    assert bound == pytest.approx(best.lower_bound, rel=1e-3)
    assert gap_percent(model, energy(model, labels), bound) > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.array([1.0, -0.5])}, "edge 1 has the negative weight -0.5"),
        ({"weights": np.array([1.0, np.nan])}, "NaN, infinite or beyond 1e[+]250"),
        ({"unary": np.full((3, 2), np.inf)}, "NaN, infinite or beyond 1e[+]250"),
        ({"weights": np.array([1.0, 1e300])}, "NaN, infinite or beyond 1e[+]250"),
        ({"unary": np.zeros(3)}, "not the terms of one energy"),
        ({"weights": np.ones(3)}, "not the terms of one energy"),
        ({"edges": np.array([[0, 1], [1, 3]])}, "two different tiles of 0 to 2"),
        ({"edges": np.array([[0, 1], [2, 2]])}, "two different tiles of 0 to 2"),
        ({"start": np.zeros(2, np.int64)}, "not one integer per tile"),
        ({"start": np.zeros(3)}, "not one integer per tile"),
        ({"start": np.array([0, 2, 0])}, "not one of 0 to 1"),
        ({"start": np.array([0, -1, 0])}, "not one of 0 to 1"),
    ],
)
def test_what_is_no_energy_or_start_is_refused(change, message):
    terms = {
        "edges": np.array([[0, 1], [1, 2]]),
        "weights": np.ones(2),
        "unary": np.zeros((3, 2)),
        "start": np.zeros(3, np.int64),
    } | change
    start = terms.pop("start")
    with pytest.raises(ValueError, match=message):
        minimise(PottsModel(**terms), start)
