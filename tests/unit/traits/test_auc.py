"""AUC: by brute force, its variance by definition, strata, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from histohet.traits.auc import auc, newcombe, placements, stratified_auc

scored = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


def pairs(scores: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1, 0.5 or 0 for every pair of a high and a low one."""
    difference = scores[high][:, None] - scores[~high][None]
    return (np.sign(difference) + 1) / 2


@given(scored)
def test_by_brute_force(rows: list[tuple[int, bool]]) -> None:
    scores, high = (np.array(part) for part in zip(*rows, strict=True))
    scores = scores.astype(float)
    if high.all() or not high.any():
        assert math.isnan(auc(scores, high))
        return
    every = pairs(scores, high)
    assert auc(scores, high) == pytest.approx(every.mean())
    assert auc(scores, high) == pytest.approx(roc_auc_score(high, scores))
    of_high, of_low = placements(scores, high)
    np.testing.assert_allclose(of_high, every.mean(axis=1))
    np.testing.assert_allclose(of_low, every.mean(axis=0))


def test_forty_of_42_pairs_print_as_95() -> None:
    """The published LUAD miR-17: 13 test slides."""
    high = np.array([True] * 7 + [False] * 6)
    scores = np.array([9.0] * 6 + [3.5] + [1, 2, 3, 3, 4, 5])
    found = stratified_auc(scores, high)
    assert round(found.value, 2) == 0.95
    assert found.value == pytest.approx(40 / 42)
    assert (found.n_low, found.n_high) == (6, 7)
    assert found.lower < 0.82


def test_delong_by_definition() -> None:
    """DeLong et al. 1988: variance from the components of the U statistic, here over all pairs."""
    rng = np.random.default_rng(1)
    scores, high = rng.normal(size=60).round(1), rng.random(60) > 0.4
    scores[high] += 0.8
    every = pairs(scores, high)
    m, n = every.shape
    theta = every.mean()
    s10 = ((every.mean(1) - theta) ** 2).sum() / (m - 1)
    s01 = ((every.mean(0) - theta) ** 2).sum() / (n - 1)
    se = math.sqrt(s10 / m + s01 / n)
    found = stratified_auc(scores, high)
    half = 1.959963984540054 * se / (theta * (1 - theta))
    middle = math.log(theta / (1 - theta))
    assert found.lower == pytest.approx(1 / (1 + math.exp(-(middle - half))), abs=1e-12)
    assert found.upper == pytest.approx(1 / (1 + math.exp(-(middle + half))), abs=1e-12)


def test_folds_are_not_compared_with_each_other() -> None:
    """Each fold ranks its own perfectly, on a scale of its own."""
    scores = np.array([1.0, 2, 101, 102, 51, 52])
    high = np.array([False, True, False, True, False, True])
    assert stratified_auc(scores, high, np.array([1, 1, 2, 2, 3, 3])).value == 1
    assert stratified_auc(scores, high).value < 0.7


def test_folds_count_by_their_pairs() -> None:
    rng = np.random.default_rng(2)
    scores, high, fold = rng.normal(size=50), rng.random(50) > 0.5, rng.integers(1, 4, 50)
    won = [pairs(scores[fold == k], high[fold == k]) for k in (1, 2, 3)]
    expected = sum(one.sum() for one in won) / sum(one.size for one in won)
    assert stratified_auc(scores, high, fold).value == pytest.approx(expected)


def test_a_fold_with_one_label_says_nothing() -> None:
    scores = np.array([1.0, 2, 3, 4])
    high = np.array([False, True, True, True])
    found = stratified_auc(scores, high, np.array([1, 1, 2, 2]))
    assert (found.value, found.n_low, found.n_high) == (1, 1, 1)
    nothing = stratified_auc(scores, np.ones(4, bool))
    assert math.isnan(nothing.value)
    assert (nothing.n_low, nothing.n_high) == (0, 4)


def test_a_perfect_auc_has_an_interval() -> None:
    found = stratified_auc(np.arange(20.0), np.arange(20) >= 10)
    assert found.value == found.upper == 1
    assert 0.7 < found.lower < 0.95
    low, high = newcombe(0.5, 10, 10, 1.96)
    assert low == pytest.approx(1 - high, abs=1e-4)


def test_intervals_cover_what_they_promise() -> None:
    """Two normal distributions that lie 1 apart: the AUC is Phi(1 / sqrt 2) = 0.7602."""
    rng = np.random.default_rng(3)
    high = np.arange(60) < 25
    covered = 0
    for _ in range(1000):
        found = stratified_auc(rng.normal(size=60) + high, high)
        covered += found.lower <= 0.7602499 <= found.upper
    assert 0.93 <= covered / 1000 <= 0.97
