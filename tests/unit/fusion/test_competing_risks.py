"""Incidence under competing risks, against R, lifelines and closed forms (about 2 s).

What R says is from two pages of CAMIS (PSI AIMS; R 4.4.2, cmprsk 2.2-12, tidycmprsk 1.1.0, survival
3.7-0), "Estimating Cumulative Incidence Functions Using R" and "Estimating and Testing Cause
Specific Hazard Ratio Using R": psiaims.github.io/CAMIS/R/survival_cif.html and survival_csh.html.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import AalenJohansenFitter

from helpers.competing import BMT
from histohet.common.arrays import Floats, Ints
from histohet.fusion.competing_risks import (
    CAUSES,
    COMPETING,
    EVENT,
    Hazards,
    aalen_johansen,
    of_cause,
    outlived,
)
from histohet.survival.curves import kaplan_meier
from histohet.survival.partial_likelihood import RiskSets, maximise


def test_incidence_and_its_interval_are_those_of_cuminc() -> None:
    # R: tidy(cuminc(Surv(TYears, Status) ~ Group, data = bmt), times = c(0.5, 1, 1.5, 2, 3))
    # Relapse of AML-Low Risk: estimate, std.error, conf.low, conf.high.
    of_r = {
        1: (0.0741, 0.0360, 0.0234, 0.1646),
        1.5: (0.1296, 0.0463, 0.0563, 0.2344),
        2: (0.1481, 0.0489, 0.0685, 0.2565),
        3: (0.1667, 0.0514, 0.0813, 0.2783),
    }
    group = BMT[BMT["group"] == "AML low risk"]
    found = aalen_johansen(group["years"].to_numpy(), group["state"].to_numpy())
    for years, (share, error, lower, upper) in of_r.items():
        by = found.by(years)
        last = int(np.searchsorted(found.time, years, side="right")) - 1
        seen = [by.share, found.standard_error[last], by.lower, by.upper]
        np.testing.assert_allclose(seen, [share, error, lower, upper], atol=5.1e-5)
    nobody_yet = found.by(0.5)
    assert nobody_yet.share == 0
    assert np.isnan(nobody_yet.lower)
    assert np.isnan(nobody_yet.upper)


@pytest.mark.parametrize(
    ("cause", "coefficients", "errors"),
    [
        (EVENT, [-0.9453, 0.6162], [0.4508, 0.3636]),
        (COMPETING, [-0.3987, 0.1273], [0.3946, 0.4031]),
    ],
)
def test_cause_specific_hazards_are_those_of_coxph(
    cause: int, coefficients: list[float], errors: list[float]
) -> None:
    # R: coxph(Surv(TYears, Status) ~ Group + strata(waitCat), data = bmt, id = ID,
    #          ties = 'breslow', robust = FALSE), waitCat = WaitTime > 200
    state = BMT["state"].to_numpy()
    risk = RiskSets(
        BMT["years"], of_cause(state, cause), ties="breslow", stratum=BMT["waited"] > 200
    )
    levels = ("AML low risk", "AML high risk")
    design = np.column_stack([BMT["group"] == level for level in levels]).astype(float)
    fitted = maximise(design, risk)
    np.testing.assert_allclose(fitted.coefficients, coefficients, atol=5.1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance)), errors, atol=5.1e-5)


def test_both_incidences_and_the_survival_add_up() -> None:
    time, state = BMT["years"].to_numpy(), BMT["state"].to_numpy()
    both = [aalen_johansen(time, state, cause) for cause in CAUSES]
    curve = kaplan_meier(time, state > 0)
    alive = np.array(curve.survival)[np.searchsorted(curve.time, both[0].time, side="right") - 1]
    np.testing.assert_allclose(both[0].share + both[1].share + alive, 1, atol=1e-12)


def test_incidence_is_that_of_lifelines() -> None:
    rng = np.random.default_rng(4)
    time, state = rng.exponential(10, 80), rng.choice(3, 80)  # without ties, which it jitters
    oracle = AalenJohansenFitter(calculate_variance=True).fit(time, state, event_of_interest=1)
    found = aalen_johansen(time, state)
    expected = oracle.cumulative_density_.iloc[:, 0]
    np.testing.assert_allclose(found.share, expected.loc[found.time], atol=1e-12)
    # Another estimate of the same variance: close where many are at risk.
    others = np.sqrt(oracle.variance_.loc[found.time[20]])
    assert found.standard_error[20] == pytest.approx(float(others), rel=0.03)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0, 1, 2])), min_size=1, max_size=12),
    st.sampled_from(CAUSES),
)
def test_incidence_with_ties_is_that_of_a_loop_over_days(
    patients: list[tuple[int, int]], cause: int
) -> None:
    time, state = (np.array(one) for one in zip(*patients, strict=True))
    found = aalen_johansen(time.astype(float), state, cause)
    # Day by day: who is left, and what happens to them; who is censored leaves afterwards.
    survival, share, of_days = Fraction(1), Fraction(0), {0: Fraction(0)}
    for day in range(1, 7):
        left = int(np.sum(time >= day))
        happened = [int(np.sum((time == day) & (state == one))) for one in (EVENT, COMPETING)]
        if left:
            share += survival * Fraction(happened[cause - 1], left)
            survival *= 1 - Fraction(sum(happened), left)
        of_days[day] = share
    np.testing.assert_allclose(found.share, [float(of_days[int(day)]) for day in found.time])
    assert found.at_risk_after == (survival > 0)


def test_without_competing_events_it_is_kaplan_meier_and_without_censoring_a_share() -> None:
    time, state = BMT["years"].to_numpy(), (BMT["state"] > 0).to_numpy().astype(int)
    curve = kaplan_meier(time, state == 1)
    by = aalen_johansen(time, state).by(1.0)
    survival = curve.survival[int(np.searchsorted(curve.time, 1.0, side="right")) - 1]
    assert by.share == pytest.approx(1 - survival, abs=1e-12)
    everybody = np.array([1, 2, 1, 2, 1])
    found = aalen_johansen(np.arange(1.0, 6.0), everybody)
    np.testing.assert_allclose(found.share, np.cumsum(everybody == 1) / 5)
    assert found.by(100).share == pytest.approx(0.6)  # everybody has had an event: nothing follows


def test_what_cannot_be_estimated_has_a_reason() -> None:
    nobody = aalen_johansen(np.empty(0), np.empty(0, int))
    assert nobody.by(1).reason == "there is no patient"
    followed = aalen_johansen(np.array([3.0, 9.0]), np.array([1, 0]))
    assert followed.by(12).reason == "nobody is followed for 12: the last leaves at 9"
    assert followed.by(2).share == 0
    assert np.isnan(aalen_johansen(np.array([3.0]), np.array([0])).by(4).share)


def hazards(time: Floats, state: Ints) -> Hazards:
    moments = np.unique(time[state > 0])
    increments = [
        np.diff(
            RiskSets(time, of_cause(state, cause), ties="breslow").baseline_hazard(
                np.zeros(len(time)), moments
            ),
            prepend=0.0,
        )
        for cause in CAUSES
    ]
    return Hazards(moments, np.array(increments))


def test_combined_hazards_are_the_closed_form_of_two_exponentials() -> None:
    # F1(t) = h1 / (h1 + h2) · (1 − exp(−(h1 + h2) t))
    rates, step = np.array([0.03, 0.05]), 0.01
    grid = np.arange(1, 6001) * step
    baseline = Hazards(grid, np.outer(rates, np.full(len(grid), step)))
    predictors = np.array([[0.0, 0.7, -1.0], [0.0, -0.3, 0.4]])
    at = np.array([0.0, 12.0, 24.0, 60.0])
    own, other = rates[:, None] * np.exp(predictors)
    total = (own + other)[:, None]
    expected = (own / (own + other))[:, None] * -np.expm1(-total * at)
    np.testing.assert_allclose(baseline.incidence(predictors, at), expected, atol=1e-9)


def test_without_a_competing_hazard_it_is_one_minus_exp_of_the_baseline() -> None:
    time, event = BMT["years"].to_numpy(), BMT["state"].to_numpy() > 0
    eta = np.linspace(-1, 2, len(time))
    at = np.array([0.5, 1.0, 3.0])
    expected = -np.expm1(
        -np.outer(np.exp(eta), RiskSets(time, event, "breslow").baseline_hazard(eta * 0, at))
    )
    found = hazards(time, event.astype(int)).incidence(np.vstack([eta, eta]), at)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_combined_hazards_of_everybody_are_near_aalen_johansen() -> None:
    time, state = BMT["years"].to_numpy(), BMT["state"].to_numpy()
    baseline = hazards(time, state)
    at = np.array([0.5, 1.0, 3.0])
    found = baseline.incidence(np.zeros((2, 1)), at)[0]
    observed = [aalen_johansen(time, state).by(years).share for years in at]
    np.testing.assert_allclose(found, observed, atol=0.005)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_incidences_lie_between_0_and_1_and_grow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6), rng.integers(1, 9)
    baseline = Hazards(np.arange(1.0, m + 1), rng.exponential(size=(2, m)) * rng.choice([0, 1], m))
    predictors = rng.normal(0, 30, (2, n))
    own = baseline.incidence(predictors, baseline.time)
    swapped = Hazards(baseline.time, baseline.increments[::-1])
    other = swapped.incidence(predictors[::-1], baseline.time)
    assert (np.diff(own, axis=1) >= 0).all()
    assert ((own >= 0) & (own + other <= 1 + 1e-12)).all()


def test_who_had_the_competing_event_outlives_everybody() -> None:
    found = outlived(np.array([1.0, 2.0, 9.0]), np.array([2, 1, 0]))
    assert found.tolist() == [10.0, 2.0, 9.0]
