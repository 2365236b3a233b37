from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from histohet.clustering.potts.max_flow import source_side
from histohet.clustering.potts.model import neighbour_lists


def network(seed: int, n: int, largest: int):
    """Random nodes, arcs with a capacity of their own in each direction, ties and zeros galore."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(n, size=(3 * n, 2))
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    lists = neighbour_lists(pairs.astype(np.int64), n)
    capacity = rng.integers(largest, size=len(lists.tile))
    excess = rng.integers(-2 * largest, 2 * largest, size=n)
    return lists, capacity, excess


def cut(lists, capacity, excess):
    return source_side(lists.first, lists.tile, lists.reverse, capacity, excess)


def reachable_by_scipy(lists, capacity, excess):
    """Nodes the source reaches in the residual graph of SciPy's maximum flow."""
    n = len(excess)
    source, sink = n, n + 1
    tails = np.repeat(np.arange(n), np.diff(lists.first))
    tails = np.concatenate([tails, np.full(n, source), np.arange(n)])
    heads = np.concatenate([lists.tile, np.arange(n), np.full(n, sink)])
    values = np.concatenate([capacity, np.maximum(excess, 0), np.maximum(-excess, 0)])
    graph = csr_array((values.astype(np.int32), (tails, heads)), shape=(n + 2, n + 2))
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reached = np.zeros(n + 2, bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return reached[:n]


@pytest.mark.parametrize("largest", [2, 4, 1000])
@pytest.mark.parametrize("n", [2, 7, 40, 300])
def test_cut_is_the_one_of_scipys_maximum_flow(n, largest):
    for seed in range(25):
        instance = network(seed, n, largest)
        assert cut(*instance).tolist() == reachable_by_scipy(*instance).tolist()


def test_cut_is_the_smallest_of_the_best_sets():
    for seed in range(40):
        lists, capacity, excess = network(seed, 8, 3)
        tails = np.repeat(np.arange(8), np.diff(lists.first))
        values = {}
        for inside in itertools.product([False, True], repeat=8):
            chosen = np.array(inside)
            leaving = chosen[tails] & ~chosen[lists.tile]
            values[inside] = capacity[leaving].sum() - excess[chosen].sum()
        best = [inside for inside, value in values.items() if value == min(values.values())]
        found = tuple(cut(lists, capacity, excess).tolist())
        assert found in best
        assert all(np.array(other)[np.array(found)].all() for other in best)


def test_cut_does_not_depend_on_the_order_of_nodes():
    lists, capacity, excess = network(3, 200, 4)
    tails = np.repeat(np.arange(200), np.diff(lists.first))
    order = np.random.default_rng(0).permutation(200)
    number = np.argsort(order)
    pairs = number[np.stack([tails, lists.tile], axis=1)[tails < lists.tile]]
    moved = neighbour_lists(pairs, 200)
    by_ends = {(u, v): c for u, v, c in zip(tails, lists.tile, capacity, strict=True)}
    moved_tails = np.repeat(np.arange(200), np.diff(moved.first))
    ends = zip(order[moved_tails], order[moved.tile], strict=True)
    moved_capacity = np.array([by_ends[pair] for pair in ends])
    found = cut(lists, capacity, excess)
    assert 0 < found.sum() < 200
    assert cut(moved, moved_capacity, excess[order]).tolist() == found[order].tolist()


@pytest.mark.parametrize(("excess", "expected"), [([], []), ([0, 3, -3], [False, True, False])])
def test_without_arcs_each_node_goes_where_it_is_pulled(excess, expected):
    lists = neighbour_lists(np.empty((0, 2), np.int64), len(excess))
    assert cut(lists, np.empty(0, np.int64), np.array(excess, np.int64)).tolist() == expected


def test_capacities_near_the_limit_do_not_overflow():
    lists = neighbour_lists(np.array([[0, 1], [1, 2]]), 3)
    big = 2**60
    found = cut(lists, np.array([big, big, big - 1, big - 1]), np.array([big, 0, -big]))
    assert found.tolist() == [True, True, False]
