"""Calibration against R 4.2.2 with survival 3.5.3, closed forms and simulation (about 2 s)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histohet.prognosis.evaluation import calibration_slope, observed_risk, risk_groups


@pytest.fixture(scope="module")
def lung(real_data: Path) -> pd.DataFrame:
    table = pd.read_csv(real_data / "survival/lung.csv")
    return table.dropna(subset=["time", "status", "age", "ph.karno"]).astype({"status": bool})


@pytest.mark.real
def test_observed_risk_is_that_of_survfit(lung: pd.DataFrame) -> None:
    # R: s <- summary(survfit(Surv(time, status) ~ 1, data = lung, conf.type = "log-log"),
    #                 times = c(180, 365, 700)); 1 - s$surv; 1 - s$upper; 1 - s$lower
    shares = [0.275131876428, 0.588945169090, 0.856977607404]
    lower = [0.221623441759, 0.519621220529, 0.791744417356]
    upper = [0.338490959533, 0.659726244870, 0.910230743053]
    time, event = lung["time"].to_numpy(float), lung["status"].to_numpy()
    for days, *expected in zip((180, 365, 700), shares, lower, upper, strict=True):
        seen = observed_risk(time, event, days)
        np.testing.assert_allclose([seen.share, seen.lower, seen.upper], expected, atol=1e-9)


@pytest.mark.real
def test_slope_is_that_of_a_stratified_coxph(lung: pd.DataFrame) -> None:
    # R: lung$f <- (seq_len(nrow(lung)) - 1) %% 5
    #    f <- coxph(Surv(time, status) ~ age + strata(f), data = lung); sqrt(vcov(f))
    time, event = lung["time"].to_numpy(float), lung["status"].to_numpy()
    age, fold = lung["age"].to_numpy(float)[None], (np.arange(len(lung)) % 5)[None]
    found = calibration_slope(age, time, event, fold)
    assert found.slope == pytest.approx(0.025388972747, abs=1e-7)
    reach = 1.959964 * 0.00968512742615
    assert found.lower == pytest.approx(0.025388972747 - reach, abs=1e-7)
    assert found.upper == pytest.approx(0.025388972747 + reach, abs=1e-7)
    # Twice the same repetition tells no more than once, another zero per fold changes nothing.
    twice = np.vstack([age, age + 7.0 * fold])
    again = calibration_slope(twice, time, event, np.vstack([fold, fold]))
    np.testing.assert_allclose(
        [again.slope, again.lower, again.upper], [found.slope, found.lower, found.upper], atol=1e-6
    )
    # Differences predicted twice as large as they are.
    assert calibration_slope(2 * age, time, event, fold).slope == pytest.approx(found.slope / 2)


def test_slope_of_the_truth_is_one() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=2000)
    time = rng.exponential(np.exp(-truth))
    found = calibration_slope(truth[None], time, time < 2, np.zeros((1, 2000), int))
    assert found.lower < 1 < found.upper
    assert found.upper - found.lower < 0.2


def test_a_model_that_tells_nobody_apart_has_no_slope() -> None:
    time, event = np.arange(1.0, 21.0), np.ones(20, bool)
    fold = (np.arange(20) % 2)[None]
    # All that varies is the zero of the folds.
    found = calibration_slope(5.0 * fold, time, event, fold)
    assert np.isnan(found.slope)
    assert "nearly the same for all" in found.reason


def test_a_slope_without_maximum_says_so() -> None:
    time, event = np.arange(1.0, 11.0), np.ones(10, bool)
    found = calibration_slope(-time[None], time, event, np.zeros((1, 10), int))
    assert np.isnan(found.slope)
    assert "converge" in found.reason


def test_observed_risk_at_the_edges() -> None:
    time, event = np.array([2.0, 4.0, 6.0, 8.0]), np.array([True, False, True, False])
    assert observed_risk(time, event, 1.0).share == 0
    assert np.isnan(observed_risk(time, event, 1.0).upper)
    assert observed_risk(time, event, 2.0).share == pytest.approx(0.25)
    assert observed_risk(time, event, 8.0).share == pytest.approx(1 - 0.75 / 2)
    beyond = observed_risk(time, event, 9.0)
    assert np.isnan(beyond.share)
    assert beyond.reason == "nobody is followed for 9: the last leaves at 8"
    # Everybody has had the event: what is beyond is known.
    assert observed_risk(time, np.ones(4, bool), 9.0).share == 1
    nobody = observed_risk(time[:0], event[:0], 1.0)
    assert np.isnan(nobody.share)
    assert nobody.reason == "there is no patient"


def test_groups_are_quarters_and_keep_equal_risks_together() -> None:
    np.testing.assert_array_equal(risk_groups(np.arange(8.0), 4), [0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(
        risk_groups(np.array([0.1, 0.1, 0.1, 0.1, 0.7]), 4), [0] * 4 + [1]
    )
    np.testing.assert_array_equal(risk_groups(np.full(5, 0.3), 4), np.zeros(5))
