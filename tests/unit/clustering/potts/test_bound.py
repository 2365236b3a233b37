from __future__ import annotations

import itertools

import numpy as np
import pytest

from helpers.pottsmodels import labelings
from histohet.clustering.potts.bound import (
    by_group,
    decode,
    group_energies,
    only_groups,
    silent,
    tighten,
)
from histohet.clustering.potts.model import IntegerModel, integer_energy, neighbour_lists, restrict


def chain_model(seed: int, sizes: list[int], n_labels: int, cross_links: int = 0) -> IntegerModel:
    """One chain per size, its tiles scattered among those of the others; optionally with loops."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    tiles = np.split(rng.permutation(n), np.cumsum(sizes)[:-1])
    pairs = [pair for chain in tiles for pair in itertools.pairwise(np.sort(chain))]
    for chain in tiles:
        pairs += [rng.choice(chain, 2, replace=False) for _ in range(cross_links)]
    edges = np.unique(np.sort(np.array(pairs).reshape(-1, 2), axis=1), axis=0)
    lists = neighbour_lists(edges, n)
    weights = rng.integers(1000, size=len(edges))[lists.edge]
    unary = rng.integers(1500, size=(n, n_labels))
    return IntegerModel(lists.first, lists.tile, lists.reverse, weights, unary)


def grouped(model: IntegerModel):
    order, ends = by_group(model)
    return restrict(model, order, np.zeros(len(order), np.int64)), ends


def lowest(model: IntegerModel) -> int:
    return min(integer_energy(model, labels) for labels in labelings(model))


def never(ends):
    return np.full(len(ends) - 1, np.inf)


@pytest.mark.parametrize("seed", range(10))
def test_groups_are_the_chains_and_energies_add_up(seed):
    model, ends = grouped(chain_model(seed, [3, 1, 5], 3))
    assert sorted(np.diff(ends).tolist()) == [1, 3, 5]
    labels = np.random.default_rng(seed).integers(3, size=9)
    assert group_energies(model, ends, labels).sum() == integer_energy(model, labels)


@pytest.mark.parametrize("seed", range(10))
def test_on_chains_the_bound_is_the_minimum_and_messages_tell_the_labels(seed):
    model, ends = grouped(chain_model(seed, [4, 5], 3))
    dual = silent(model, ends)
    tighten(dual, never(ends), 1)
    assert dual.bound.sum() == lowest(model)
    assert integer_energy(model, decode(dual)) == lowest(model)


@pytest.mark.parametrize("seed", range(15))
def test_bound_never_exceeds_the_minimum_whatever_the_messages(seed):
    model, ends = grouped(chain_model(seed, [8], 3, cross_links=8))
    dual = silent(model, ends)
    dual.messages[:] = np.random.default_rng(seed).integers(-3000, 3000, dual.messages.shape)
    minimum = lowest(model)
    earlier = 0.0
    for _ in range(30):
        tighten(dual, never(ends), 1)
        assert earlier <= dual.bound.sum() <= minimum
        earlier = dual.bound.sum()
    assert dual.bound.sum() > 0.9 * minimum


def test_a_group_stops_when_its_bound_is_enough():
    model, ends = grouped(chain_model(0, [9, 9], 3, cross_links=9))
    few, many = silent(model, ends), silent(model, ends)
    tighten(few, np.array([0.0, np.inf]), 20)
    tighten(many, never(ends), 20)
    assert few.bound[0] == 0 < many.bound[0]
    assert few.bound[1] == many.bound[1] > 0


def test_kept_groups_go_on_as_if_nothing_had_happened():
    model, ends = grouped(chain_model(1, [9, 7, 9], 3, cross_links=9))
    whole = silent(model, ends)
    tighten(whole, never(ends), 3)
    kept = np.array([True, False, True])
    part = only_groups(whole, kept, np.zeros(25, np.int64))
    tighten(part, never(part.ends), 3)
    tighten(whole, never(ends), 3)
    assert part.bound.tolist() == whole.bound[kept].tolist()
    tiles = np.repeat(kept, np.diff(ends))
    assert decode(part).tolist() == decode(whole)[tiles].tolist()
