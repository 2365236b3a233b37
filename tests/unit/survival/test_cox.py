"""Cox models against R: every number was printed by R 4.2.2 with survival 3.5.3.

The calls stand beside the values; R is not needed to run the tests.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter

from helpers.patients import AML, ROSSI_COVARIATES, TIED, read_larynx, read_lung, read_rossi
from histohet.clinical.formats import clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.cohort.select import build_cohort, of_endpoint
from histohet.cohort.settings import AnalysisSettings
from histohet.survival.cox import CoxResult, fit_cox
from histohet.survival.design import per_standard_deviation
from histohet.survival.endpoint import HIGH_VS_LOW

STAGE = Covariate(column="stage", kind="categorical", name="stage", reference="I")
AGE = Covariate(column="age", kind="numeric", name="age")
ROSSI = [Covariate(column=name, kind="numeric", name=name) for name in ROSSI_COVARIATES]


# No warning reaches the user.
pytestmark = pytest.mark.filterwarnings("error")


def coefficients(model: CoxResult) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Columns as in R: coef, se, p, HR, lower, upper."""
    assert model.status == "ok", model.reason
    table = model.table()[["coefficient", "se", "p", "hazard_ratio", "lower", "upper"]]
    return table.to_numpy(dtype=float)


def aml_frame() -> pd.DataFrame:
    return AML.rename(columns={"time": "time_months"})


def test_cox_of_aml() -> None:
    """R: coxph(Surv(time, status) ~ x, aml); its times are tied."""
    x = Covariate(column="x", kind="categorical", name="x", reference="Maintained")
    model = fit_cox(aml_frame(), [x])
    expected = [0.915532575, 0.5119342752, 0.07371486064, 2.498105326, 0.9159072574, 6.813495766]
    np.testing.assert_allclose(coefficients(model), [expected], rtol=1e-8)
    assert model.log_likelihood == pytest.approx(-41.03261560, rel=1e-9)
    assert model.ties == "efron"
    (term,), (reference,) = model.terms, model.references
    assert term.label == "x: Nonmaintained vs Maintained"
    assert (term.n, term.events, reference.n, reference.events) == (12, 11, 11, 7)
    # The other way round, as R gives it after relevel.
    turned = fit_cox(
        aml_frame(),
        [Covariate(column="x", kind="categorical", name="x", reference="Nonmaintained")],
    )
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
    stage = Covariate(
        column="stage", kind="categorical", name="stage", reference="I", drop=("III",)
    )
    model = fit_cox(gaps, [stage, AGE])
    complete = gaps.dropna()
    complete = complete[complete["stage"] != "III"]
    assert model.left_out == {"stage": 8, "age": 2}
    assert model.n == len(complete) == 16
    assert [term.level for term in model.terms] == ["II", ""]
    assert model.terms == fit_cox(complete, [STAGE, AGE]).terms


def test_levels_that_are_numbers_are_refused() -> None:
    grade = Covariate(column="grade", kind="categorical", name="grade", reference="1")
    with pytest.raises(ValueError, match="levels of 'grade' must be text"):
        fit_cox(TIED.assign(grade=[1, 2] * 12), [grade])
    assert fit_cox(TIED.assign(grade=["1", "2"] * 12), [grade]).status == "ok"
    empty = TIED.assign(grade=np.nan)
    assert fit_cox(empty, [grade]).reason.startswith("0 events among 0 patients")


def test_values_per_standard_deviation() -> None:
    scaled, deviation = per_standard_deviation([1, 3, np.nan, 8])
    assert deviation == pytest.approx(13**0.5)
    np.testing.assert_allclose(scaled, (np.array([1, 3, np.nan, 8]) - 4) / 13**0.5)
    # numpy's deviation of these is not 0.
    for constant in ([0.1] * 3, [0.1, np.nan], [np.nan], []):
        unchanged, deviation = per_standard_deviation(constant)
        np.testing.assert_array_equal(unchanged, constant)
        assert deviation == 0


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
X = Covariate(column="x", kind="numeric", name="x")
Y = Covariate(column="y", kind="numeric", name="y")


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
            [HIGH_VS_LOW, X],
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


