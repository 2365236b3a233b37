"""The partial likelihood: derivatives, sums over risk sets, ridge, strata, and no maximum.

R 4.2.2 with survival 3.5.3 and glmnet 4.1.6; the calls stand beside the values, R is not needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from scipy.optimize import minimize

from helpers.patients import ROSSI_COVARIATES
from histohet.common.arrays import Bools, Floats
from histohet.survival.partial_likelihood import (
    Likelihood,
    NoMaximumError,
    RiskSets,
    log_likelihood,
    maximise,
)
from histohet.survival.separation import separation

Data = tuple[Floats, Floats, Bools]

# R: i <- 1:40; j <- 1:100; X <- outer(i, j, function(i, j) sin(i * j))
#    time <- (i * 7) %% 41 + 1; event <- as.integer(i %% 3 != 0)
ROW = np.arange(1, 41)
WIDE = (np.sin(np.outer(ROW, np.arange(1, 101))), (ROW * 7 % 41 + 1).astype(float), ROW % 3 != 0)


def cohort(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.integers(0, 8, n).astype(float), rng.random(n) < 0.5


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 25))
def test_sums_are_over_those_at_risk(seed: int, n: int) -> None:
    values, time, event = cohort(seed, n)
    for ties in ("efron", "breslow"):
        risk = RiskSets(time, event, ties=ties)
        sums = risk.sums(values)
        assert sums.shape == (event.sum(), 2)
        assert (np.diff(time[risk.deaths]) >= 0).all()
        for moment in np.unique(time[event]):
            at_risk = values[time >= moment].sum(axis=0)
            tied = values[(time == moment) & event]
            found = sums[time[risk.deaths] == moment]
            for k, row in enumerate(found):
                share = k / len(tied) if ties == "efron" else 0
                np.testing.assert_allclose(row, at_risk - share * tied.sum(axis=0), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_score_and_information_are_the_derivatives(seed: int) -> None:
    design, time, event = cohort(seed, 20)
    risk = RiskSets(time, event)
    at, step = np.array([0.3, -0.5]), 1e-5
    here = Likelihood(design, risk, at)
    for i in range(2):
        away = step * np.eye(2)[i]
        up, down = Likelihood(design, risk, at + away), Likelihood(design, risk, at - away)
        slope = (up.log_value - down.log_value) / (2 * step)
        assert here.score[i] == pytest.approx(slope, abs=1e-6)
        curvature = (down.score - up.score) / (2 * step)
        np.testing.assert_allclose(here.information()[i], curvature, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_martingale_residuals_are_orthogonal_to_the_covariates(seed: int) -> None:
    design, time, event = cohort(seed, 60)
    risk = RiskSets(time, event)
    fitted = maximise(design, risk)
    residuals = risk.martingale_residuals(np.exp(fitted.at.predictor))
    np.testing.assert_allclose(design.T @ residuals, 0, atol=1e-7)
    assert residuals.sum() == pytest.approx(0, abs=1e-10)
    # A common factor of all hazards is none of the model's business.
    np.testing.assert_allclose(
        risk.martingale_residuals(7 * np.exp(fitted.at.predictor)), residuals, atol=1e-12
    )


def test_without_covariates_there_is_nothing_to_maximise() -> None:
    _, time, event = cohort(1, 30)
    fitted = maximise(np.zeros((30, 0)), RiskSets(time, event))
    assert fitted.coefficients.shape == (0,)
    assert (fitted.at.predictor == 0).all()


def test_separation_has_no_maximum_and_names_the_column() -> None:
    design, _, _ = cohort(2, 12)
    time = np.arange(12.0)
    design[:, 1] = -time
    risk = RiskSets(time, np.ones(12, dtype=bool))
    with pytest.raises(NoMaximumError, match="no maximum"):
        maximise(design, risk)
    assert separation(design, risk).alone.tolist() == [False, True]


def test_without_events_the_likelihood_is_flat() -> None:
    design, time, _ = cohort(3, 12)
    risk = RiskSets(time, np.zeros(12, dtype=bool))
    assert (risk.martingale_residuals(np.ones(12)) == 0).all()
    with pytest.raises(NoMaximumError):
        maximise(design, risk)


@pytest.fixture(scope="module")
def rossi(real_data: Path) -> Data:
    table = pd.read_csv(real_data / "survival/rossi.csv")
    return (
        table[ROSSI_COVARIATES].to_numpy(float),
        table["week"].to_numpy(float),
        table["arrest"].to_numpy(bool),
    )


@pytest.fixture(scope="module")
def lung(real_data: Path) -> Data:
    columns = ["time", "status", "age", "ph.karno"]
    table = pd.read_csv(real_data / "survival/lung.csv").dropna(subset=columns)
    return (
        table[["age", "ph.karno"]].to_numpy(float),
        table["time"].to_numpy(float),
        table["status"].to_numpy(bool),
    )


def ridge_coefficients(
    design: Floats, time: Floats, event: Bools, penalty: npt.ArrayLike
) -> Floats:
    return maximise(design, RiskSets(time, event, ties="breslow"), penalty).coefficients


def breslow(predictor: Floats, time: Floats, event: Bools) -> float:
    return log_likelihood(predictor, RiskSets(time, event, ties="breslow"))


def naive_likelihood(eta: Floats, time: Floats, event: Bools) -> float:
    """Breslow's log partial likelihood, event by event."""
    return float(
        sum(
            eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in range(len(eta)) if event[i]
        )
    )


