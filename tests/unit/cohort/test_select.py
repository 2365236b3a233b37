"""The cohort: who is analysed, in which group or why not, and that no outcome decides about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from helpers.patients import SLIDES
from histohet.clinical.formats import clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.problems import PROBLEM_COLUMNS
from histohet.clinical.table import ClinicalTable, read_clinical_tsv
from histohet.cohort.select import (
    FLOW_COLUMNS,
    Cohort,
    assign_groups,
    build_cohort,
    flow_table,
    group_limits,
    known_percentiles,
    of_endpoint,
)
from histohet.cohort.settings import AnalysisSettings, Grouping
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv

AGE = {"column": "age", "kind": "numeric"}
STAGE = {
    "column": "stage",
    "kind": "categorical",
    "name": "T",
    "levels": {"T1-2": ["T1", "T2"], "T3-4": ["T3", "T4"]},
    "reference": "T1-2",
    "drop": ["TX"],
}
NO_COVARIATES = ["a", "b", "e", "f", "h"]


def spec(**changes: Any) -> AnalysisSettings:
    config = {"name": "main", "grouping": "median", "covariates": [AGE, STAGE]} | changes
    return AnalysisSettings.model_validate(config)


@pytest.fixture(scope="module")
def clinical(tmp_path_factory: Any) -> ClinicalTable:
    path = tmp_path_factory.mktemp("clinical") / "clinical.csv"
    rows = [
        "id,months,dead,progress,age,stage,type",
        "a,10,1,0,60,T1,x",
        "b,200,1,1,,T4,x",
        "c,30,1,0,50,T1,x",
        "e,-4,1,0,40,T3,x",
        "f,12,,1,44,TX,y",
        "h,15,0,0,50,T9,",
        "z,12,0,0,44,T1,x",
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    os = {"time": "months", "unit": "months", "event": "dead", "events": [1], "censored": [0]}
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": os}}
    table["endpoints"] = {"OS": os, "PFS": os | {"event": "progress"}}
    return read_clinical(clinical_sources([table]), [{}, {"type": ["x"]}], spec().covariates)


def build(clinical: ClinicalTable, sheet: pd.DataFrame = SLIDES, **changes: Any) -> Cohort:
    return build_cohort(sheet, clinical, spec(**changes))


def test_everyone_with_a_slide_is_in_the_table_and_whoever_is_left_out_is_told_why(
    clinical: ClinicalTable,
) -> None:
    patients = build(clinical).patients.set_index("patient")
    assert patients.index.tolist() == ["a", "b", "c", "d", "e", "f", "g", "h"]
    assert patients["excluded_because"].to_dict() == {
        "a": "",
        "b": "",
        "c": "no slide measured (c1: scale unknown; c2: no score)",
        "d": "no row in the clinical tables",
        "e": "",
        "f": "T: TX",
        "g": "no row in the clinical tables",
        "h": "T: T9",
    }
    assert patients["analysed"].tolist() == (patients["excluded_because"] == "").tolist()
    # Limits come from a, b, e (3, 5, 100): e counts though its time is unusable, g and h do not.
    assert patients["group"].to_dict() == dict.fromkeys("cdfgh", "") | {
        "a": "low",
        "b": "low",
        "e": "high",
    }
    assert patients.loc[["a", "b", "e"], "T"].tolist() == ["T1-2", "T3-4", "T3-4"]
    assert np.isnan(patients.at["b", "age"])


def test_the_columns_are_those_promised(clinical: ClinicalTable) -> None:
    assert list(build(clinical).patients.columns) == [
        *("patient", "slide", "n_slides", "n_scored", "score", "n_tiles", "group", "analysed"),
        *("excluded_because", "OS_months", "OS_event", "PFS_months", "PFS_event", "age", "T"),
    ]
    only = build(clinical, endpoints=["PFS"], covariates=[])
    assert list(only.patients.columns)[9:] == ["PFS_months", "PFS_event"]


def test_the_count_of_measured_slides_is_a_covariate_if_it_is_wanted(
    clinical: ClinicalTable,
) -> None:
    patients = build(clinical, covariates=[AGE], slide_count=True, slides="max").patients
    counts = patients.set_index("patient")["slide_count"].to_dict()
    assert counts == {"a": 1, "b": 2, "c": 0, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1}
    assert list(of_endpoint(patients, "PFS").columns)[-2:] == ["age", "slide_count"]
    wanted = spec(covariates=[AGE], slide_count=True)
    assert [one.name for one in wanted.adjusted_for] == ["age", "slide_count"]
    assert [one.name for one in spec(covariates=[AGE]).adjusted_for] == ["age"]


def test_slides_that_were_pooled_count_as_they_are(clinical: ClinicalTable) -> None:
    pooled = SLIDES.drop_duplicates("patient").assign(n_pooled=range(8), status="ok", n_clusters=2)
    patients = build(clinical, pooled, slide_count=True).patients
    assert patients["slide_count"].tolist() == list(range(8))


def test_statistics_get_the_analysed_patients_of_whom_the_endpoint_is_known(
    clinical: ClinicalTable,
) -> None:
    patients = build(clinical, covariates=[AGE]).patients
    assert patients.loc[patients["analysed"], "patient"].tolist() == NO_COVARIATES
    frame = of_endpoint(patients, "PFS")
    expected = pd.DataFrame(
        {
            "patient": ["a", "b", "f", "h"],  # the time of e is negative
            "score": [3.0, 5.0, 4.0, 1.0],
            "n_tiles": [30.0, 50.0, 40.0, 10.0],
            "group": ["low", "high", "low", "low"],
            "time_months": [10.0, 200.0, 12.0, 15.0],
            "event": [False, True, True, False],
            "age": [60.0, np.nan, 44.0, 50.0],
        }
    )
    pd.testing.assert_frame_equal(frame, expected)
    assert of_endpoint(patients, "OS")["patient"].tolist() == ["a", "b", "h"]
    with pytest.raises(ValueError, match="no endpoint 'DSS' in the cohort: OS, PFS"):
        of_endpoint(patients, "DSS")


def test_follow_up_is_censored_at_the_cap(clinical: ClinicalTable) -> None:
    frame = of_endpoint(build(clinical, max_months=120).patients, "OS").set_index("patient")
    assert frame["time_months"].to_dict() == {"a": 10, "b": 120}
    assert frame["event"].to_dict() == {"a": True, "b": False}
    at_the_cap = of_endpoint(build(clinical, max_months=200).patients, "OS").set_index("patient")
    assert at_the_cap.at["b", "event"]
    unknown = build(clinical, max_months=11, covariates=[]).patients.set_index("patient")
    assert unknown.at["f", "OS_months"] == 11
    assert pd.isna(unknown.at["f", "OS_event"])


def test_conditions_come_one_after_the_other(clinical: ClinicalTable) -> None:
    cohort = build(clinical, where={"type": ["x"], "stage": ["T1", "T4"]}, covariates=[])
    patients = cohort.patients.set_index("patient")
    assert patients.loc[["e", "f", "h"], "excluded_because"].tolist() == [
        "stage: T3",
        "type: y",
        "type: missing",
    ]
    assert patients.index[patients["analysed"]].tolist() == ["a", "b"]


def test_clinical_columns_may_have_the_names_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text("id,m,d,score,slide,without\na,1,1,high,x,1\nb,2,0,low,x,2\nd,3,0,high,y,3\n")
    os = {"time": "m", "unit": "months", "event": "d", "events": [1], "censored": [0]}
    gleason = {"column": "without", "kind": "numeric", "name": "Gleason score"}
    how = spec(where={"score": ["high"], "slide": ["x", "y"]}, covariates=[gleason])
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": os}}
    read = read_clinical(clinical_sources([table]), [how.where], how.covariates)
    patients = build_cohort(SLIDES, read, how).patients.set_index("patient")
    assert patients.index[patients["analysed"]].tolist() == ["a", "d"]
    assert patients.at["b", "excluded_because"] == "score: low"
    assert patients.loc[["a", "d"], "Gleason score"].tolist() == [1, 3]
    assert patients.loc[["a", "d"], "score"].tolist() == [3, 2]


def test_trimming_is_strict_and_over_those_that_are_left() -> None:
    n = 101
    slides = pd.DataFrame(
        {
            "slide": [f"s{i}" for i in range(n + 1)],
            "patient": [f"p{i}" for i in range(n + 1)],
            "status": "ok",
            "reason": "",
            "n_clusters": 1.0,
            "n_tiles": [*range(n), 10.0**6],
        }
    )
    ids = [f"p{i}" for i in range(n)]  # the patient with a million tiles has no clinical row
    frame = pd.DataFrame({"patient": ids, "OS_months": 1.0, "OS_event": pd.array([1] * n, "Int8")})
    clinical = ClinicalTable(frame, pd.DataFrame(columns=list(PROBLEM_COLUMNS)))
    trimmed = spec(covariates=[], trim={"measure": "n_tiles", "percentiles": [5, 95]})
    patients = build_cohort(slides, clinical, trimmed).patients
    assert patients.index[patients["analysed"]].tolist() == list(range(6, 95))
    assert patients["excluded_because"].iloc[[5, 95, 101]].tolist() == [
        "n_tiles ≤ 5, percentile 5",
        "n_tiles ≥ 95, percentile 95",
        "no row in the clinical tables",
    ]
    lacking = slides.assign(hta=np.where(slides["n_tiles"] == 50, np.nan, slides["n_tiles"]))
    by_hta = spec(covariates=[], trim={"measure": "hta"})
    patients = build_cohort(lacking, clinical, by_hta).patients
    assert patients.at[50, "excluded_because"] == "hta missing"


@pytest.mark.parametrize("grouping", ["none", "best_cut"])
def test_without_groups_everybody_is_analysed(clinical: ClinicalTable, grouping: str) -> None:
    patients = build(clinical, grouping=grouping).patients
    assert (patients["group"] == "").all()
    assert patients["analysed"].sum() == 3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_outcomes_change_neither_groups_nor_limits_nor_who_is_analysed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 30
    ids = [f"p{i}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "patient": ids,
            "OS_months": rng.exponential(20, n),
            "OS_event": pd.array(rng.integers(0, 2, n), dtype="Int8"),
            "stage": rng.choice(["T1", "T3", "TX", ""], n),
            "type": rng.choice(["x", "y"], n, p=[0.8, 0.2]),
        }
    )
    frame.loc[rng.random(n) < 0.2, "OS_months"] = np.nan
    frame.loc[rng.random(n) < 0.2, "OS_event"] = pd.NA
    slides = pd.DataFrame(
        {
            "slide": ids,
            "patient": ids,
            "status": rng.choice(["ok", "no_tissue"], n, p=[0.9, 0.1]),
            "reason": "",
            "n_clusters": rng.integers(1, 9, n).astype(float),
            "n_tiles": rng.integers(1, 500, n).astype(float),
        }
    )
    how = spec(
        covariates=[STAGE],
        where={"type": ["x"]},
        trim={"measure": "n_tiles"},
        grouping="quartiles",
    )
    nothing = pd.DataFrame(columns=list(PROBLEM_COLUMNS))
    outcome = ["OS_months", "OS_event"]
    permuted = frame.copy()
    permuted[outcome] = frame[outcome].iloc[rng.permutation(n)].set_axis(frame.index)
    one, other = (
        build_cohort(slides, ClinicalTable(each, nothing), how) for each in (frame, permuted)
    )
    pd.testing.assert_frame_equal(
        one.patients.drop(columns=outcome), other.patients.drop(columns=outcome)
    )
    assert one.steps == other.steps
    shown = (flow_table(each, slides, how) for each in (one, other))
    first, second = (table[table["kind"] != "endpoint"] for table in shown)
    pd.testing.assert_frame_equal(first, second)


def test_nobody_left_is_a_table_too(clinical: ClinicalTable) -> None:
    cohort = build(clinical, SLIDES[SLIDES["patient"] == "d"], trim={"measure": "n_tiles"})
    assert cohort.patients["analysed"].tolist() == [False]
    assert cohort.patients["group"].tolist() == [""]
    assert of_endpoint(cohort.patients, "OS").empty
    nobody = build(clinical, SLIDES.iloc[:0], slides="mean")
    assert nobody.patients.empty
    assert flow_table(nobody, SLIDES.iloc[:0], spec())["patients"].sum() == 0


def test_what_cannot_be_built(clinical: ClinicalTable) -> None:
    with pytest.raises(ValueError, match="no clinical table has the endpoint 'DSS'"):
        build(clinical, endpoints=["DSS"])
    with pytest.raises(ValueError, match="give covariate 'OS_event' another 'name'"):
        build(clinical, covariates=[AGE | {"name": "OS_event"}])


@pytest.mark.parametrize("patients", [["01", "02", "03"], []])
def test_a_cohort_comes_back_from_its_file_as_it_was(tmp_path: Path, patients: list[str]) -> None:
    source, target = tmp_path / "clinical.csv", tmp_path / "patients.tsv"
    source.write_text("id,m,d,grade\n01,1.1,1,0\n02,2,0,\n", encoding="utf-8")
    os = {"time": "m", "unit": "months", "event": "d", "events": [1], "censored": [0]}
    grade = {"column": "grade", "name": "notes", "kind": "categorical", "reference": "0"}
    how = spec(score="hta", covariates=[grade])
    table = {"table": str(source), "patient": "id", "endpoints": {"OS": os}}
    clinical = read_clinical(clinical_sources([table]), (), how.covariates)
    slides = pd.DataFrame({"slide": patients, "patient": patients, "status": "ok", "reason": ""})
    slides["hta"] = np.arange(len(slides)) / 3
    cohort = build_cohort(slides.assign(n_tiles=7), clinical, how).patients
    write_tsv(target, cohort, Provenance())
    back = read_tsv(target)
    pd.testing.assert_frame_equal(back, cohort, check_dtype=bool(patients))
    pd.testing.assert_frame_equal(
        of_endpoint(back, "OS"), of_endpoint(cohort, "OS"), check_dtype=bool(patients)
    )


def test_numbers_come_back_to_their_last_bit(tmp_path: Path) -> None:
    n, rng = 500, np.random.default_rng(0)
    ids = [f"p{i}" for i in range(n)]
    event = pd.array(rng.integers(0, 2, n), dtype="Int8")
    frame = pd.DataFrame({"patient": ids, "OS_months": rng.exponential(30, n), "OS_event": event})
    nothing = pd.DataFrame(columns=list(PROBLEM_COLUMNS))
    write_tsv(tmp_path / "clinical.tsv", frame, Provenance())
    write_tsv(tmp_path / "problems.tsv", nothing, Provenance())
    clinical = read_clinical_tsv(tmp_path / "clinical.tsv", tmp_path / "problems.tsv")
    pd.testing.assert_frame_equal(clinical.frame, frame, check_exact=True)
    slides = pd.DataFrame({"slide": ids, "patient": ids, "status": "ok", "reason": ""})
    slides = slides.assign(hta=rng.random(n), n_tiles=9)
    patients = build_cohort(slides, clinical, spec(covariates=[], score="hta")).patients
    write_tsv(tmp_path / "patients.tsv", patients, Provenance())
    back = read_tsv(tmp_path / "patients.tsv")
    pd.testing.assert_frame_equal(back, patients, check_exact=True)


def test_the_flow_counts_slides_patients_and_reasons(clinical: ClinicalTable) -> None:
    flow = flow_table(build(clinical, where={"type": ["x", "y"]}), SLIDES, spec())
    assert tuple(flow.columns) == FLOW_COLUMNS
    rows = flow.astype(object).where(flow.notna(), None).values.tolist()
    unmeasured = (
        "no slide measured (n = 1); slides: no_tissue (n = 1), refused (n = 1), no score (n = 1)"
    )
    no_rows = "no row in the clinical tables (n = 2)"
    assert rows == [
        ["step", "slides in the sheet", 11, 8, None, 0, 0, ""],
        ["step", "measured", 8, 7, None, 3, 1, unmeasured],
        ["step", "one score per patient (first)", 7, 7, None, 1, 0, ""],
        ["step", "clinical data", 5, 5, None, 2, 2, no_rows],
        ["step", "type: x, y", 4, 4, None, 1, 1, "type: missing (n = 1)"],
        ["step", "covariates", 3, 3, None, 1, 1, "T: TX (n = 1)"],
        ["step", "analysed", 3, 3, None, 0, 0, ""],
        ["group", "low", None, 2, None, None, None, "n_clusters ≤ 5"],
        ["group", "high", None, 1, None, None, None, "n_clusters > 5"],
        ["endpoint", "OS", None, 2, 2, None, 1, "time or event not known"],
        ["endpoint", "PFS", None, 2, 1, None, 1, "time or event not known"],
    ]


STATUS = st.sampled_from(["ok", "ok", "ok", "no_tissue", "refused"])


@settings(max_examples=40, deadline=None)
@given(
    slides=st.lists(
        st.tuples(STATUS, st.sampled_from("abcdefghij"), st.integers(1, 9), st.booleans()),
        max_size=25,
    ),
    how=st.sampled_from(["first", "first_diagnostic", "max", "mean"]),
    grouping=st.sampled_from(["median", "quartiles", {"cut": 4}, "none"]),
    trim=st.sampled_from([None, {"measure": "n_tiles", "percentiles": [10, 90]}]),
    where=st.sampled_from([{}, {"type": ["x"]}, {"type": ["x", "y"], "stage": ["T1", "T4", "TX"]}]),
)
def test_the_bookkeeping_adds_up(
    clinical: ClinicalTable, slides: list[Any], how: Any, grouping: Any, trim: Any, where: Any
) -> None:
    table = pd.DataFrame(
        [
            (f"s{i}-DX{i}" if dx else f"s{i}", patient, status, "", float(score), 10.0 * score)
            for i, (status, patient, score, dx) in enumerate(slides)
        ],
        columns=SLIDES.columns,
    )
    how_spec = spec(slides=how, grouping=grouping, trim=trim, where=where)
    cohort = build_cohort(table, clinical, how_spec)
    flow = flow_table(cohort, table, how_spec)
    steps = flow[flow["kind"] == "step"]
    analysed = int(cohort.patients["analysed"].sum())
    assert steps["step"].iloc[-1] == "analysed"
    assert steps["patients"].iloc[-1] == analysed
    assert steps["patients"].iloc[0] == table["patient"].nunique() == len(cohort.patients)
    assert steps["slides"].iloc[0] == len(table)
    for column, lost in (("patients", "lost"), ("slides", "lost_slides")):
        left = steps[column].astype(int)
        assert (left.diff().iloc[1:] == -steps[lost].iloc[1:].astype(int)).all()
        assert left.is_monotonic_decreasing
    assert [sum(step.lost.values()) for step in cohort.steps] == steps["lost"].tolist()
    # Each reason of the flow is the reason of as many patients of the table.
    reasons = cohort.patients["excluded_because"].str.replace(r" \(.*", "", regex=True)
    counted: dict[str, int] = {}
    for step in cohort.steps:
        for why, count in step.lost.items():
            short = why.split(" (")[0]
            counted[short] = counted.get(short, 0) + count
    assert counted == reasons[reasons != ""].value_counts().to_dict()
    groups = flow[flow["kind"] == "group"]["patients"]
    assert groups.sum() == (analysed if len(groups) else 0)
    for _, endpoint in flow[flow["kind"] == "endpoint"].iterrows():
        known = of_endpoint(cohort.patients, endpoint["step"])
        assert endpoint["patients"] == len(known) == analysed - endpoint["lost"]
        assert endpoint["events"] == known["event"].sum()


@pytest.mark.real
def test_the_published_selection_on_the_real_table(real_data: Path) -> None:
    """440 patients, 223 STAD_CIN, 196 of them M0; no T or N code of the table is left to guess."""
    path = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    hetmap = AnalysisSettings.model_validate({"preset": "hetmap_stad", "endpoints": ["OS"]})
    sources = clinical_sources([{"table": str(path), "format": "cbioportal", "endpoints": ["OS"]}])
    found = read_clinical(sources, [hetmap.where], hetmap.covariates)
    assert not found.problems["problem"].str.contains("in no level").any()
    raw = pd.read_csv(path, sep="\t", dtype=str).rename(columns={"Patient ID": "patient"})
    slides = raw[["patient"]].assign(slide=raw["patient"] + "-01Z-00-DX1", status="ok", reason="")
    slides["n_clusters"] = np.arange(len(slides)) % 11 + 1.0
    slides["n_tiles"] = 100.0 + np.arange(len(slides))
    cohort = build_cohort(slides, found, hetmap)
    t_stage, n_stage = (covariate.column for covariate in hetmap.covariates[1:])
    chosen = raw[(raw["Subtype"] == "STAD_CIN") & (raw[list(hetmap.where)[1]] == "M0")]
    complete = chosen[
        (chosen[t_stage] != "TX") & (chosen[n_stage] != "NX") & chosen["Diagnosis Age"].notna()
    ]
    inside = len(complete) - 2 * int(np.ceil(0.05 * (len(complete) - 1) + 1e-9))
    left = [step.patients for step in cohort.steps]
    assert left == [440, 440, 440, 440, 223, 196, len(complete), inside, inside]
    analysed = cohort.patients[cohort.patients["analysed"]]
    expected = complete.set_index("patient").loc[analysed["patient"]]
    assert analysed["T"].tolist() == [
        "T1-2" if code[:2] in ("T1", "T2") else "T3-4" for code in expected[t_stage]
    ]
    assert analysed["N"].tolist() == [code[:2] for code in expected[n_stage]]
    assert set(analysed["N"]) == {"N0", "N1", "N2", "N3"}
    assert of_endpoint(cohort.patients, "OS")["time_months"].notna().all()


# Groups -------------------------------------------------------------------------------------------


GROUPING: TypeAdapter[Grouping] = TypeAdapter(Grouping)


@pytest.mark.parametrize(
    ("score", "rule", "limits", "groups"),
    [
        # Percentiles by hand: position (n - 1) q from 0, linear between neighbours.
        ([1, 2, 3, 4, 5], "quartiles", (2, 4), "llmmh"),
        ([1, 2, 3, 4], "quartiles", (1.75, 3.25), "lmmh"),
        ([1, 1, 1, 2, 2, 3, 4, 6], "quartiles", (1, 3.25), "lllmmmhh"),
        ([1, 1, 1, 1, 2], "quartiles", (1, 1), "llllh"),
        ([2, 2, 2, 2], "quartiles", (2, 2), "llll"),
        ([1, 3, 3, 3], "quartiles", (2.5, 3), "lmmm"),
        ([1, 2, 3, 4], "median", (2.5, 2.5), "llhh"),
        ([1, 2, 2, 5], "median", (2, 2), "lllh"),
        ([0.1, 0.5, 0.6], {"cut": 0.5}, (0.5, 0.5), "llh"),
        ([0.1, 0.2], {"cut": 0.5}, (0.5, 0.5), "ll"),
        ([0.3, 0.31, 0.7, 0.71], {"low_at_most": 0.3, "high_above": 0.7}, (0.3, 0.7), "lmmh"),
    ],
)
def test_groups_with_ties(
    score: list[float], rule: Any, limits: tuple[float, float], groups: str
) -> None:
    grouping = GROUPING.validate_python(rule)
    series = pd.Series(score, dtype=float)
    assert group_limits(series, grouping) == limits
    assert "".join(group[0] for group in assign_groups(series, grouping)) == groups


@pytest.mark.parametrize("rule", ["best_cut", "none"])
def test_without_a_rule_of_its_own_nobody_is_in_a_group(rule: str) -> None:
    series = pd.Series([1.0, 2.0, np.nan])
    grouping = GROUPING.validate_python(rule)
    assert np.isnan(group_limits(series, grouping)).all()
    assert assign_groups(series, grouping).tolist() == ["", "", ""]


def test_missing_scores_are_in_no_group_and_move_no_limit() -> None:
    score = pd.Series([np.nan, 1, 2, 3, 4, 5, np.nan], index=list("tuvwxyz"))
    groups = assign_groups(score, "quartiles")
    assert groups.tolist() == ["", "low", "low", "middle", "middle", "high", ""]
    nobody = assign_groups(pd.Series([np.nan, np.nan]), "median")
    assert nobody.tolist() == ["", ""]
    assert np.isnan(group_limits(pd.Series([], dtype=float), "median")).all()


def test_percentiles_interpolate_and_ignore_what_is_missing() -> None:
    assert known_percentiles(pd.Series([*range(101), np.nan]), (5, 95)) == (5, 95)
    assert known_percentiles(pd.Series([1.0, 2, 3, 4]), (25, 75)) == (1.75, 3.25)
    assert np.isnan(known_percentiles(pd.Series([np.nan]), (5, 95))).all()


@settings(max_examples=50, deadline=None)
@given(
    score=st.lists(st.integers(1, 8), min_size=1, max_size=40),
    rule=st.sampled_from(["quartiles", "median"]),
)
def test_groups_follow_the_order_of_the_score(score: list[int], rule: str) -> None:
    series = pd.Series(score, dtype=float)
    rank = assign_groups(series, GROUPING.validate_python(rule)).map(
        {"low": 0, "middle": 1, "high": 2}
    )
    assert rank.notna().all()
    ordered = rank.iloc[np.argsort(series.to_numpy(), kind="stable")]
    assert ordered.is_monotonic_increasing
    assert rank.groupby(series).nunique().eq(1).all()
    # The percentile q lies at or above the order statistic floor((n - 1) q), counted from 0.
    low, high = (0.25, 0.75) if rule == "quartiles" else (0.5, 0.5)
    assert (rank == 0).sum() >= int((len(score) - 1) * low) + 1
    assert (rank == 2).sum() <= len(score) - 1 - int((len(score) - 1) * high)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("thirds", "should be 'quartiles', 'median'"),
        ("cut", "should be 'quartiles', 'median'"),
        ({"cut": float("nan")}, "should be a finite number"),
        ({"median": 3}, "unknown key; there are 'cut'"),
        ({"cut": 3, "high_above": 4}, "unknown key; there are 'cut'"),
        ({"low_at_most": 0.3}, "(?s)high_above.*Field required"),
        ({"low_at_most": 0.7, "high_above": 0.3}, "low_at_most 0.7 is above high_above 0.3"),
    ],
)
def test_grouping_errors(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GROUPING.validate_python(config)


@pytest.mark.parametrize(
    ("score", "seen"),
    [
        ("trait_hti_possible", "ab"),
        ("trait_hta_p", "ab"),
        ("trait_hta_A_B", "be"),
        ("trait_hta_p_A_B", "be"),
        ("trait_n_positive_C_A_B", "e"),
        ("trait_positive_B", "a"),
        ("expression_A", ""),
        ("n_clusters", "ab"),
    ],
)
def test_whom_models_have_seen_is_told_by_the_models_of_the_score(
    clinical: ClinicalTable, score: str, seen: str
) -> None:
    columns = {"trait_unseen": "ab", "trait_unseen_A_B": "be", "trait_unseen_C_A_B": "e"}
    columns |= {"unseen_A": "", "unseen_B": "a"}
    sheet = SLIDES.assign(
        **{name: ~SLIDES["patient"].isin(list(who)) for name, who in columns.items()},
        **{score: SLIDES["n_clusters"]},
    )
    found = build(clinical, sheet, score=score, among="unseen", covariates=[]).patients
    why = found.set_index("patient")["excluded_because"]
    assert "".join(why.index[why == "the trait models were trained on the patient"]) == seen
    everybody = build(clinical, sheet, score=score, covariates=[]).patients
    assert everybody["analysed"].sum() == found["analysed"].sum() + len(seen)


def test_maps_of_unknown_models_exclude_nobody(clinical: ClinicalTable) -> None:
    for score in ("trait_hti_possible", "trait_positive_A"):
        sheet = SLIDES.assign(**{score: SLIDES["n_clusters"]})
        found = build(clinical, sheet, score=score, among="unseen", covariates=[])
        everybody = build(clinical, sheet, score=score, covariates=[])
        assert found.patients["analysed"].tolist() == everybody.patients["analysed"].tolist()
