from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.lattices import lattice
from histohet.measures.heterogeneity import (
    SetMeasures,
    cluster_scores,
    cluster_table,
    components,
    hta,
    hti,
    measures_above,
    nested_measures,
    scaled_count,
    trait_hti,
)
from histohet.tiles.neighbours import adjacent_edges

COUNTS = st.lists(st.integers(0, 50), max_size=8)
TRAITS = hnp.arrays(np.bool_, st.tuples(st.integers(0, 30), st.integers(1, 4)))


# HTI


@pytest.mark.parametrize(
    ("counts", "n_possible", "expected"),
    [
        ([5, 5, 5], 3, 1.0),
        ([5, 5, 5], None, 1.0),
        ([5, 5], 4, 0.5),
        ([5, 5], None, 1.0),
        ([3, 1], None, 2 - 0.75 * math.log2(3)),
        ([2, 1, 1], 4, 0.75),
        ([1] * 20, 20, 1.0),
        ([7], 20, 0.0),
        ([7], 1, 0.0),
        ([0, 7, 0], None, 0.0),
        ([], 20, 0.0),
        ([], None, 0.0),
    ],
)
def test_hti_in_closed_form(counts, n_possible, expected):
    assert hti(counts, n_possible) == pytest.approx(expected, abs=1e-15)


@given(COUNTS, st.one_of(st.none(), st.integers(8, 40)))
def test_hti_lies_between_0_and_1(counts, n_possible):
    assert 0.0 <= hti(counts, n_possible) <= 1.0


@given(COUNTS, st.randoms(use_true_random=False), st.integers(1, 9))
def test_hti_ignores_order_absent_kinds_and_amount(counts, random, factor):
    shuffled = random.sample(counts, len(counts))
    assert hti(shuffled, 8) == pytest.approx(hti(counts, 8), abs=1e-12)
    assert hti([c for c in counts if c], 8) == hti(counts, 8)
    assert hti([factor * c for c in counts], 8) == pytest.approx(hti(counts, 8), abs=1e-12)


@given(st.integers(2, 30), st.integers(1, 9))
def test_hti_of_equal_shares_is_1_in_both_bases(n_kinds, tiles):
    assert hti([tiles] * n_kinds, None) == pytest.approx(1)
    assert hti([tiles] * n_kinds, n_kinds) == pytest.approx(1)


@given(COUNTS)
def test_bases_differ_by_a_factor_of_logarithms(counts):
    n_kinds = sum(c > 0 for c in counts)
    if n_kinds > 1:
        expected = hti(counts, None) * math.log(n_kinds) / math.log(20)
        assert hti(counts, 20) == pytest.approx(expected)


def test_hti_refuses_impossible_counts():
    with pytest.raises(ValueError, match="3 kinds are present, but only 2"):
        hti([1, 1, 1], 2)
    with pytest.raises(ValueError, match="negative"):
        hti([1, -1], None)


def test_scaled_count():
    assert scaled_count(3, 400) == 60.0
    assert scaled_count(0, 0) == 0.0


# traits


def test_trait_hti_in_closed_form():
    neither, first, second, both = [False, False], [True, False], [False, True], [True, True]
    assert trait_hti(np.array([first, second, both, neither, neither])) == pytest.approx(1.0)
    assert trait_hti(np.array([first, first, neither])) == 0.0
    assert trait_hti(np.array([neither, neither])) == 0.0
    two = np.array([first, both])
    assert trait_hti(two) == pytest.approx(math.log(2) / math.log(3))
    assert trait_hti(two, "observed") == pytest.approx(1.0)
    assert trait_hti(np.zeros((0, 3), bool)) == 0.0
    assert trait_hti(np.array([[True], [False]])) == 0.0


def test_trait_hti_of_every_combination_once_is_1():
    combinations = np.array(list(itertools.product([False, True], repeat=5)))
    assert trait_hti(combinations) == pytest.approx(1.0)


