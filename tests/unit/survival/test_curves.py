"""Survival against R: every number below was printed by R 4.2.2 with survival 3.5.3.

The calls stand beside the values; R is not needed to run the tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.patients import AML, MAINTAINED, NONMAINTAINED, TIED, read_larynx, read_lung
from histohet.survival.curves import kaplan_meier, log_rank

# No warning reaches the user.
pytestmark = pytest.mark.filterwarnings("error")


def test_kaplan_meier_of_aml_nonmaintained() -> None:
    """R: summary(survfit(Surv(time, status) ~ x, aml, conf.type = "log-log"), censored = TRUE)."""
    curve = kaplan_meier(NONMAINTAINED["time"], NONMAINTAINED["event"], "Nonmaintained")
    nan = np.nan
    expected = [
        # time, n.risk, n.event, n.censor, surv, std.err, lower, upper
        (5, 12, 2, 0, 0.83333333333, 0.10758287073, 0.481714942195, 0.9555093657),
        (8, 10, 2, 0, 0.66666666667, 0.13608276349, 0.337018932541, 0.8597117991),
        (12, 8, 1, 0, 0.58333333333, 0.14231876064, 0.270138924085, 0.8009401923),
        (16, 7, 0, 1, 0.58333333333, 0.14231876064, 0.270138924085, 0.8009401923),
        (23, 6, 1, 0, 0.48611111111, 0.14813006255, 0.191876619619, 0.7296715698),
        (27, 5, 1, 0, 0.38888888889, 0.14698618395, 0.126272012195, 0.6498174083),
        (30, 4, 1, 0, 0.29166666667, 0.13871516913, 0.072401608908, 0.5608860527),
        (33, 3, 1, 0, 0.19444444444, 0.12187450538, 0.031198642931, 0.4614294762),
        (43, 2, 1, 0, 0.09722222222, 0.09186636497, 0.005746305696, 0.3489038611),
        (45, 1, 1, 0, 0.0, nan, nan, nan),
    ]
    columns = ["time", "at_risk", "died", "censored", "survival", "standard_error"]
    table = curve.table()[[*columns, "lower", "upper"]].to_numpy(dtype=float)
    np.testing.assert_allclose(table[0], [0, 12, 0, 0, 1, 0, 1, 1])
    np.testing.assert_allclose(table[1:], expected, rtol=1e-9)
    assert (curve.n, curve.events) == (12, 11)
    assert (curve.median, curve.median_lower, curve.median_upper) == (23, 5, 33)


def test_kaplan_meier_of_aml_maintained() -> None:
    """R: the same call; print(survfit(...)) for the median."""
    curve = kaplan_meier(MAINTAINED["time"], MAINTAINED["event"])
    table = curve.table().set_index("time").loc[[13, 34, 48, 161]]
    np.testing.assert_allclose(
        table[["survival", "standard_error", "lower", "upper"]],
        [
            (0.81818181818, 0.11629129983, 0.447428614682, 0.9511622286),
            (0.36818181818, 0.16266888583, 0.092829574937, 0.6570408324),
            (0.18409090909, 0.15349274579, 0.011738480123, 0.5250148427),
            (0.18409090909, 0.15349274579, 0.011738480123, 0.5250148427),
        ],
        rtol=1e-9,
    )
    assert (curve.median, curve.median_lower, curve.median_upper) == (31, 13, None)


def test_time_zero_takes_part() -> None:
    """R: survfit(Surv(c(0,0,2,3,3,5,8,9), c(1,0,1,1,0,1,0,1)) ~ 1, conf.type = "log-log")."""
    curve = kaplan_meier([0, 0, 2, 3, 3, 5, 8, 9], [1, 0, 1, 1, 0, 1, 0, 1])
    table = curve.table()[["time", "at_risk", "survival", "standard_error", "lower"]][:4]
    np.testing.assert_allclose(
        table,
        [
            (0, 8, 0.8750000000, 0.1169267933, 0.38700001403),
            (2, 6, 0.7291666667, 0.1649762364, 0.27639022034),
            (3, 5, 0.5833333333, 0.1855609613, 0.18018889101),
            (5, 3, 0.3888888889, 0.2012691215, 0.06300281147),
        ],
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    ("time", "event", "median"),
    [
        # R: survfit(Surv(time, event) ~ 1)
        ([1, 2, 3, 4], [1, 1, 1, 1], 2.5),
        ([1, 2, 3, 4], [1, 1, 0, 0], 2),
        ([1, 2, 3, 4], [1, 1, 0, 1], 3),
        ([1, 2, 2.5, 3, 4], [1, 1, 0, 0, 1], 4),
        ([1, 2, 2, 4, 6], [1, 1, 0, 1, 1], 4),
        ([1, 2, 3, 4], [1, 0, 0, 0], None),
    ],
)
def test_median_as_r_defines_it(time: list[float], event: list[int], median: float | None) -> None:
    assert kaplan_meier(time, event).median == median


def test_nobody_has_a_curve_too() -> None:
    curve = kaplan_meier([], [], "high")
    assert (curve.n, curve.events, curve.median) == (0, 0, None)
    assert curve.table().empty
    assert curve.numbers_at_risk([0, 12]) == [0, 0]


TIMES = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=30, deadline=None)
@given(patients=TIMES)
def test_curve_is_the_product_limit(patients: list[tuple[int, bool]]) -> None:
    curve = kaplan_meier([t for t, _ in patients], [e for _, e in patients])
    for time, survival in zip(curve.time, curve.survival, strict=True):
        product = 1.0
        for moment in {t for t, e in patients if e and t <= time}:
            deaths = sum(t == moment and e for t, e in patients)
            product *= 1 - deaths / sum(t >= moment for t, _ in patients)
        assert survival == pytest.approx(product, abs=1e-12)
    assert curve.events == sum(curve.died)
    assert curve.n == sum(curve.died) + sum(curve.censored)
    at = [0, 0.5, 3, 9, 10]
    assert curve.numbers_at_risk(at) == [sum(t >= time for t, _ in patients) for time in at]


def test_log_rank_of_aml() -> None:
    """R: survdiff(Surv(time, status) ~ x, aml)."""
    test = log_rank(AML["time"], AML["event"], AML["x"])
    assert (test.status, test.dof) == ("ok", 1)
    assert test.chi2 == pytest.approx(3.39638869898, rel=1e-10)
    assert test.p == pytest.approx(0.06533932204, rel=1e-9)


def test_log_rank_of_three_groups_with_ties() -> None:
    """R: survdiff(Surv(t, e) ~ s)."""
    test = log_rank(TIED["time_months"], TIED["event"], TIED["stage"])
    assert test.dof == 2
    assert test.chi2 == pytest.approx(1.041181589, rel=1e-8)
    assert test.p == pytest.approx(0.594169412, rel=1e-8)


def test_log_rank_does_not_count_groups_gone_before_the_first_event() -> None:
    """R: survdiff(Surv(1:5, c(0, 0, 1, 1, 1)) ~ c("a", "b", "c", "c", "d"))."""
    test = log_rank([1, 2, 3, 4, 5], [0, 0, 1, 1, 1], ["a", "b", "c", "c", "d"])
    assert (test.dof, test.chi2) == (1, pytest.approx(1.470588235, rel=1e-8))
    assert test.p == pytest.approx(0.2252529064, rel=1e-8)


@pytest.mark.parametrize(
    ("time", "event", "group", "reason"),
    [
        ([], [], [], "two groups are needed, there is no patient"),
        ([1, 2], [1, 1], ["low", "low"], "two groups are needed, all patients are in 'low'"),
        ([1, 2], [0, 0], ["low", "high"], "no event among 2 patients"),
        ([1, 1, 3], [0, 0, 1], ["low", "low", "high"], "only 'high' is at risk when events happen"),
    ],
)
def test_no_log_rank_test(time: list[float], event: list[int], group: Any, reason: str) -> None:
    test = log_rank(time, event, group)
    assert (test.status, test.reason, test.p) == ("not_estimable", reason, None)


@pytest.mark.real
def test_lung(real_data: Path) -> None:
    """R: survfit and survdiff(Surv(time, status) ~ sex)."""
    lung = read_lung(real_data)
    male, female = (lung[lung["sex"] == sex] for sex in ("male", "female"))
    expected = {
        # R: summary(survfit(Surv(time, status) ~ sex, conf.type = "log-log"), times = ...)
        (100, "male"): (114, 0.826086957, 0.0322655756, 0.751851723, 0.879870543),
        (300, "male"): (49, 0.441088893, 0.0439385870, 0.353807896, 0.524763051),
        (500, "male"): (20, 0.223211689, 0.0401672963, 0.149978862, 0.305641451),
        (100, "female"): (82, 0.922088353, 0.0282794137, 0.843505206, 0.962077738),
        (300, "female"): (43, 0.674202586, 0.0522880819, 0.560068940, 0.764835606),
        (500, "female"): (21, 0.411046135, 0.0625843689, 0.288327875, 0.529642664),
    }
    curves = {
        "male": kaplan_meier(male["time_months"], male["event"]),
        "female": kaplan_meier(female["time_months"], female["event"]),
    }
    for (time, sex), (at_risk, *values) in expected.items():
        table = curves[sex].table()
        row = table[table["time"] <= time].iloc[-1]
        found = row[["survival", "standard_error", "lower", "upper"]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, values, rtol=1e-8)
        assert curves[sex].numbers_at_risk([time]) == [at_risk]
    assert [(c.median, c.median_lower, c.median_upper) for c in curves.values()] == [
        (270, 210, 306),
        (426, 345, 524),
    ]
    test = log_rank(lung["time_months"], lung["event"], lung["sex"])
    assert test.chi2 == pytest.approx(10.32674195489, rel=1e-10)
    assert test.p == pytest.approx(0.00131116452, rel=1e-8)


@pytest.mark.real
def test_larynx(real_data: Path) -> None:
    """R: survdiff(Surv(time, death) ~ stage)."""
    larynx = read_larynx(real_data)
    test = log_rank(larynx["time_months"], larynx["event"], larynx["stage"])
    assert (test.dof, test.chi2) == (3, pytest.approx(22.7627571, rel=1e-8))
    assert test.p == pytest.approx(4.52521122e-05, rel=1e-8)
