"""C-index and time-dependent AUC against R, lifelines, brute force and closed forms (about 2 s).

R 4.2.2 with survival 3.5.3 and riskRegression 2022.11.28; it is not needed to run the tests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from histohet.survival.ranking_ import (
    auc_comparisons,
    bootstrap_counts,
    concordance_comparisons,
    share_ranked_right,
    uncensored_before,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Data = tuple[Floats, Bools, Floats, npt.NDArray[np.int64]]


@pytest.fixture(scope="module")
def lung(real_data: Path) -> pd.DataFrame:
    table = pd.read_csv(real_data / "survival/lung.csv")
    return table.dropna(subset=["time", "status", "age", "ph.karno"]).astype({"status": bool})


@st.composite
def cohorts(draw: st.DrawFn) -> Data:
    n = draw(st.integers(2, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    time, risk = rng.integers(1, 12, n).astype(float), rng.integers(0, 6, n).astype(float)
    return time, rng.random(n) < 0.6, risk, rng.integers(0, draw(st.integers(1, 3)), n)


@pytest.mark.real
def test_c_index_is_rs(lung: pd.DataFrame) -> None:
    time, event = lung["time"].to_numpy(float), lung["status"].to_numpy()
    age, everybody = lung["age"].to_numpy(float), np.zeros(len(lung), int)
    # R: concordance(Surv(time, status) ~ age, data = lung, reverse = TRUE)
    found = share_ranked_right(concordance_comparisons(time, event, everybody), age)
    assert found[0] == pytest.approx(0.550662017384, abs=1e-11)
    # R: concordance(Surv(time, status) ~ age + strata((seq_len(nrow(lung)) - 1) %% 5), …)$count
    concordant, discordant, tied = (
        sum([405, 434, 378, 518, 414]),
        sum([283, 431, 320, 287, 279]),
        sum([25, 24, 24, 27, 19]),
    )
    comparisons = concordance_comparisons(time, event, np.arange(len(lung)) % 5)
    assert sum(one.weight.sum() for one in comparisons) == concordant + discordant + tied
    expected = (concordant + tied / 2) / (concordant + discordant + tied)
    assert share_ranked_right(comparisons, age)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.real
@pytest.mark.parametrize(
    ("column", "sign", "expected"),
    [
        # R: Score(list(m = lung$age), formula = Surv(time, status) ~ 1, data = lung,
        #          times = c(180, 365, 700), metrics = "auc", cens.model = "km",
        #          cens.method = "ipcw", null.model = FALSE, se.fit = FALSE)$AUC$score
        ("age", 1, [0.568158818553, 0.540041374387, 0.596941096152]),
        # R: the same with list(m = -lung$ph.karno)
        ("ph.karno", -1, [0.646888569816, 0.597499431871, 0.584690845453]),
    ],
)
def test_auc_is_that_of_risk_regression(
    lung: pd.DataFrame, column: str, sign: int, expected: list[float]
) -> None:
    time, event = lung["time"].to_numpy(float), lung["status"].to_numpy()
    risk, everybody = sign * lung[column].to_numpy(float), np.zeros(len(lung), int)
    found = [
        share_ranked_right(auc_comparisons(time, event, everybody, days), risk)[0]
        for days in (180, 365, 700)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_auc_of_five_patients_in_closed_form() -> None:
    """Events at 1 and 3, censored at 2, followed to 5 and 6: before 3 the share of uncensored is
    3/4, so the event at 3 weighs 4/3. At horizon 4 the first event is above one of two controls,
    the second above both: (1 · 1 + 4/3 · 2) / (2 · (1 + 4/3)) = 11/14."""
    time, event = np.array([1.0, 2, 3, 5, 6]), np.array([True, False, True, False, False])
    risk, fold = np.array([0.5, 9.0, 0.9, 0.2, 0.7]), np.zeros(5, int)
    found = share_ranked_right(auc_comparisons(time, event, fold, 4.0), risk)
    assert found[0] == pytest.approx(11 / 14, abs=1e-15)


def test_without_censoring_auc_is_the_ordinary_one() -> None:
    rng = np.random.default_rng(3)
    time, risk = rng.exponential(size=50), rng.normal(size=50)
    found = share_ranked_right(auc_comparisons(time, np.ones(50, bool), np.zeros(50), 0.7), risk)
    case = time <= 0.7
    expected = np.mean(risk[case, None] > risk[~case])
    assert found[0] == pytest.approx(expected, abs=1e-14)


@given(cohorts())
@settings(max_examples=60, deadline=None)
def test_c_index_is_lifelines(data: Data) -> None:
    time, event, risk, _ = data
    found = share_ranked_right(concordance_comparisons(time, event, np.zeros(len(time))), risk)[0]
    try:
        expected = concordance_index(time, -risk, event)
    except ZeroDivisionError:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(expected, abs=1e-12)


@given(cohorts(), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_auc_is_brute_force(data: Data, horizon: float) -> None:
    time, event, risk, stratum = data
    right, total = 0.0, 0.0
    for i in range(len(time)):
        uncensored = 1.0
        for t in np.unique(time[~event & (time < time[i])]):
            leaving = np.sum((time == t) & ~event)
            uncensored *= 1 - leaving / (np.sum(time > t) + leaving)
        for j in range(len(time)):
            if event[i] and time[i] <= horizon < time[j] and stratum[i] == stratum[j]:
                total += 1 / uncensored
                right += (risk[i] > risk[j] or 0.5 * (risk[i] == risk[j])) / uncensored
    found = share_ranked_right(auc_comparisons(time, event, stratum, horizon), risk)[0]
    assert found == pytest.approx(right / total if total else np.nan, abs=1e-12, nan_ok=True)


def test_probability_to_be_uncensored_is_kaplan_meiers_of_censoring() -> None:
    rng = np.random.default_rng(1)
    # No ties between events and censorings, which lifelines would put the other way round.
    time, event = rng.permutation(80) + 1.0, rng.random(80) < 0.5
    fitter = KaplanMeierFitter().fit(time, ~event)
    expected = fitter.survival_function_at_times(time - 0.5).to_numpy()
    np.testing.assert_allclose(uncensored_before(time, event, time), expected, atol=1e-12)


@given(cohorts(), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_resample_is_the_cohort_with_patients_repeated(data: Data, seed: int) -> None:
    time, event, risk, stratum = data
    counts = bootstrap_counts(len(time), 3, np.random.default_rng(seed))
    np.testing.assert_array_equal(counts.sum(axis=1), len(time))
    found = share_ranked_right(concordance_comparisons(time, event, stratum), risk, counts)
    for drawn, share in zip(counts.astype(int), found, strict=True):
        rows = np.repeat(np.arange(len(time)), drawn)
        repeated = concordance_comparisons(time[rows], event[rows], stratum[rows])
        expected = share_ranked_right(repeated, risk[rows])[0]
        assert share == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(cohorts())
@settings(max_examples=30, deadline=None)
def test_only_order_within_a_stratum_counts(data: Data) -> None:
    time, event, risk, stratum = data
    for comparisons in (
        concordance_comparisons(time, event, stratum),
        auc_comparisons(time, event, stratum, 5.0),
    ):
        found = share_ranked_right(comparisons, risk)
        moved = share_ranked_right(comparisons, np.exp(risk) + 1000.0 * stratum)
        reverse = share_ranked_right(comparisons, -risk)
        np.testing.assert_allclose(moved, found)
        np.testing.assert_allclose(found + reverse, np.where(np.isnan(found), np.nan, 1.0))


def test_nothing_to_compare_is_nan() -> None:
    time, never = np.array([1.0, 2.0]), np.zeros(2, bool)
    comparisons = concordance_comparisons(time, never, np.zeros(2))
    assert np.isnan(share_ranked_right(comparisons, time)).all()
