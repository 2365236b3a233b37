"""The best cut: found as by trying all, and with a p-value that knows of the search."""

from __future__ import annotations

import dataclasses
import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.survival import best_cut as module
from histohet.survival.best_cut import BestCut, best_cut
from histohet.survival.permutation import log_rank_scores


def brute_statistic(high: np.ndarray, residuals: np.ndarray) -> float:
    """Standardised by the permutation variance, which is that of sampling without replacement."""
    n, m = len(high), int(high.sum())
    variance = m * (n - m) / n * residuals.var(ddof=1)
    return float(residuals[high].sum() / np.sqrt(variance))


def brute_force(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> dict[float, float]:
    residuals = log_rank_scores(time, event)
    share = {cut: np.mean(score <= cut) for cut in np.unique(score)}
    return {
        float(cut): brute_statistic(score > cut, residuals)
        for cut, low in share.items()
        if 0.1 <= low <= 0.9
    }


def cohort(seed: int, n: int, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.poisson(4, n).astype(float)
    death = rng.exponential(30 / np.exp(effect * (score > 5)))
    censored = rng.uniform(0, 60, n)
    return score, np.minimum(death, censored), death < censored


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 40))
def test_the_maximum_is_that_of_trying_all(seed: int, n: int) -> None:
    score, time, event = cohort(seed, n)
    found = best_cut(score, time, event, permutations=9, seed=0)
    tried = brute_force(score, time, event)
    if event.sum() < 2 or not tried:
        assert found.status == "not_estimable"
        return
    assert found.n_cuts == len(tried)
    assert found.cut is not None
    assert found.statistic == pytest.approx(tried[found.cut], rel=1e-9)
    assert abs(found.statistic or 0) == pytest.approx(max(map(abs, tried.values())), rel=1e-9)


def test_permutation_variance_is_that_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    score, time, event = rng.permutation(7), rng.integers(1, 6, 7), np.array([1, 1, 0, 1, 1, 0, 1])
    residuals = log_rank_scores(time, event)
    high = score > 3
    sums = [residuals[list(order)][high].sum() for order in itertools.permutations(range(7))]
    assert np.mean(sums) == pytest.approx(0, abs=1e-12)
    expected = residuals[high].sum() / np.std(sums)
    assert brute_statistic(high, residuals) == pytest.approx(expected, rel=1e-9)


def test_p_is_that_of_searching_all_permutations() -> None:
    rng = np.random.default_rng(3)
    score, time, event = rng.permutation(7), rng.integers(1, 9, 7), np.array([1, 1, 0, 1, 1, 1, 1])

    def largest(order: list[int]) -> float:
        tried = brute_force(score, time[order], event[order])
        return max(map(abs, tried.values()))

    every = [largest(list(order)) for order in itertools.permutations(range(7))]
    exact = np.mean(np.asarray(every) >= largest(list(range(7))) - 1e-9)
    found = best_cut(score, time, event, permutations=30_000, seed=0)
    assert found.permutation_p == pytest.approx(exact, abs=4 * np.sqrt(exact / 30_000))


def test_a_planted_cut_is_found_on_the_right_side() -> None:
    found = best_cut(*cohort(5, 400, effect=1.2), permutations=199, seed=0)
    assert found.cut == 5
    assert (found.statistic or 0) > 0
    assert (found.hazard_ratio or 0) > 2
    assert found.permutation_p == 1 / 200
    turned = best_cut(*cohort(5, 400, effect=-1.2), permutations=199, seed=0)
    assert (turned.statistic or 0) < 0
    assert (turned.hazard_ratio or 9) < 0.6


def test_a_search_is_rejected_at_its_level() -> None:
    """300 cohorts without effect: 5 % give or take 3 sd (3.8 %)."""
    found = [best_cut(*cohort(seed, 60), permutations=199, seed=seed) for seed in range(300)]
    p = np.array([one.permutation_p for one in found], dtype=float)
    assert abs(np.mean(p <= 0.05) - 0.05) < 0.038


def test_order_of_rows_does_not_matter_but_for_the_draw() -> None:
    score, time, event = cohort(6, 80, effect=0.5)
    other = np.random.default_rng(0).permutation(80)
    one = best_cut(score, time, event, permutations=999, seed=0)
    two = best_cut(score[other], time[other], event[other], permutations=999, seed=0)
    assert (one.cut, one.n_cuts) == (two.cut, two.n_cuts)
    assert one.statistic == pytest.approx(two.statistic)
    assert one.permutation_p == pytest.approx(two.permutation_p, abs=0.03)
    assert one == best_cut(score, time, event, permutations=999, seed=0)


@pytest.mark.parametrize(
    ("score", "event", "reason"),
    [
        ([1, 2, 3, 4], [1, 0, 0, 0], "1 events among 4 patients"),
        ([1, 1, 1, 1], [1, 1, 0, 1], "no score leaves 10% of 4 patients on either side"),
        ([], [], "0 events among 0 patients"),
    ],
)
def test_nothing_to_cut(score: list[float], event: list[int], reason: str) -> None:
    found = best_cut(score, np.arange(len(score)), event, permutations=9, seed=0)
    assert found.status == "not_estimable"
    assert reason in found.reason
    assert found.permutation_p is found.cut is found.hazard_ratio is None


def test_a_searched_cut_has_no_other_p() -> None:
    """The search cannot be had without its permutations, nor another p-value or an interval."""
    fields = {field.name for field in dataclasses.fields(BestCut)}
    assert {name for name in fields if name == "p" or name.endswith("_p")} == {"permutation_p"}
    assert not fields & {"lower", "upper", "se"}
    required = inspect.signature(best_cut).parameters["permutations"]
    assert required.default is inspect.Parameter.empty
    public = {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert public == {"best_cut"}
