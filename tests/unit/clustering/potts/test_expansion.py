from __future__ import annotations

import itertools

import numpy as np
import pytest

from histohet.clustering.potts.expansion import better_parts, certain, expand
from histohet.clustering.potts.model import IntegerModel, integer_energy, neighbour_lists


def integer_model(seed: int, n: int, n_labels: int, largest: int = 4) -> IntegerModel:
    """Random terms of few values, so that ties and zeros abound."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(n, size=(2 * n, 2))
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0).astype(np.int64)
    lists = neighbour_lists(pairs, n)
    weights = rng.integers(largest, size=len(pairs))[lists.edge]
    unary = rng.integers(2 * largest, size=(n, n_labels))
    unary -= unary.min(axis=1, keepdims=True)
    return IntegerModel(lists.first, lists.tile, lists.reverse, weights, unary)


def every_energy(model: IntegerModel) -> dict[tuple[int, ...], int]:
    n, n_labels = model.unary.shape
    labelings = itertools.product(range(n_labels), repeat=n)
    return {labels: integer_energy(model, np.array(labels)) for labels in labelings}


@pytest.mark.parametrize("seed", range(20))
def test_two_labels_are_minimised_exactly(seed):
    model = integer_model(seed, 9, 2)
    found = expand(model, np.zeros(9, np.int64))
    assert integer_energy(model, found.labels) == min(every_energy(model).values())


@pytest.mark.parametrize("seed", range(20))
def test_no_expansion_improves_the_labels_found(seed):
    model = integer_model(seed, 7, 3)
    start = np.random.default_rng(seed).integers(3, size=7)
    labels = expand(model, start).labels
    reached = integer_energy(model, labels)
    assert reached <= integer_energy(model, start)
    for label, takes in itertools.product(range(3), itertools.product([False, True], repeat=7)):
        assert integer_energy(model, np.where(takes, label, labels)) >= reached


def test_labels_that_cannot_be_improved_are_left_alone():
    # Equal energies everywhere: nothing to gain, so nothing moves.
    model = integer_model(0, 6, 3)._replace(unary=np.zeros((6, 3), np.int64))
    start = np.full(6, 2)
    found = expand(model, start)
    assert found.labels.tolist() == start.tolist()
    assert found.n_cuts == 3


@pytest.mark.parametrize("seed", range(30))
def test_certain_tiles_have_their_labels_in_every_minimum(seed):
    model = integer_model(seed, 7, 3)
    labels = expand(model, np.zeros(7, np.int64)).labels
    sure = certain(model, labels)
    energies = every_energy(model)
    lowest = min(energies.values())
    minima = [np.array(key) for key, value in energies.items() if value == lowest]
    assert all((minimum[sure] == labels[sure]).all() for minimum in minima)


def test_most_tiles_are_certain_where_the_fit_decides():
    model = integer_model(0, 300, 4, largest=3)
    model = model._replace(unary=model.unary * 6)
    assert certain(model, expand(model, model.unary.argmin(axis=1)).labels).mean() > 0.5


@pytest.mark.parametrize("seed", range(20))
def test_better_parts_are_the_best_mixture_part_by_part(seed):
    model = integer_model(seed, 30, 3)
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=30)
    other = np.where(rng.random(30) < 0.3, rng.integers(3, size=30), labels)
    mixed = better_parts(model, labels, other)
    assert ((mixed == labels) | (mixed == other)).all()
    energies = [integer_energy(model, x) for x in (mixed, labels, other)]
    assert energies[0] <= min(energies[1:])
    # Nothing is left to gain by taking the rest of `other`, nor by giving back what was taken.
    assert better_parts(model, mixed, other).tolist() == mixed.tolist()