def test_many_traits_do_not_overflow():
    traits = np.zeros((2, 70), bool)
    traits[0, 0] = traits[1, 69] = True
    assert trait_hti(traits) == pytest.approx(math.log(2) / math.log(2**70 - 1))


@given(TRAITS, st.randoms(use_true_random=False))
def test_trait_hti_ignores_negative_tiles_and_order_of_traits(traits, random):
    columns = random.sample(range(traits.shape[1]), traits.shape[1])
    value = trait_hti(traits)
    assert 0.0 <= value <= 1.0
    assert trait_hti(traits[traits.any(axis=1)][:, columns]) == pytest.approx(value, abs=1e-12)


def test_traits_must_be_boolean_columns():
    with pytest.raises(ValueError, match="booleans"):
        trait_hti(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"\(N, T\)"):
        trait_hti(np.zeros((4, 0), bool))
    with pytest.raises(ValueError, match="not 'all'"):
        trait_hti(np.ones((4, 2), bool), "all")


# HTA


def test_separated_clusters_have_no_heterogeneity_within_regions():
    coords = lattice(8, 8)
    quadrant = coords[:, 0] // 4 + 2 * (coords[:, 1] // 4)
    found = hta(quadrant, coords, 4, 4, permutations=199, seed=0)
    assert found == (0.0, 1 / 200)


def test_mixed_clusters_have_the_heterogeneity_of_the_slide():
    coords = lattice(8, 8)
    chequered = coords.sum(axis=1) % 2
    found = hta(chequered, coords, 4, 4, permutations=199, seed=0)
    assert found.value == pytest.approx(math.log(2) / math.log(4))
    assert found.p == 1.0
    assert hta(chequered, coords, 4, None, 199, 0).value == pytest.approx(1.0)


def test_regions_are_weighted_by_their_tiles():
    # A region of 6 tiles with shares 1/2, a region of 3 with one kind, from the corner (10, 10).
    coords = np.array(
        [[10 + i % 3, 10 + i // 3] for i in range(6)] + [[20, 10 + i] for i in (0, 1, 2)]
    )
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0])
    assert hta(labels, coords, 5, 2, 99, 0).value == pytest.approx(6 / 9)