@pytest.mark.real
def test_rossi(real_data: Path) -> None:
    """R: coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio, rossi)."""
    model = fit_cox(read_rossi(real_data), ROSSI)
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
    """R: coxph(Surv(time, status) ~ I(sex == 2) + age + factor(ph.ecog), lung, ph.ecog < 3)."""
    lung = read_lung(real_data)
    lung["ecog"] = lung["ph.ecog"].map("{:.0f}".format, na_action="ignore")
    model = fit_cox(
        lung,
        [
            Covariate(column="sex", kind="categorical", name="sex", reference="male"),
            AGE,
            Covariate(
                column="ph.ecog", kind="categorical", name="ecog", reference="0", drop=("3",)
            ),
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
    # R: cox.zph(f): the levels of ph.ecog together, 2 degrees of freedom.
    ph = {term.term: term.ph_p for term in model.terms}
    assert ph["sex"] == pytest.approx(0.11828515935, rel=1e-6)
    assert ph["age"] == pytest.approx(0.68606973643, rel=1e-6)
    assert ph["ecog"] == pytest.approx(0.23795579547, rel=1e-6)
    assert model.ph_p == pytest.approx(0.28813139650, rel=1e-6)
    assert model.likelihood_ratio_p == pytest.approx(8.0521754069e-06, rel=1e-7)


@pytest.mark.real
def test_larynx(real_data: Path) -> None:
    """R: coxph(Surv(time, death) ~ age + stage)."""
    larynx = read_larynx(real_data)
    model = fit_cox(larynx, [AGE, STAGE])
    np.testing.assert_allclose(
        coefficients(model),
        [
            (0.0190311019, 0.0142584181, 0.181965569, 1.01921335, 0.991124736, 1.04809799),
            (0.1400401538, 0.4624860981, 0.762043333, 1.15031999, 0.464675511, 2.84765614),
            (0.6423817275, 0.3561105576, 0.0712496741, 1.90100316, 0.945934322, 3.82036358),
            (1.7059796099, 0.4219133307, 5.26735072e-05, 5.50677752, 2.408597619, 12.59014724),
        ],
        rtol=1e-7,
    )
    # R: cox.zph(coxph(Surv(time, death) ~ age + stage)).
    ph = {term.term: term.ph_p for term in model.terms}
    assert ph["age"] == pytest.approx(0.28715589922, rel=1e-6)
    assert ph["stage"] == pytest.approx(0.29346674958, rel=1e-6)
    assert model.ph_p == pytest.approx(0.27330207328, rel=1e-6)
    assert model.likelihood_ratio_p == pytest.approx(0.0010722039811, rel=1e-7)


def stomach(real_data: Path) -> pd.DataFrame:
    """The cBioPortal table of TCGA-STAD as it is, overall survival."""
    path = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, na_values=["", "NA"])
    ajcc = "American Joint Committee on Cancer"
    stage = table[f"Neoplasm Disease Stage {ajcc} Code"]
    frame = pd.DataFrame(
        {
            "time_months": table["Overall Survival (Months)"].astype(float),
            "event": table["Overall Survival Status"] == "1:DECEASED",
            "age": table["Diagnosis Age"].astype(float),
            "stage": stage.str.removeprefix("STAGE ").str.rstrip("ABC"),
        }
    )
    return frame[frame["time_months"].notna()]


@pytest.mark.real
def test_stomach_cancer_from_the_file_to_the_hazard_ratio(real_data: Path) -> None:
    """R: coxph(Surv(t, e) ~ age + M + Sex, read.delim(...), subset = M != "MX")."""
    spec = AnalysisSettings.model_validate(
        {
            "name": "stomach",
            "grouping": "none",
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
    path = str(real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv")
    sources = clinical_sources([{"table": path, "format": "cbioportal", "endpoints": ["OS"]}])
    clinical = read_clinical(sources, (), spec.covariates)
    slides = clinical.frame[["patient"]].assign(
        slide=clinical.frame["patient"], status="ok", reason="", n_clusters=1.0, n_tiles=1.0
    )
    patients = build_cohort(slides, clinical, spec).patients
    model = fit_cox(of_endpoint(patients, "OS"), spec.covariates)
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


@pytest.mark.real
def test_stomach_cancer_with_stage_and_age(real_data: Path) -> None:
    """R: f <- coxph(Surv(t, e) ~ age + stage); cox.zph(f); summary(f)$logtest."""
    model = fit_cox(stomach(real_data), [AGE, STAGE])
    assert (model.n, model.events) == (413, 161)
    np.testing.assert_allclose(
        coefficients(model),
        [
            (0.0286608140, 0.0080391891, 3.636655674e-4, 1.0290754872, 1.0129878926, 1.0454185537),
            (0.4815818981, 0.3358434382, 1.515872118e-1, 1.6186328903, 0.8380653945, 3.1262147931),
            (1.0629338756, 0.3115260892, 6.448290455e-4, 2.8948516772, 1.5720082788, 5.3308664754),
            (1.8529014889, 0.3585776645, 2.374179888e-7, 6.3782992650, 3.1585156328, 12.880322988),
        ],
        rtol=1e-7,
    )
    assert model.likelihood_ratio_p == pytest.approx(6.0390941914e-09, rel=1e-6)
    ph = {term.term: term.ph_p for term in model.terms}
    assert ph["age"] == pytest.approx(0.54021852346, rel=1e-6)
    assert ph["stage"] == pytest.approx(0.37382780289, rel=1e-6)
    assert model.ph_p == pytest.approx(0.53609131920, rel=1e-6)


def brute_log_likelihood(data: pd.DataFrame, names: list[str], beta: Any) -> float:
    """Efron's log partial likelihood, written out patient by patient."""
    total = 0.0
    eta = data[names].to_numpy(dtype=float) @ np.asarray(beta)
    for moment in sorted(set(data["time_months"][data["event"]])):
        at_risk = np.flatnonzero(data["time_months"] >= moment)
        deaths = np.flatnonzero((data["time_months"] == moment) & data["event"])
        total += sum(eta[i] for i in deaths)
        for k in range(len(deaths)):
            share = k / len(deaths)
            inside = sum(np.exp(eta[i]) * (1 - share * (i in deaths)) for i in at_risk)
            total -= np.log(inside)
    return total


def random_cohort(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return frame(
        time_months=rng.integers(0, 8, n).astype(float),
        event=rng.random(n) < 0.5,
        x=rng.normal(size=n),
        y=rng.normal(size=n),
    )


@pytest.mark.parametrize("seed", range(4))
def test_likelihood_is_efrons_and_its_maximum_is_lifelines(seed: int) -> None:
    data = random_cohort(seed, 60)
    model = fit_cox(data, [X, Y])
    beta = [term.coefficient for term in model.terms]
    best = brute_log_likelihood(data, ["x", "y"], beta)
    assert model.log_likelihood == pytest.approx(best, rel=1e-12)
    for step in ([1e-3, 0], [-1e-3, 0], [0, 1e-3], [0, -1e-3]):
        assert brute_log_likelihood(data, ["x", "y"], np.add(beta, step)) < best
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = CoxPHFitter().fit(data, "time_months", "event", fit_options={"precision": 1e-12})
    np.testing.assert_allclose(beta, theirs.params_, rtol=1e-6)
    np.testing.assert_allclose(
        [term.se for term in model.terms], theirs.standard_errors_, rtol=1e-6
    )
    assert model.likelihood_ratio_p == pytest.approx(
        theirs.log_likelihood_ratio_test().p_value, rel=1e-6
    )


@pytest.mark.real
def test_proportional_hazards_of_rossi(real_data: Path) -> None:
    """R: cox.zph(coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio))."""
    model = fit_cox(read_rossi(real_data), ROSSI)
    expected = [
        *(0.8026960327310, 0.0145184627740, 0.1503924881358, 0.0398421117133),
        *(0.3146582281404, 0.8921493439606, 0.4705925638172),
    ]
    np.testing.assert_allclose([term.ph_p for term in model.terms], expected, rtol=1e-6)
    assert model.ph_p == pytest.approx(0.0134275067857, rel=1e-6)
    assert model.likelihood_ratio_p == pytest.approx(2.36204505370e-05, rel=1e-7)
    assert model.events_per_variable == pytest.approx(114 / 7)
    assert model.warning == ""


def test_a_hazard_ratio_that_changes_sign_is_not_proportional() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    # Up to month 10 a high x kills, afterwards it protects.
    early = rng.exponential(20 / np.exp(x))
    late = 10 + rng.exponential(20 * np.exp(x))
    data = frame(time_months=np.where(early < 10, early, late), event=True, x=x)
    assert (fit_cox(data, [X]).ph_p or 0) < 1e-10
    steady = data.assign(time_months=rng.exponential(20 / np.exp(x)))
    assert (fit_cox(steady, [X]).ph_p or 0) > 0.05


def test_proportional_hazards_reject_at_their_level() -> None:
    """Of 400 data sets with proportional hazards 5 % are rejected, give or take 3 sd (3.3 %)."""
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=80)
        death, censored = rng.exponential(1 / np.exp(0.5 * x)), rng.exponential(1.5, 80)
        data = frame(time_months=np.minimum(death, censored), event=death < censored, x=x)
        rejected += (fit_cox(data, [X]).ph_p or 1) < 0.05
    assert abs(rejected / 400 - 0.05) < 0.033


def test_no_question_about_time_where_there_is_only_one() -> None:
    data = frame(time_months=3.0, event=[1, 0] * 8, x=np.arange(16.0) % 5)
    model = fit_cox(data, [X])
    assert model.status == "ok"
    assert model.ph_p is None
    assert model.terms[0].ph_p is None


def test_few_events_per_variable_are_a_warning() -> None:
    model = fit_cox(TIED, [STAGE, AGE])
    assert model.events_per_variable == pytest.approx(14 / 3)
    assert model.warning == "4.7 events per variable, below 10"
    assert fit_cox(TIED, [AGE]).warning == ""