@pytest.mark.real
def test_coefficients_are_those_of_survivals_ridge(rossi: Data) -> None:
    # R: coxph(Surv(week, arrest) ~ ridge(fin, age, race, wexp, mar, paro, prio, theta = 4.32,
    #          scale = FALSE), data = rossi, ties = "breslow",
    #          control = coxph.control(eps = 1e-14, iter.max = 100, outer.max = 50))
    expected = [
        *(-0.32136953361, -0.05915267817, 0.23045038960, -0.14437890717),
        *(-0.28315317323, -0.07387022072, 0.09066962156),
    ]
    np.testing.assert_allclose(ridge_coefficients(*rossi, 4.32), expected, atol=1e-10)


@pytest.mark.real
@pytest.mark.parametrize(
    ("glmnets", "expected"),
    [
        # R: glmnet(x, y, family = "cox", alpha = 0, lambda = 0.02, standardize = FALSE,
        #           thresh = 1e-22, maxit = 1e8)
        (
            0.02,
            [
                *(-0.27989874811, -0.06038161970, 0.18253226423, -0.13277622790),
                *(-0.21545781795, -0.06483113139, 0.09052010978),
            ],
        ),
        # R: the same with lambda = 0.2
        (
            0.2,
            [
                *(-0.08606177497, -0.06430949553, 0.03845505535, -0.04876528538),
                *(-0.04485887264, -0.02070322711, 0.08747558852),
            ],
        ),
    ],
)
def test_coefficients_are_those_of_glmnet(
    rossi: Data, glmnets: float, expected: list[float]
) -> None:
    penalty = glmnets * len(rossi[1])
    np.testing.assert_allclose(ridge_coefficients(*rossi, penalty), expected, atol=1e-10)


