"""Ridge Cox against R 4.2.2 with survival 3.5.3 and glmnet 4.1.6, brute force and properties.

The calls stand beside the values; R is not needed to run the tests. They take about 3 s.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from histohet.survival.penalised_cox import (
    cumulative_baseline_hazard,
    fit_ridge_cox,
    held_out_likelihood,
    log_partial_likelihood,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Data = tuple[Floats, Floats, Bools]

COVARIATES = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]

# R: i <- 1:40; j <- 1:100; X <- outer(i, j, function(i, j) sin(i * j))
#    time <- (i * 7) %% 41 + 1; event <- as.integer(i %% 3 != 0)
ROW = np.arange(1, 41)
WIDE = (np.sin(np.outer(ROW, np.arange(1, 101))), (ROW * 7 % 41 + 1).astype(float), ROW % 3 != 0)


@pytest.fixture(scope="module")
def rossi(real_data: Path) -> Data:
    table = pd.read_csv(real_data / "survival/rossi.csv")
    return (
        table[COVARIATES].to_numpy(float),
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
    np.testing.assert_allclose(fit_ridge_cox(*rossi, 4.32), expected, atol=1e-10)


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
    np.testing.assert_allclose(fit_ridge_cox(*rossi, penalty), expected, atol=1e-10)


@pytest.mark.real
def test_glmnets_standardised_columns_are_a_penalty_per_column(rossi: Data, lung: Data) -> None:
    # R: glmnet(x, y, family = "cox", alpha = 0, lambda = 0.05, thresh = 1e-22, maxit = 1e8)
    expected = [
        *(-0.31778172776, -0.04341975652, 0.24650264294, -0.19252639463),
        *(-0.36066321573, -0.06747927254, 0.07942497885),
    ]
    penalty = 0.05 * len(rossi[1]) * rossi[0].var(axis=0)
    np.testing.assert_allclose(fit_ridge_cox(*rossi, penalty), expected, atol=1e-10)
    # R: glmnet(x, Surv(time + 0.5 * (status == 0), status), family = "cox", alpha = 0,
    #           lambda = 0.3, penalty.factor = c(0, 1), thresh = 1e-22, maxit = 1e8)
    # makes the factors c(0, 2). Half a day more, because glmnet takes those who are censored at an
    # event time out of the risk set if they stand before the event, which survival never does.
    penalty = 0.3 * len(lung[1]) * lung[0].var(axis=0) * [1e-12, 2]
    expected = [0.01577671946400, -0.00800535805678]
    np.testing.assert_allclose(fit_ridge_cox(*lung, penalty), expected, atol=1e-10)


@pytest.mark.real
def test_without_penalty_it_is_coxph_with_breslows_ties_and_baseline(rossi: Data) -> None:
    # R: f <- coxph(Surv(week, arrest) ~ ., data = rossi, ties = "breslow"); f$loglik
    beta = fit_ridge_cox(*rossi, 1e-9)
    eta = rossi[0] @ beta
    np.testing.assert_allclose(beta[[0, 1, 6]], [-0.3790218874, -0.0572459250, 0.0911115421])
    assert log_partial_likelihood(eta, *rossi[1:]) == pytest.approx(-659.120605677, abs=1e-8)
    assert log_partial_likelihood(0 * eta, *rossi[1:]) == pytest.approx(-675.683389417, abs=1e-8)
    # R: b <- basehaz(f, centered = FALSE); b$hazard[match(c(10, 20, 52), b$time)]
    hazard = cumulative_baseline_hazard(eta, *rossi[1:], [0, 10, 20, 52, 99])
    expected = [0, 0.103576022548, 0.290325398473, 0.950727380605, 0.950727380605]
    np.testing.assert_allclose(hazard, expected, rtol=1e-7)


def test_more_columns_than_patients_are_glmnets_and_those_of_their_components() -> None:
    # R: glmnet(X, Surv(time, event), family = "cox", alpha = 0, lambda = 0.1,
    #           standardize = FALSE, thresh = 1e-22, maxit = 1e8)
    design, time, event = WIDE
    beta = fit_ridge_cox(*WIDE, 4.0)
    expected = [0.35864845676, 0.05299619131, 0.00183633648, -0.03284727079, -0.05817198487]
    np.testing.assert_allclose(beta[[0, 1, 2, 49, 99]], expected, atol=1e-9)
    u, s, axes = np.linalg.svd(design, full_matrices=False)
    rotated = fit_ridge_cox(u * s, time, event, 4.0)
    np.testing.assert_allclose(axes.T @ rotated, beta, atol=1e-9)


@pytest.mark.real
def test_held_out_likelihood_is_the_deviance_of_cv_glmnet(rossi: Data) -> None:
    # R: cv <- cv.glmnet(x, y, family = "cox", alpha = 0, foldid = rep(1:6, length.out = 432),
    #                    lambda = c(1, 0.1, 0.01, 0.001), standardize = FALSE, grouped = TRUE,
    #                    thresh = 1e-22, maxit = 1e8); -cv$cvm * sum(arrest) / 2
    expected = [-585.291019561, -584.350049498, -584.868555002, -585.942823645]
    _, time, event = rossi
    fold = np.arange(len(time)) % 6
    total = np.zeros(4)
    for k in range(6):
        training = fold != k
        penalties = np.outer([1, 0.1, 0.01, 0.001], np.full(7, training.sum()))
        total += held_out_likelihood(*rossi, training, penalties)
        # glmnet's deviance starts from the saturated model, −Σ d log d over tied deaths.
        total -= saturated(time[event]) - saturated(time[event & training])
    np.testing.assert_allclose(total, expected, atol=1e-6)


def saturated(times_of_death: Floats) -> float:
    deaths = np.unique(times_of_death, return_counts=True)[1]
    return float(-(deaths * np.log(deaths)).sum())


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

    beta = fit_ridge_cox(*data, penalty)
    eta = design @ beta
    likelihood = log_partial_likelihood(eta, time, event)
    assert likelihood == pytest.approx(naive_likelihood(eta, time, event), abs=1e-9)
    found = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-7})
    assert loss(beta) <= found.fun + 1e-9
    np.testing.assert_allclose(beta, found.x, atol=1e-4)


@given(cohorts(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_order_of_rows_and_monotone_time_do_not_matter(data: Data, seed: int) -> None:
    design, time, event = data
    beta = fit_ridge_cox(*data, 1.0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(time))
    shuffled = fit_ridge_cox(design[order], time[order] ** 2, event[order], 1.0)
    np.testing.assert_allclose(shuffled, beta, atol=1e-8)


def test_a_strong_penalty_gives_zero_and_a_weak_one_holds_separation() -> None:
    design = np.array([[3.0], [2.0], [1.0], [0.0]])
    data = design, np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, bool)
    assert abs(fit_ridge_cox(*data, 1e9)[0]) < 1e-8
    assert 1 < fit_ridge_cox(*data, 0.01)[0] < 10


def test_huge_columns_neither_overflow_nor_stall() -> None:
    rng = np.random.default_rng(0)
    design, time, event = rng.normal(size=(60, 3)), rng.exponential(size=60), np.ones(60, bool)
    beta = fit_ridge_cox(design, time, event, 1.0)
    huge = fit_ridge_cox(design * 1e4, time, event, 1e8)
    np.testing.assert_allclose(huge * 1e4, beta, atol=1e-8)
    weak = fit_ridge_cox(design * 1e4, time, event, 1e-3)
    np.testing.assert_allclose(weak * 1e4, fit_ridge_cox(design, time, event, 1e-11), rtol=1e-6)


def test_what_cannot_be_fitted_says_why() -> None:
    design, time, event = WIDE
    with pytest.raises(ValueError, match="no event among 40 patients"):
        fit_ridge_cox(design, time, np.zeros(40, bool), 1.0)
    with pytest.raises(ValueError, match="must be above 0"):
        fit_ridge_cox(design, time, event, np.array([0.0] + [1.0] * 99))
    with pytest.raises(ValueError, match="for 40 patients"):
        fit_ridge_cox(design[:-1], time, event, 1.0)
    with pytest.raises(ValueError, match="times for"):
        fit_ridge_cox(design, time[:-1], event, 1.0)
    with pytest.raises(ValueError, match="time is not finite"):
        fit_ridge_cox(design, np.where(ROW == 3, np.nan, time), event, 1.0)
    with pytest.raises(ValueError, match="values that are not finite"):
        fit_ridge_cox(np.where(design > 0.999, np.inf, design), time, event, 1.0)
    twice = np.repeat(design[:, :1], 2, axis=1) * [1, 3]
    with pytest.raises(ValueError, match=r"need a larger penalty|did not converge"):
        fit_ridge_cox(twice, time, event, 1e-300)


def test_an_event_with_nobody_else_at_risk_tells_nothing() -> None:
    design, time = np.arange(8.0).reshape(4, 2), np.arange(4.0)
    beta = fit_ridge_cox(design, time, time == 3, 1.0)
    np.testing.assert_array_equal(beta, 0)
    assert log_partial_likelihood(design @ [1.0, 1.0], time, time == 3) == 0
