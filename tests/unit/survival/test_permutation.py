"""Permutation p-values: exact where they can be enumerated, at their level, and blind to order."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.patients import ROSSI_COVARIATES
from histohet.clinical.settings import Covariate
from histohet.survival import permutation as module
from histohet.survival.design import make_design
from histohet.survival.partial_likelihood import RiskSets, maximise
from histohet.survival.permutation import (
    BestCut,
    best_cut,
    exposure_permutation_p,
    log_rank_scores,
    permutation_p,
)

X = Covariate(column="x", kind="numeric", name="x")
Z = Covariate(column="z", kind="numeric", name="z")


@settings(max_examples=40, deadline=None)
@given(patients=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=20))
def test_log_rank_scores_are_observed_less_expected(patients: list[tuple[int, bool]]) -> None:
    scores = log_rank_scores([t for t, _ in patients], [e for _, e in patients])
    for (time, event), score in zip(patients, scores, strict=True):
        expected = 0.0
        for moment in {t for t, e in patients if e and t <= time}:
            deaths = sum(t == moment and e for t, e in patients)
            expected += deaths / sum(t >= moment for t, _ in patients)
        assert score == pytest.approx(event - expected, abs=1e-12)
    assert scores.sum() == pytest.approx(0, abs=1e-10)


@pytest.mark.real
def test_residuals_of_rossi(real_data: Path) -> None:
    """Three calls in R, each quoted where its values stand."""
    rossi = pd.read_csv(real_data / "survival" / "rossi.csv")
    # R: residuals(coxph(Surv(week, arrest) ~ 1, rossi, ties = "breslow"))[c(1, 2, 3, 5, 10)]
    scores = log_rank_scores(rossi["week"], rossi["arrest"])
    expected = [0.90316430860, 0.92823398494, 0.87480569278, -0.30512753372, -0.30512753372]
    np.testing.assert_allclose(scores[[0, 1, 2, 4, 9]], expected, rtol=1e-9)
    # R: with(survdiff(Surv(week, arrest) ~ fin, rossi), obs - exp)
    numerator = [scores[rossi["fin"] == group].sum() for group in (0, 1)]
    np.testing.assert_allclose(numerator, [10.425557232, -10.425557232], rtol=1e-9)
    # R: residuals(coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio))[1:5]
    design = rossi[ROSSI_COVARIATES].to_numpy(dtype=float)
    risk = RiskSets(rossi["week"], rossi["arrest"])
    hazard = np.exp(maximise(design, risk).at.predictor)
    expected = [0.9030557804, 0.8075084456, 0.6761131325, -0.1342650639, -0.3342159444]
    np.testing.assert_allclose(risk.martingale_residuals(hazard)[:5], expected, rtol=1e-6)
    # R: residuals(coxph(Surv(week, arrest) ~ 1, rossi))[c(1, 2, 3, 5, 10)], Efron
    null = maximise(np.zeros((len(rossi), 0)), risk)
    expected = [0.90803043335, 0.93059214716, 0.87714411061, -0.30595966337, -0.30595966337]
    np.testing.assert_allclose(
        risk.martingale_residuals(np.exp(null.at.predictor))[[0, 1, 2, 4, 9]], expected, rtol=1e-9
    )


def test_p_is_that_of_all_permutations() -> None:
    rng = np.random.default_rng(1)
    x, time, event = rng.integers(1, 4, 7), rng.integers(1, 9, 7), np.array([1, 0, 1, 1, 1, 0, 1])
    residuals = log_rank_scores(time, event)
    observed = abs(x @ residuals)
    every = [abs(x @ residuals[list(order)]) for order in itertools.permutations(range(7))]
    exact = np.mean(np.asarray(every) >= observed - 1e-9)
    found = permutation_p(x, residuals, permutations=40_000, seed=0)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact / 40_000))


def test_p_of_the_best_of_several_is_that_of_all_permutations() -> None:
    rng = np.random.default_rng(2)
    x, m = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))

    def largest(order: list[int]) -> float:
        return max(abs(np.corrcoef(x[:, i], m[order, j])[0, 1]) for i in range(3) for j in range(2))

    every = [largest(list(order)) for order in itertools.permutations(range(6))]
    exact = np.mean(np.asarray(every) >= largest(list(range(6))) - 1e-9)
    found = permutation_p(x, m, permutations=40_000, seed=0)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact / 40_000))
    alone = permutation_p(x[:, 0], m[:, 0], permutations=999, seed=0)
    assert 0 < alone <= 1


def test_p_can_be_neither_0_nor_above_1() -> None:
    x = np.arange(30.0)
    assert permutation_p(x, x, permutations=99, seed=0) == 0.01
    assert permutation_p(np.ones(5), np.arange(5), permutations=9, seed=0) == 1


def cohort(seed: int, n: int, effect: float = 0.0, confounding: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = confounding * z + rng.normal(size=n)
    death = rng.exponential(1 / np.exp(effect * x + 0.8 * z))
    censored = rng.exponential(1.2, n)
    return pd.DataFrame(
        {"time_months": np.minimum(death, censored), "event": death < censored, "x": x, "z": z}
    )


def p_of(data: pd.DataFrame, *covariates: Covariate, seed: int = 0) -> float:
    p = exposure_permutation_p(make_design(data, covariates), permutations=199, seed=seed)
    assert p is not None
    return p


def test_adjusted_p_is_about_what_the_covariate_does_not_explain() -> None:
    """x is z and noise, and only z kills."""
    confounded = cohort(3, 300, confounding=1.0)
    assert p_of(confounded, X) == 1 / 200
    assert p_of(confounded, X, Z) > 0.05
    both = cohort(3, 300, effect=0.5, confounding=1.0)
    assert p_of(both, X, Z) == 1 / 200


@pytest.mark.parametrize("covariates", [(X,), (X, Z)])
def test_true_null_is_rejected_at_its_level(covariates: tuple[Covariate, ...]) -> None:
    """300 cohorts: 5 % give or take 3 sd (3.8 %), also where the exposure goes with z."""
    confounding = 1.0 if len(covariates) > 1 else 0.0
    found = [p_of(cohort(seed, 60, confounding=confounding), *covariates) for seed in range(300)]
    assert abs(np.mean(np.asarray(found) <= 0.05) - 0.05) < 0.038


def test_seed_decides() -> None:
    data = cohort(7, 50, effect=0.2)
    assert p_of(data, X, Z, seed=1) == p_of(data, X, Z, seed=1)
    assert p_of(data, X, Z, seed=1) != p_of(data, X, Z, seed=2)


def test_scale_and_origin_of_the_exposure_do_not_matter() -> None:
    data = cohort(8, 50, effect=0.2)
    assert p_of(data.assign(x=30 - 7 * data["x"]), X, Z) == p_of(data, X, Z)


def test_no_p_without_a_model() -> None:
    data = cohort(9, 20).assign(x=1.0)
    assert exposure_permutation_p(make_design(data, [X]), permutations=9, seed=0) is None
    separated = pd.DataFrame({"time_months": np.arange(1.0, 9), "event": True})
    separated = separated.assign(x=[1.0, 5, 2, 2, 4, 0, 1, 3], z=-np.arange(8.0))
    assert exposure_permutation_p(make_design(separated, [X, Z]), permutations=9, seed=0) is None


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


def scored_cohort(
    seed: int, n: int, effect: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.poisson(4, n).astype(float)
    death = rng.exponential(30 / np.exp(effect * (score > 5)))
    censored = rng.uniform(0, 60, n)
    return score, np.minimum(death, censored), death < censored


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 40))
def test_the_maximum_is_that_of_trying_all(seed: int, n: int) -> None:
    score, time, event = scored_cohort(seed, n)
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
    found = best_cut(*scored_cohort(5, 400, effect=1.2), permutations=199, seed=0)
    assert found.cut == 5
    assert (found.statistic or 0) > 0
    assert (found.hazard_ratio or 0) > 2
    assert found.permutation_p == 1 / 200
    turned = best_cut(*scored_cohort(5, 400, effect=-1.2), permutations=199, seed=0)
    assert (turned.statistic or 0) < 0
    assert (turned.hazard_ratio or 9) < 0.6


def test_a_search_is_rejected_at_its_level() -> None:
    """300 cohorts without effect: 5 % give or take 3 sd (3.8 %)."""
    found = [best_cut(*scored_cohort(seed, 60), permutations=199, seed=seed) for seed in range(300)]
    p = np.array([one.permutation_p for one in found], dtype=float)
    assert abs(np.mean(p <= 0.05) - 0.05) < 0.038


def test_order_of_rows_does_not_matter_but_for_the_draw() -> None:
    score, time, event = scored_cohort(6, 80, effect=0.5)
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
    assert public == {
        "best_cut",
        "exposure_permutation_p",
        "log_rank_scores",
        "permutation_p",
    }