def test_p_value_is_the_share_of_all_rearrangements():
    # 2 regions of 3 tiles, 3 tiles of each kind: 2 of the 20 arrangements are fully sorted.
    coords = np.array([[0, 0], [1, 0], [2, 0], [10, 0], [11, 0], [12, 0]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert hta(labels, coords, 5, 2, 5000, 0).p == pytest.approx(0.1, abs=0.015)
    assert hta(labels[[0, 3, 1, 2, 4, 5]], coords, 5, 2, 500, 0).p == 1.0


def test_p_values_of_random_labels_are_uniform():
    coords = lattice(10, 10)
    rng = np.random.default_rng(0)
    p = [hta(rng.integers(3, size=100), coords, 5, 3, 99, seed).p for seed in range(200)]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_hta_ignores_names_place_and_order():
    rng = np.random.default_rng(0)
    coords = lattice(9, 9) * 448
    labels = rng.integers(4, size=81)
    order = rng.permutation(81)
    value = hta(labels, coords, 1344, 20, 9, 0).value
    assert hta(labels * 7 - 3, coords + 999, 1344, 20, 9, 0).value == value
    assert hta(labels[order], coords[order], 1344, 20, 9, 0).value == pytest.approx(value)
    assert value <= hti(np.bincount(labels), 20)


def test_hta_of_one_region_is_hti_and_never_significant():
    labels = np.array([0, 0, 1, 2])
    found = hta(labels, lattice(2, 2), 100, 20, 99, 0)
    assert found.value == pytest.approx(hti([2, 1, 1], 20))
    assert found.p == 1.0


def test_hta_of_one_cluster_is_zero():
    assert hta(np.zeros(9, int), lattice(3, 3), 2, 20, 99, 0) == (0.0, 1.0)
    assert hta(np.zeros(1, int), np.zeros((1, 2), int), 2, None, 99, 0) == (0.0, 1.0)


def test_hta_with_one_seed_is_one_number():
    labels = np.random.default_rng(0).integers(3, size=81)
    assert hta(labels, lattice(9, 9), 3, 3, 99, 5) == hta(labels, lattice(9, 9), 3, 3, 99, 5)


def test_hta_refuses_bad_input():
    with pytest.raises(ValueError, match="0 labels"):
        hta(np.zeros(0, int), np.zeros((0, 2), int), 2, 3, 9, 0)
    with pytest.raises(ValueError, match="9 labels at 4 positions"):
        hta(np.zeros(9, int), lattice(2, 2), 2, 3, 9, 0)
    with pytest.raises(ValueError, match="positive size"):
        hta(np.zeros(4, int), lattice(2, 2), 0, 3, 9, 0)
    with pytest.raises(ValueError, match="one permutation"):
        hta(np.zeros(4, int), lattice(2, 2), 1, 3, 0, 0)
    with pytest.raises(ValueError, match="4 kinds are present"):
        hta(np.arange(4), lattice(2, 2), 1, 3, 9, 0)


def test_a_thousand_permutations_of_5000_tiles_take_less_than_a_second():
    rng = np.random.default_rng(0)
    coords = lattice(71, 71)[:5000]
    labels = rng.integers(20, size=5000)
    start = time.process_time()
    hta(labels, coords, 10, 20, 1000, 0)
    assert time.process_time() - start < 1


# components


def test_components_of_a_small_map():
    rows = ["aab", "bba", "aab"]
    labels = np.array([0 if kind == "a" else 1 for row in rows for kind in row])
    coords = lattice(3, 3)
    touching = adjacent_edges(coords, 1)
    assert components(labels, touching).number.tolist() == [1, 1]
    by_side = touching[np.abs(coords[touching[:, 0]] - coords[touching[:, 1]]).sum(axis=1) == 1]
    found = components(labels, by_side)
    assert found.number.tolist() == [3, 3]
    assert found.largest_share.tolist() == [2 / 5, 2 / 4]


def flood_fill(labels: np.ndarray, edges: np.ndarray) -> dict[int, list[int]]:
    """Sizes of the pieces of every cluster."""
    neighbours = {tile: set() for tile in range(len(labels))}
    for u, v in edges.tolist():
        neighbours[u].add(v)
        neighbours[v].add(u)
    sizes = {int(k): [] for k in labels}
    unseen = set(range(len(labels)))
    while unseen:
        todo = [unseen.pop()]
        size = 0
        kind = int(labels[todo[0]])
        while todo:
            tile = todo.pop()
            size += 1
            reached = {v for v in neighbours[tile] & unseen if labels[v] == kind}
            unseen -= reached
            todo.extend(reached)
        sizes[kind].append(size)
    return sizes


@pytest.mark.parametrize("seed", range(5))
def test_components_agree_with_flood_fill(seed):
    rng = np.random.default_rng(seed)
    coords = np.unique(rng.integers(0, 14, (120, 2)), axis=0)
    labels = np.unique(rng.integers(0, 4, len(coords)), return_inverse=True)[1]
    edges = adjacent_edges(coords, 1)
    found = components(labels, edges)
    for k, sizes in flood_fill(labels, edges).items():
        assert found.number[k] == len(sizes)
        assert found.largest_share[k] == max(sizes) / sum(sizes)


def test_components_of_no_tiles():
    found = components(np.zeros(0, np.int32), np.empty((0, 2), np.int64))
    assert (found.number.shape, found.largest_share.shape) == ((0,), (0,))


def test_cluster_table():
    labels = np.array([0, 0, 0, 1], np.int32)
    edges = adjacent_edges(np.array([[0, 0], [1, 0], [5, 0], [6, 0]]), 1)
    rows = cluster_table(labels, np.array([1.5, -2.0]), edges)
    assert [dataclasses.astuple(row) for row in rows] == [
        (0, 3, 0.75, 1.5, 2, 2 / 3),
        (1, 1, 0.25, -2.0, 1, 1.0),
    ]
    assert [row.tumour_score for row in cluster_table(labels, None, edges)] == [None, None]
    assert cluster_table(labels[:0], None, edges[:0]) == []
    json.dumps([dataclasses.asdict(row) for row in rows], allow_nan=False)


# nested sets


def random_slide(seed: int, n_clusters: int = 5):
    rng = np.random.default_rng(seed)
    coords = lattice(12, 12) * 448
    labels = np.concatenate(
        [np.arange(n_clusters), rng.integers(n_clusters, size=144 - n_clusters)]
    )
    scores = rng.integers(-3, 4, n_clusters) / 2
    return labels.astype(np.int32), coords, scores


def measure(labels, coords, scores) -> list[SetMeasures]:
    return nested_measures(
        labels, coords, scores, n_possible=20, region_px=1344, permutations=49, seed=1
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_threshold_finds_its_row(seed):
    labels, coords, scores = random_slide(seed)
    rows = measure(labels, coords, scores)
    assert [row.n_clusters for row in rows] == list(range(6))
    for threshold in np.arange(-2, 2.1, 0.25):
        row = measures_above(rows, threshold)
        chosen = np.isin(labels, np.flatnonzero(scores > threshold))
        counts = np.bincount(labels[chosen])
        assert row.n_clusters == (scores > threshold).sum()
        assert row.n_tiles == chosen.sum()
        assert row.scaled_count == row.n_clusters * math.sqrt(chosen.sum())
        assert row.hti_possible == hti(counts, 20)
        assert row.hti_observed == hti(counts, None)
        if chosen.any():
            spatial = hta(labels[chosen], coords[chosen], 1344, 20, 49, (1, row.n_clusters))
            assert (row.hta, row.hta_p) == spatial
            assert row.lowest_score == min(scores[scores > threshold])
        else:
            assert row == rows[0]


def test_empty_set_and_json():
    labels, coords, scores = random_slide(0)
    rows = measure(labels, coords, scores)
    assert rows[0] == SetMeasures(0, 0, 0.0, 0.0, 0.0, None, None, None)
    text = json.dumps([dataclasses.asdict(row) for row in rows], allow_nan=False)
    assert [SetMeasures(**row) for row in json.loads(text)] == rows


def test_all_clusters_do_not_depend_on_scores():
    labels, coords, scores = random_slide(1)
    without = measure(labels, coords, None)
    assert [row.n_clusters for row in without] == [0, 5]
    everything = measures_above(measure(labels, coords, scores), None)
    assert dataclasses.replace(everything, lowest_score=None) == measures_above(without, None)
    with pytest.raises(ValueError, match="without tumour scores"):
        measures_above(without, 0.0)


@pytest.mark.parametrize("scores", [None, np.zeros(0)])
def test_slide_without_tiles(scores):
    rows = measure(np.zeros(0, np.int32), np.zeros((0, 2), np.int64), scores)
    assert len(rows) == 1
    assert measures_above(rows, None) == measures_above(rows, 1.0) == rows[0]


def test_scores_must_fit_the_clusters():
    labels, coords, scores = random_slide(0)
    with pytest.raises(ValueError, match="5 clusters"):
        measure(labels, coords, scores[:-1])
    with pytest.raises(ValueError, match="finite"):
        measure(labels, coords, np.array([1, 2, 3, 4, np.nan]))


def test_cluster_scores_are_means():
    labels = np.array([1, 0, 1, 2], np.int32)
    scores = np.array([2.0, 5.0, 4.0, -1.0], np.float32)
    assert cluster_scores(labels, scores).tolist() == [5.0, 3.0, -1.0]
    assert cluster_scores(labels[:0], scores[:0]).tolist() == []
    with pytest.raises(ValueError, match="label 1"):
        cluster_scores(np.array([0, 2]), np.ones(2))
    with pytest.raises(ValueError, match="3 scores for 4 tiles"):
        cluster_scores(labels, np.ones(3))
