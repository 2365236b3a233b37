"""Survival against R: every number below was printed by R 4.2.2 with survival 3.5.3.

The calls stand beside the values; R is not needed to run the tests.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.clinical import ClinicalSpec, read_clinical
from histohet.covariates import Covariate
from histohet.cox import CoxResult, fit_cox
from histohet.survival import (
    HIGH_VS_LOW,
    SCORE,
    analyse,
    kaplan_meier,
    log_rank,
)

# R: survival::aml (leukaemia, maintenance chemotherapy; Miller 1997).
MAINTAINED = pd.DataFrame(
    {
        "time": [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161],
        "event": [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0],
    }
)
NONMAINTAINED = pd.DataFrame(
    {
        "time": [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
        "event": [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
    }
)
AML = pd.concat([MAINTAINED.assign(x="Maintained"), NONMAINTAINED.assign(x="Nonmaintained")])

# Made up: heavy ties, a factor with three levels, a number.
TIED = pd.DataFrame(
    {
        "time_months": [1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 9, 9, 10, 10, 11, 12],
        "event": [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0],
        "stage": [{"1": "I", "2": "II", "3": "III"}[code] for code in "332313232312312213121121"],
        "age": [
            *(71, 64, 58, 80, 49, 66, 73, 55, 61, 77, 52, 68),
            *(70, 45, 63, 59, 74, 62, 50, 57, 66, 48, 60, 53),
        ],
    }
)
STAGE = Covariate("stage", "categorical", "stage", reference="I")
AGE = Covariate("age", "numeric", "age")


@pytest.fixture(autouse=True)
def _no_warning_reaches_the_user() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def coefficients(model: CoxResult) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Columns as in R: coef, se, p, HR, lower, upper."""
    assert model.status == "ok", model.reason
    table = model.table()[["coefficient", "se", "p", "hazard_ratio", "lower", "upper"]]
    return table.to_numpy(dtype=float)


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


def aml_frame() -> pd.DataFrame:
    return AML.rename(columns={"time": "time_months"})


def test_cox_of_aml() -> None:
    """R: coxph(Surv(time, status) ~ x, aml); its times are tied."""
    x = Covariate("x", "categorical", "x", reference="Maintained")
    model = fit_cox(aml_frame(), [x])
    expected = [0.915532575, 0.5119342752, 0.07371486064, 2.498105326, 0.9159072574, 6.813495766]
    np.testing.assert_allclose(coefficients(model), [expected], rtol=1e-8)
    assert model.log_likelihood == pytest.approx(-41.03261560, rel=1e-9)
    assert model.ties == "efron"
    (term,), (reference,) = model.terms, model.references
    assert term.label == "x: Nonmaintained vs Maintained"
    assert (term.n, term.events, reference.n, reference.events) == (12, 11, 11, 7)
    # The other way round, as R gives it after relevel.
    turned = fit_cox(aml_frame(), [Covariate("x", "categorical", "x", reference="Nonmaintained")])
    assert turned.terms[0].hazard_ratio == pytest.approx(0.4003033777, rel=1e-8)
    assert turned.terms[0].lower == pytest.approx(0.1467675382, rel=1e-8)


def test_cox_with_factor_number_and_ties() -> None:
    """R: coxph(Surv(t, e) ~ s + a)."""
    model = fit_cox(TIED, [STAGE, AGE])
    expected = [
        (0.29515714388, 0.6640333777, 0.656687325, 1.34333744, 0.365560180, 4.93641149),
        (0.68049899952, 0.8027772783, 0.396615683, 1.97486294, 0.409460208, 9.52493934),
        (0.00548810648, 0.0364439254, 0.880298809, 1.00550319, 0.936186402, 1.07995232),
    ]
    np.testing.assert_allclose(coefficients(model), expected, rtol=1e-7)
    assert model.log_likelihood == pytest.approx(-36.1626978, rel=1e-8)
    assert [(t.term, t.level, t.n, t.events) for t in model.terms] == [
        ("stage", "II", 8, 5),
        ("stage", "III", 8, 4),
        ("age", "", 24, 14),
    ]
    # R with ties = "breslow" gives 0.264511 for II: the method shows.
    assert abs(model.terms[0].coefficient - 0.26451088986) > 0.03


