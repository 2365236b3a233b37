from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from histohet.clustering.consensus import consensus, variation_of_information
from histohet.clustering.result import compact

A = np.repeat([0, 1, 2], [50, 30, 20])


def found_in(draws, most=20, seed=0):
    return consensus([np.asarray(draw) for draw in draws], most, np.random.default_rng(seed))


def by_formula(a, b) -> float:
    """Entropies less twice the mutual information, by scikit-learn (nats)."""
    own = mutual_info_score(a, a) + mutual_info_score(b, b)
    return (own - 2 * mutual_info_score(a, b)) / np.log(2)


@given(st.integers(0, 2**32 - 1))
def test_variation_of_information_is_that_of_the_entropies(seed):
    rng = np.random.default_rng(seed)
    a, b = compact(rng.integers(4, size=40)), compact(rng.integers(3, size=40))
    ones = np.ones(40, np.int64)
    found = variation_of_information(a, b, ones)
    assert found == pytest.approx(by_formula(a, b), abs=1e-9)
    assert found == pytest.approx(variation_of_information(b, a, ones), abs=1e-9)
    assert variation_of_information(a, a, ones) == pytest.approx(0, abs=1e-9)


def test_sizes_of_cells_stand_for_their_tiles():
    sizes = np.array([3, 4, 5, 6])
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    tiles = np.repeat(np.arange(4), sizes)
    found = variation_of_information(a, b, sizes)
    assert found == pytest.approx(by_formula(a[tiles], b[tiles]))


def test_equal_draws_are_the_consensus_whatever_their_numbers():
    draws = [np.array(order)[A] for order in itertools.permutations(range(3))]
    found = found_in(draws)
    assert len(np.unique(np.stack([found.labels, A]), axis=1).T) == 3
    assert (found.n_low, found.n_high) == (3, 3)


def test_a_border_that_few_draws_have_is_left_out_and_one_that_most_have_stays():
    split, merged = A.copy(), np.minimum(A, 1)
    split[:25] = 3
    few = found_in([A] * 6 + [split] * 2)
    assert by_formula(few.labels, A) == pytest.approx(0, abs=1e-9)
    assert few.nearest < 6
    most = found_in([merged] * 2 + [A] * 6)
    assert by_formula(most.labels, A) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_partition_of_few_tiles_is_nearer(seed):
    """Brute force over all partitions of seven tiles, each many tiles large."""
    rng = np.random.default_rng(seed)
    centre = np.array([0, 0, 0, 1, 1, 2, 2])
    draws = []
    for _ in range(9):
        draw = centre.copy()
        draw[rng.integers(7)] = rng.integers(3)
        draws.append(compact(draw))
    every = {tuple(compact(np.array(p))) for p in itertools.product(range(4), repeat=7)}
    ones = np.ones(7, np.int64)

    def loss(partition) -> float:
        return sum(variation_of_information(partition, draw, ones) for draw in draws)

    least = min(loss(np.array(partition)) for partition in every)
    assert loss(found_in(draws).labels) == pytest.approx(least, abs=0.35)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_number_lies_in_its_interval_and_is_no_more_than_allowed(seed, n_draws):
    rng = np.random.default_rng(seed)
    draws = [compact(rng.integers(1 + rng.integers(6), size=60)) for _ in range(n_draws)]
    found = found_in(draws, most=4)
    number = int(found.labels.max()) + 1
    assert 1 <= found.n_low <= number <= found.n_high <= 4
    assert len(np.unique(found.labels)) == number


def test_draws_that_disagree_leave_a_wider_interval():
    merged = np.minimum(A, 1)
    undecided = found_in([A, merged] * 5)
    assert (undecided.n_low, undecided.n_high) == (2, 3)


def test_more_cells_than_the_tree_is_made_of():
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(3), 1000)
    draws = [np.where(rng.random(3000) < 0.1, rng.integers(3, size=3000), kind) for _ in range(12)]
    found = found_in(draws)
    assert found.labels.max() == 2
    assert np.mean(found.labels == kind) > 0.97 or by_formula(found.labels, kind) < 0.3