@pytest.mark.real
def test_glmnets_standardised_columns_are_a_penalty_per_column(rossi: Data, lung: Data) -> None:
    # R: glmnet(x, y, family = "cox", alpha = 0, lambda = 0.05, thresh = 1e-22, maxit = 1e8)
    expected = [
        *(-0.31778172776, -0.04341975652, 0.24650264294, -0.19252639463),
        *(-0.36066321573, -0.06747927254, 0.07942497885),
    ]
    penalty = 0.05 * len(rossi[1]) * rossi[0].var(axis=0)
    np.testing.assert_allclose(ridge_coefficients(*rossi, penalty), expected, atol=1e-10)
    # R: glmnet(x, Surv(time + 0.5 * (status == 0), status), family = "cox", alpha = 0,
    #           lambda = 0.3, penalty.factor = c(0, 1), thresh = 1e-22, maxit = 1e8)
    # makes the factors c(0, 2). Half a day more, because glmnet takes those who are censored at an
    # event time out of the risk set if they stand before the event, which survival never does.
    penalty = 0.3 * len(lung[1]) * lung[0].var(axis=0) * [1e-12, 2]
    expected = [0.01577671946400, -0.00800535805678]
    np.testing.assert_allclose(ridge_coefficients(*lung, penalty), expected, atol=1e-10)


@pytest.mark.real
def test_without_penalty_it_is_coxph_with_breslows_ties_and_baseline(rossi: Data) -> None:
    # R: f <- coxph(Surv(week, arrest) ~ ., data = rossi, ties = "breslow"); f$loglik
    beta = ridge_coefficients(*rossi, 1e-9)
    eta = rossi[0] @ beta
    np.testing.assert_allclose(beta[[0, 1, 6]], [-0.3790218874, -0.0572459250, 0.0911115421])
    assert breslow(eta, *rossi[1:]) == pytest.approx(-659.120605677, abs=1e-8)
    assert breslow(0 * eta, *rossi[1:]) == pytest.approx(-675.683389417, abs=1e-8)
    # R: b <- basehaz(f, centered = FALSE); b$hazard[match(c(10, 20, 52), b$time)]
    hazard = RiskSets(*rossi[1:], ties="breslow").baseline_hazard(eta, [0, 10, 20, 52, 99])
    expected = [0, 0.103576022548, 0.290325398473, 0.950727380605, 0.950727380605]
    np.testing.assert_allclose(hazard, expected, rtol=1e-7)


def test_more_columns_than_patients_are_glmnets_and_those_of_their_components() -> None:
    # R: glmnet(X, Surv(time, event), family = "cox", alpha = 0, lambda = 0.1,
    #           standardize = FALSE, thresh = 1e-22, maxit = 1e8)
    design, time, event = WIDE
    beta = ridge_coefficients(*WIDE, 4.0)
    expected = [0.35864845676, 0.05299619131, 0.00183633648, -0.03284727079, -0.05817198487]
    np.testing.assert_allclose(beta[[0, 1, 2, 49, 99]], expected, atol=1e-9)
    u, s, axes = np.linalg.svd(design, full_matrices=False)
    rotated = ridge_coefficients(u * s, time, event, 4.0)
    np.testing.assert_allclose(axes.T @ rotated, beta, atol=1e-9)


@st.composite
def cohorts(draw: st.DrawFn) -> Data:
    n, p = draw(st.integers(4, 25)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    event = rng.random(n) < 0.6
    event[0] = True
    return rng.normal(size=(n, p)), rng.integers(1, 12, n).astype(float), event


@given(cohorts(), st.floats(0.05, 50))
@settings(max_examples=30, deadline=None)
def test_it_is_the_maximum_that_a_general_optimiser_finds(data: Data, penalty: float) -> None:
    design, time, event = data

    def loss(beta: Floats) -> float:
        return float(penalty * beta @ beta / 2) - naive_likelihood(design @ beta, time, event)

    beta = ridge_coefficients(*data, penalty)
    eta = design @ beta
    likelihood = breslow(eta, time, event)
    assert likelihood == pytest.approx(naive_likelihood(eta, time, event), abs=1e-9)
    found = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-7})
    assert loss(beta) <= found.fun + 1e-9
    np.testing.assert_allclose(beta, found.x, atol=1e-4)