def test_patients_without_a_covariate_are_left_out_and_counted() -> None:
    gaps = TIED.assign(age=TIED["age"].astype(float))
    gaps.loc[[0, 5], "age"] = np.nan
    gaps.loc[[1, 5], "stage"] = np.nan
    stage = Covariate("stage", "categorical", "stage", reference="I", drop=("III",))
    model = fit_cox(gaps, [stage, AGE])
    complete = gaps.dropna()
    complete = complete[complete["stage"] != "III"]
    assert model.left_out == {"stage": 8, "age": 2}
    assert model.n == len(complete) == 16
    assert [term.level for term in model.terms] == ["II", ""]
    assert model.terms == fit_cox(complete, [STAGE, AGE]).terms


def test_levels_that_are_numbers_are_refused() -> None:
    grade = Covariate("grade", "categorical", "grade", reference="1")
    with pytest.raises(ValueError, match="levels of 'grade' must be text"):
        fit_cox(TIED.assign(grade=[1, 2] * 12), [grade])
    assert fit_cox(TIED.assign(grade=["1", "2"] * 12), [grade]).status == "ok"
    empty = TIED.assign(grade=np.nan)
    assert fit_cox(empty, [grade]).reason.startswith("0 events among 0 patients")


def test_row_order_and_time_unit_do_not_matter() -> None:
    model = fit_cox(TIED, [STAGE, AGE])
    other = TIED.sample(frac=1, random_state=3).assign(time_months=lambda t: t["time_months"] * 30)
    np.testing.assert_allclose(
        coefficients(fit_cox(other, [STAGE, AGE])), coefficients(model), rtol=1e-8
    )


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


LONG = {"time_months": [1.0, 2, 3, 4, 5, 6, 7, 8], "event": [1, 0, 1, 1, 0, 1, 0, 1]}
HALVES = ["low", "high"] * 4
X = Covariate("x", "numeric", "x")
Y = Covariate("y", "numeric", "y")


@pytest.mark.parametrize(
    ("data", "covariates", "reason"),
    [
        (frame(**LONG, group=HALVES).iloc[:0], [HIGH_VS_LOW], "0 events among 0 patients"),
        (frame(**{**LONG, "event": [1] + [0] * 7}, group=HALVES), [HIGH_VS_LOW], "1 events among"),
        (frame(**LONG, group="low"), [HIGH_VS_LOW], "all 8 patients have the same group, low"),
        (frame(**LONG, group="high"), [HIGH_VS_LOW], "reference level of group, low"),
        (frame(**LONG, group="middle"), [HIGH_VS_LOW], "0 events among 0 patients"),
        (frame(**LONG, x=3.0), [X], "all 8 patients have the same x, 3.0"),
        (
            frame(**LONG, group=["low", "high", "low", "low", "high", "low", "high", "low"]),
            [HIGH_VS_LOW],
            "no event among the 3 patients with group high",
        ),
        (
            frame(**LONG, group=["high", "low", "high", "high", "low", "high", "low", "high"]),
            [HIGH_VS_LOW],
            "no event among the 3 patients with group low",
        ),
        (
            frame(**LONG, x=np.arange(8.0) % 5, y=7 - 2 * (np.arange(8.0) % 5)),
            [X, Y],
            "y follows from the terms before it",
        ),
        (frame(time_months=np.arange(1.0, 9), event=1, x=-np.arange(8.0)), [X], "x separates"),
        (
            frame(
                time_months=np.arange(1.0, 9),
                event=1,
                group=["high"] * 3 + ["low"] * 5,
                x=[3.0, 1, 4, 1, 5, 9, 2, 6],
            ),
            [X, HIGH_VS_LOW],
            "group: high vs low separates",
        ),
        (frame(**LONG, x=[1e-9, 0, 3e-9, 0, 1e-9, 2e-9, 0, 0]), [X], "x is out of range"),
    ],
)
def test_trouble_is_a_result_that_names_the_term(
    data: pd.DataFrame, covariates: list[Covariate], reason: str
) -> None:
    model = fit_cox(data, covariates)
    assert model.status == "not_estimable"
    assert reason in model.reason
    assert model.terms == ()
    assert model.table().empty
    json.dumps(asdict(model), allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 30))
