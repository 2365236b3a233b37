"""The partial likelihood: derivatives, sums over risk sets, and where there is no maximum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.survival.partial_likelihood import NoMaximumError, RiskSets, maximise, moments


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
    here = moments(design, risk, at)
    for i in range(2):
        away = step * np.eye(2)[i]
        up, down = moments(design, risk, at + away), moments(design, risk, at - away)
        slope = (up.log_likelihood - down.log_likelihood) / (2 * step)
        assert here.score[i] == pytest.approx(slope, abs=1e-6)
        curvature = (down.score - up.score) / (2 * step)
        np.testing.assert_allclose(here.information[i], curvature, atol=1e-5)


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
    assert fitted.at.log_likelihood == fitted.null_log_likelihood
    assert (fitted.at.predictor == 0).all()


def test_separation_has_no_maximum_and_names_the_column() -> None:
    design, _, _ = cohort(2, 12)
    time = np.arange(12.0)
    design[:, 1] = -time
    with pytest.raises(NoMaximumError, match="no maximum in column 1") as caught:
        maximise(design, RiskSets(time, np.ones(12, dtype=bool)))
    assert caught.value.column == 1


def test_without_events_the_likelihood_is_flat() -> None:
    design, time, _ = cohort(3, 12)
    risk = RiskSets(time, np.zeros(12, dtype=bool))
    assert (risk.martingale_residuals(np.ones(12)) == 0).all()
    with pytest.raises(NoMaximumError):
        maximise(design, risk)