@given(cohorts(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_order_of_rows_and_monotone_time_do_not_matter(data: Data, seed: int) -> None:
    design, time, event = data
    beta = ridge_coefficients(*data, 1.0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(time))
    shuffled = ridge_coefficients(design[order], time[order] ** 2, event[order], 1.0)
    np.testing.assert_allclose(shuffled, beta, atol=1e-8)


def test_a_strong_penalty_gives_zero_and_a_weak_one_holds_separation() -> None:
    design = np.array([[3.0], [2.0], [1.0], [0.0]])
    data = design, np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, bool)
    assert abs(ridge_coefficients(*data, 1e9)[0]) < 1e-8
    assert 1 < ridge_coefficients(*data, 0.01)[0] < 10


def test_huge_columns_neither_overflow_nor_stall() -> None:
    rng = np.random.default_rng(0)
    design, time, event = rng.normal(size=(60, 3)), rng.exponential(size=60), np.ones(60, bool)
    beta = ridge_coefficients(design, time, event, 1.0)
    huge = ridge_coefficients(design * 1e4, time, event, 1e8)
    np.testing.assert_allclose(huge * 1e4, beta, atol=1e-8)
    weak = ridge_coefficients(design * 1e4, time, event, 1e-3)
    np.testing.assert_allclose(
        weak * 1e4, ridge_coefficients(design, time, event, 1e-11), rtol=1e-6
    )


def test_what_cannot_be_fitted_says_why() -> None:
    design, time, event = WIDE
    with pytest.raises(ValueError, match="for 40 patients"):
        ridge_coefficients(design[:-1], time, event, 1.0)
    with pytest.raises(ValueError, match="times for"):
        ridge_coefficients(design, time[:-1], event, 1.0)
    with pytest.raises(ValueError, match="time is not finite"):
        ridge_coefficients(design, np.where(ROW == 3, np.nan, time), event, 1.0)
    with pytest.raises(ValueError, match="values that are not finite"):
        ridge_coefficients(np.where(design > 0.999, np.inf, design), time, event, 1.0)
    twice = np.repeat(design[:, :1], 2, axis=1) * [1, 3]
    with pytest.raises(NoMaximumError):
        ridge_coefficients(twice, time, event, 1e-300)


def test_without_an_event_a_penalty_leaves_nothing() -> None:
    design, time, event = WIDE
    np.testing.assert_array_equal(ridge_coefficients(design, time, event & False, 1.0), 0)


def test_an_event_with_nobody_else_at_risk_tells_nothing() -> None:
    design, time = np.arange(8.0).reshape(4, 2), np.arange(4.0)
    beta = ridge_coefficients(design, time, time == 3, 1.0)
    np.testing.assert_array_equal(beta, 0)
    assert breslow(design @ [1.0, 1.0], time, time == 3) == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_strata_are_those_of_lifelines_and_of_hazards_of_their_own(seed: int) -> None:
    design, time, event = cohort(seed, 90)
    stratum = np.random.default_rng(seed).integers(-1, 3, 90)
    risk = RiskSets(time, event, stratum=stratum)
    fitted = maximise(design, risk)
    frame = pd.DataFrame(
        {"a": design[:, 0], "b": design[:, 1], "t": time, "e": event, "s": stratum}
    )
    theirs = CoxPHFitter().fit(frame, "t", "e", strata=["s"], fit_options={"precision": 1e-12})
    np.testing.assert_allclose(fitted.coefficients, theirs.params_, atol=1e-5)
    np.testing.assert_allclose(fitted.covariance, theirs.variance_matrix_, atol=1e-5)
    hazard = np.exp(fitted.at.predictor)
    residuals = risk.martingale_residuals(hazard)
    # lifelines stops at 1e-7; the maximum is where the score is 0.
    np.testing.assert_allclose(design.T @ residuals, 0, atol=1e-7)
    for one in np.unique(stratum):
        here = stratum == one
        alone = RiskSets(time[here], event[here]).martingale_residuals(hazard[here])
        np.testing.assert_allclose(residuals[here], alone, atol=1e-12)