def test_any_cohort_gives_an_estimate_or_a_reason(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    data = frame(
        time_months=rng.integers(0, 9, n).astype(float),
        event=rng.random(n) < 0.3,
        group=rng.choice(["low", "middle", "high"], n),
        x=rng.normal(size=n).round(1),
    )
    model = fit_cox(data, [HIGH_VS_LOW, X])
    assert bool(model.terms) == (model.status == "ok") == (not model.reason)
    for term in model.terms:
        assert term.lower <= term.hazard_ratio <= term.upper
        assert 0 <= term.p <= 1
    json.dumps(asdict(model), allow_nan=False)


def simulate(log_hazard_ratio: float, n: int, seed: int) -> pd.DataFrame:
    """Exponential survival whose hazard grows with the score; about a third censored."""
    rng = np.random.default_rng(seed)
    score = rng.integers(1, 6, n).astype(float)
    death = rng.exponential(30 / np.exp(log_hazard_ratio * (score - 3)))
    censoring = rng.uniform(0, 90, n)
    return pd.DataFrame(
        {
            "time_months": np.minimum(death, censoring),
            # Object, as a join with missing rows leaves it.
            "event": (death < censoring).astype(object),
            "score": score,
            "group": np.where(score <= 2, "low", np.where(score > 4, "high", "middle")),
            "age": rng.normal(65, 9, n),
            "analysed": True,
        }
    )


def test_planted_hazard_ratio_is_found_with_the_right_sign() -> None:
    planted = np.log(1.5)
    cohort = simulate(planted, 2000, seed=1)
    result = analyse(cohort, [AGE])
    score = result.score.terms[0]
    assert score.coefficient == pytest.approx(planted, abs=3 * score.se)
    assert score.se < 0.05
    # Low is 1 or 2 in equal parts, high is 5: three and a half units apart, diluted by the mixture.
    assert result.groups.terms[0].lower > 1
    assert result.low.median is not None
    assert result.high.median is not None
    assert result.low.median > result.high.median
    assert result.log_rank.p is not None
    assert result.log_rank.p < 1e-6
    turned = analyse(cohort.assign(score=-cohort["score"]))
    assert turned.score.terms[0].coefficient == pytest.approx(-score.coefficient, rel=1e-7)
    assert turned.score_adjusted is None


def test_analysis_uses_only_the_analysed_and_keeps_the_middle_for_the_score() -> None:
    cohort = simulate(0.5, 120, seed=2)
    excluded = cohort.assign(analysed=False, time_months=np.nan, event=None)
    both = analyse(pd.concat([cohort, excluded], ignore_index=True), [AGE])
    alone = analyse(cohort, [AGE])
    assert both == alone
    middle = int((cohort["group"] == "middle").sum())
    assert alone.score.n == 120
    assert alone.groups.n == alone.low.n + alone.high.n == 120 - middle
    assert alone.groups.left_out == {"group": middle}
    assert alone.score_adjusted is not None
    assert [term.term for term in alone.score_adjusted.terms] == ["score", "age"]
    direct = fit_cox(cohort, [SCORE, AGE])
    assert alone.score_adjusted == direct
    json.dumps(asdict(alone), allow_nan=False)


def test_nobody_analysed_is_an_analysis() -> None:
    result = analyse(simulate(0.5, 5, seed=3).assign(analysed=False), [AGE])
    assert result.low.n == result.high.n == 0
    assert result.score.reason.startswith("0 events among 0 patients")


@pytest.mark.real
def test_rossi(real_data: Path) -> None:
    """R: coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio, rossi)."""
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    rossi = pd.read_csv(real_data / "survival" / "rossi.csv").rename(
        columns={"week": "time_months", "arrest": "event"}
    )
    model = fit_cox(rossi, [Covariate(name, "numeric", name) for name in names])
    expected = [
        (-0.3794221665, 0.1913794807, 0.04741609487, 0.684256681, 0.470236718, 0.995684064),
        (-0.0574377427, 0.0219994706, 0.00903123990, 0.944180671, 0.904334547, 0.985782465),
        (0.3138997878, 0.3079927766, 0.30811796698, 1.368752564, 0.748446943, 2.503161511),
        (-0.1497956977, 0.2122242962, 0.48028969401, 0.860883839, 0.567935357, 1.304938978),
        (-0.4337038779, 0.3818680577, 0.25606424338, 0.648104145, 0.306618334, 1.369908243),
        (-0.0848710825, 0.1957566719, 0.66461236568, 0.918630704, 0.625910988, 1.348246614),
        (0.0914970810, 0.0286485500, 0.00140424528, 1.095813578, 1.035979084, 1.159103901),
    ]
    np.testing.assert_allclose(coefficients(model), expected, rtol=1e-6)
    assert model.log_likelihood == pytest.approx(-658.747659, rel=1e-8)


@pytest.mark.real
def test_lung(real_data: Path) -> None:
    """R: survfit, survdiff and coxph(Surv(time, status) ~ I(sex == 2) + age + factor(ph.ecog))."""
    lung = pd.read_csv(real_data / "survival" / "lung.csv")
    lung = lung.rename(columns={"time": "time_months", "status": "event"})
    lung["sex"] = lung["sex"].map({1: "male", 2: "female"})
    lung["ecog"] = lung["ph.ecog"].map("{:.0f}".format, na_action="ignore")
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
    model = fit_cox(
        lung,
        [
            Covariate("sex", "categorical", "sex", reference="male"),
            AGE,
            Covariate("ph.ecog", "categorical", "ecog", reference="0", drop=("3",)),
        ],
    )
    assert (model.n, model.left_out) == (226, {"ecog": 2})
    np.testing.assert_allclose(
        coefficients(model),
        [
            (-0.5456306101, 0.1682290918, 0.00118121201, 0.579476245, 0.416714655, 0.805809716),
            (0.0107774753, 0.0093122424, 0.247131518, 1.010835761, 0.992553678, 1.029454587),
            (0.4098364271, 0.1996060081, 0.0400505758, 1.506571331, 1.018790195, 2.227894600),
            (0.9023208174, 0.2280923529, 7.62326798e-05, 2.465318030, 1.576595886, 3.855010051),
        ],
        rtol=1e-7,
    )


@pytest.mark.real
def test_larynx(real_data: Path) -> None:
    """R: coxph(Surv(time, death) ~ age + stage); survdiff(Surv(time, death) ~ stage)."""
    larynx = pd.read_csv(real_data / "survival" / "larynx.csv")
    stages = larynx[["Stage_II", "Stage_III", "Stage_IV"]]
    larynx["stage"] = (
        stages.idxmax(axis=1).str.removeprefix("Stage_").where(stages.any(axis=1), "I")
    )
    larynx = larynx.rename(columns={"time": "time_months", "death": "event"})
    np.testing.assert_allclose(
        coefficients(fit_cox(larynx, [AGE, STAGE])),
        [
            (0.0190311019, 0.0142584181, 0.181965569, 1.01921335, 0.991124736, 1.04809799),
            (0.1400401538, 0.4624860981, 0.762043333, 1.15031999, 0.464675511, 2.84765614),
            (0.6423817275, 0.3561105576, 0.0712496741, 1.90100316, 0.945934322, 3.82036358),
            (1.7059796099, 0.4219133307, 5.26735072e-05, 5.50677752, 2.408597619, 12.59014724),
        ],
        rtol=1e-7,
    )
    test = log_rank(larynx["time_months"], larynx["event"], larynx["stage"])
    assert (test.dof, test.chi2) == (3, pytest.approx(22.7627571, rel=1e-8))
    assert test.p == pytest.approx(4.52521122e-05, rel=1e-8)


@pytest.mark.real
def test_stomach_cancer_from_the_file_to_the_hazard_ratio(real_data: Path) -> None:
    """R: coxph(Surv(t, e) ~ age + M + Sex, read.delim(...), subset = M != "MX")."""
    spec = ClinicalSpec.from_config(
        {
            "patient": "Patient ID",
            "time": {"column": "Overall Survival (Months)", "unit": "months"},
            "event": {
                "column": "Overall Survival Status",
                "event": ["1:DECEASED"],
                "censored": ["0:LIVING"],
            },
            "covariates": [
                {"column": "Diagnosis Age", "kind": "numeric", "name": "age"},
                {
                    "column": "American Joint Committee on Cancer Metastasis Stage Code",
                    "kind": "categorical",
                    "name": "M",
                    "reference": "M0",
                    "drop": ["MX"],
                },
                {"column": "Sex", "kind": "categorical", "reference": "Female"},
            ],
        }
    )
    path = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    table = read_clinical(path, spec)
    model = fit_cox(table.frame, spec.covariates)
    assert (model.n, model.events, model.left_out) == (412, 161, {"age": 3})
    np.testing.assert_allclose(
        coefficients(model),
        [
            (0.0229518642, 0.00771606217, 0.00293412258, 1.02321728, 1.007859384, 1.03880921),
            (1.2049712779, 0.27678060609, 1.33965833e-05, 3.33666324, 1.939618411, 5.73995458),
            (0.1424938461, 0.16710543276, 0.393815588, 1.15314598, 0.831082024, 1.60001735),
        ],
        rtol=1e-7,
    )
