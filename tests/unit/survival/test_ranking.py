"""C-index and time-dependent AUC against R, lifelines, brute force and closed forms.

R 4.2.2 with survival 3.5.3 and riskRegression 2022.11.28; it is not needed to run the tests.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from histohet.clinical.settings import Covariate
from histohet.common.arrays import Bools, Floats, Ints
from histohet.survival.cox import fit_design
from histohet.survival.design import make_design
from histohet.survival.ranking import (
    Concordance,
    bootstrap_counts,
    c_index,
    concordance,
    count_pairs,
    dynamic_auc,
    uncensored_before,
)

Data = tuple[Floats, Bools, Floats, Ints]


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
    age = lung["age"].to_numpy(float)
    # R: concordance(Surv(time, status) ~ age, data = lung, reverse = TRUE)
    found = c_index(time, event, age)
    assert found[0] == pytest.approx(0.550662017384, abs=1e-11)
    # R: concordance(Surv(time, status) ~ age + strata((seq_len(nrow(lung)) - 1) %% 5), …)$count
    concordant, discordant, tied = (
        sum([405, 434, 378, 518, 414]),
        sum([283, 431, 320, 287, 279]),
        sum([25, 24, 24, 27, 19]),
    )
    counts = count_pairs(time, event, age, stratum=np.arange(len(lung)) % 5)
    assert counts[:, 0].tolist() == [concordant, discordant, tied]


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
    risk = sign * lung[column].to_numpy(float)
    found = [dynamic_auc(time, event, risk, days)[0] for days in (180, 365, 700)]
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_auc_of_five_patients_in_closed_form() -> None:
    """Events at 1 and 3, censored at 2, followed to 5 and 6: before 3 the share of uncensored is
    3/4, so the event at 3 weighs 4/3. At horizon 4 the first event is above one of two controls,
    the second above both: (1 · 1 + 4/3 · 2) / (2 · (1 + 4/3)) = 11/14."""
    time, event = np.array([1.0, 2, 3, 5, 6]), np.array([True, False, True, False, False])
    found = dynamic_auc(time, event, np.array([0.5, 9.0, 0.9, 0.2, 0.7]), 4.0)
    assert found[0] == pytest.approx(11 / 14, abs=1e-15)


def test_without_censoring_auc_is_the_ordinary_one() -> None:
    rng = np.random.default_rng(3)
    time, risk = rng.exponential(size=50), rng.normal(size=50)
    found = dynamic_auc(time, np.ones(50, bool), risk, 0.7)
    case = time <= 0.7
    expected = np.mean(risk[case, None] > risk[~case])
    assert found[0] == pytest.approx(expected, abs=1e-14)


@given(cohorts())
@settings(max_examples=60, deadline=None)
def test_c_index_is_lifelines(data: Data) -> None:
    time, event, risk, _ = data
    found = c_index(time, event, risk)[0]
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
    found = dynamic_auc(time, event, risk, horizon, stratum=stratum)[0]
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
    found = c_index(time, event, risk, counts=counts, stratum=stratum)
    for drawn, share in zip(counts.astype(int), found, strict=True):
        rows = np.repeat(np.arange(len(time)), drawn)
        repeated = c_index(time[rows], event[rows], risk[rows], stratum=stratum[rows])
        assert share == pytest.approx(repeated[0], abs=1e-12, nan_ok=True)


@given(cohorts())
@settings(max_examples=30, deadline=None)
def test_only_order_within_a_stratum_counts(data: Data) -> None:
    time, event, risk, stratum = data
    for measure in (c_index, partial(dynamic_auc, horizon=5.0)):
        found, moved, reverse = (
            measure(time, event, one, stratum=stratum)
            for one in (risk, np.exp(risk) + 1000.0 * stratum, -risk)
        )
        np.testing.assert_allclose(moved, found)
        np.testing.assert_allclose(found + reverse, np.where(np.isnan(found), np.nan, 1.0))


def test_nothing_to_compare_is_nan() -> None:
    time, never = np.array([1.0, 2.0]), np.zeros(2, bool)
    assert np.isnan(c_index(time, never, time)).all()
    assert np.isnan(dynamic_auc(time, never, time, 1.5)).all()


PATIENTS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 4)), min_size=2, max_size=25
)


@settings(max_examples=60, deadline=None)
@given(patients=PATIENTS)
def test_every_pair_is_counted_once(patients: list[tuple[int, bool, int]]) -> None:
    time, event, risk = zip(*patients, strict=True)
    counted = [0, 0, 0]
    for t1, e1, r1 in patients:
        for t2, e2, r2 in patients:
            if e1 and (t1 < t2 or (t1 == t2 and not e2)):
                counted[0 if r1 > r2 else 1 if r1 < r2 else 2] += 1
    assert pairs(time, event, risk) == counted
    found = concordance(time, event, risk, replicates=0, seed=0)
    if sum(counted):
        assert found.c == pytest.approx(concordance_index(time, [-r for r in risk], event))
    else:
        assert found == Concordance(None, None, None, 0)


@settings(max_examples=30, deadline=None)
@given(patients=PATIENTS, seed=st.integers(0, 99))
def test_order_of_rows_and_scale_of_risk_do_not_matter(
    patients: list[tuple[int, bool, int]], seed: int
) -> None:
    time, event, risk = (np.array(column) for column in zip(*patients, strict=True))
    other = np.random.default_rng(seed).permutation(len(time))
    concordant, discordant, tied = pairs(time, event, risk)
    shuffled = pairs(time[other] * 30.4, event[other], np.exp(risk[other]))
    assert shuffled == [concordant, discordant, tied]
    assert pairs(time, event, -risk) == [discordant, concordant, tied]


def pairs(time: Any, event: Any, risk: Any) -> list[int]:
    counts: list[int] = count_pairs(time, event, risk)[:, 0].tolist()
    return counts


def planted(log_hazard_ratio: float, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    risk = rng.normal(size=n)
    death = rng.exponential(1 / np.exp(log_hazard_ratio * risk))
    censored = rng.exponential(1.5, n)
    return np.minimum(death, censored), death < censored, risk


def test_a_higher_risk_with_a_higher_hazard_is_above_one_half() -> None:
    harmful = concordance(*planted(0.8), replicates=300, seed=1)
    assert harmful.c is not None
    assert harmful.lower is not None
    assert harmful.upper is not None
    assert 0.5 < harmful.lower < harmful.c < harmful.upper
    protective = concordance(*planted(-0.8), replicates=300, seed=1)
    assert (protective.upper or 1) < 0.5


def test_the_bootstrap_is_a_bootstrap() -> None:
    """Replicates made by hand, by drawing patients, have the same percentiles up to noise."""
    time, event, risk = planted(0.5, 80)
    found = concordance(time, event, risk, replicates=4000, seed=2)
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 80, 80)
        drawn.append(c_index(time[rows], event[rows], risk[rows])[0])
    lower, upper = np.percentile(drawn, [2.5, 97.5])
    assert found.lower == pytest.approx(lower, abs=0.01)
    assert found.upper == pytest.approx(upper, abs=0.01)


def test_the_same_seed_gives_the_same_interval() -> None:
    cohort = planted(0.5, 60)
    first = concordance(*cohort, replicates=130, seed=3)
    assert first == concordance(*cohort, replicates=130, seed=3)
    assert first != concordance(*cohort, replicates=130, seed=4)


def test_nobody_to_compare() -> None:
    assert concordance([], [], [], replicates=10, seed=0).c is None
    assert concordance([1, 2], [0, 0], [1, 2], replicates=10, seed=0).c is None


@pytest.mark.real
def test_lung_with_ties_everywhere(real_data: Path) -> None:
    """R: concordance(Surv(time, status) ~ ph.karno, lung, reverse = TRUE)."""
    lung = pd.read_csv(real_data / "survival" / "lung.csv").dropna(subset=["ph.karno"])
    assert pairs(lung["time"], lung["status"], lung["ph.karno"]) == [5741, 9611, 4436]
    found = concordance(lung["time"], lung["status"], lung["ph.karno"], replicates=0, seed=0)
    assert found.c == pytest.approx(0.402213462705, rel=1e-11)


@pytest.mark.real
@pytest.mark.parametrize(
    ("table", "time", "event", "names", "expected"),
    [
        # R: concordance(coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio))
        (
            "rossi",
            "week",
            "arrest",
            "fin age race wexp mar paro prio",
            [27242, 15291, 49],
        ),
        # R: concordance(coxph(Surv(time, death) ~ age + Stage_II + Stage_III + Stage_IV, larynx))
        ("larynx", "time", "death", "age Stage_II Stage_III Stage_IV", [1928, 896, 13]),
    ],
)
def test_of_a_cox_model(
    real_data: Path, table: str, time: str, event: str, names: str, expected: list[int]
) -> None:
    frame = pd.read_csv(real_data / "survival" / f"{table}.csv").rename(
        columns={time: "time_months", event: "event"}
    )
    design = make_design(
        frame, [Covariate(column=name, kind="numeric", name=name) for name in names.split()]
    )
    coefficients = [term.coefficient for term in fit_design(design).terms]
    # Equal patients have equal hazards, whatever the last digit of their sums.
    hazard = (design.matrix @ coefficients).round(10)
    assert pairs(frame["time_months"], frame["event"], hazard) == expected
