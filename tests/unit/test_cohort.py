"""The cohort table: one row per patient whatever happened, scores, and groups with ties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.clinical import ClinicalSpec, ClinicalTable, read_clinical
from histohet.cohort import Grouping, assign_groups, build_cohort, patient_scores, read_cohort
from histohet.formats.tables import write_tsv
from histohet.provenance import Provenance
from histohet.survival import analyse

SLIDES = pd.DataFrame(
    [
        ("a1", "a", "no_tissue", "no tissue found", np.nan),
        ("a2", "a", "ok", "", 3.0),
        ("b1", "b", "ok", "", 5.0),
        ("b2", "b", "ok", "", 7.0),
        ("c1", "c", "refused", "scale unknown", np.nan),
        ("c2", "c", "ok", "", np.nan),
        ("a3", "a", "ok", "", 1.0),
        ("d1", "d", "ok", np.nan, 2.0),
    ],
    columns=["slide", "patient", "status", "reason", "n_clusters"],
)


@pytest.mark.parametrize(
    ("how", "scores", "slides"),
    [
        ("first", [3.0, 5.0, 2.0], ["a2", "b1", "d1"]),
        ("max", [3.0, 7.0, 2.0], ["a2", "b2", "d1"]),
        ("mean", [2.0, 6.0, 2.0], ["a2, a3", "b1, b2", "d1"]),
    ],
)
def test_slides_become_patients(how: Any, scores: list[float], slides: list[str]) -> None:
    patients = patient_scores(SLIDES, how, "n_clusters").set_index("patient")
    assert patients.index.tolist() == ["a", "b", "c", "d"]
    assert patients["n_slides"].tolist() == [3, 2, 2, 1]
    assert patients["n_scored"].tolist() == [2, 2, 0, 1]
    scored = patients.drop(index="c")
    assert scored["score"].tolist() == scores
    assert scored["slide"].tolist() == slides
    assert (scored["reason"] == "").all()
    assert np.isnan(patients.at["c", "score"])
    assert patients.at["c", "reason"] == "no score (c1: scale unknown; c2: no score)"


def test_a_score_of_a_failed_slide_does_not_count() -> None:
    slides = SLIDES.assign(n_clusters=9.0)
    assert (
        patient_scores(slides, "first", "n_clusters").set_index("patient").at["a", "slide"] == "a2"
    )


def test_no_slide_at_all_is_an_empty_table() -> None:
    assert patient_scores(SLIDES.iloc[:0], "first", "n_clusters").empty


@pytest.mark.parametrize(
    ("slides", "how", "score", "message"),
    [
        (SLIDES, "last", "n_clusters", "'last' is not a rule"),
        (SLIDES, "first", "hti", "no column 'hti'"),
        (pd.concat([SLIDES, SLIDES[:1]]), "first", "n_clusters", "'a1' is listed twice"),
        (SLIDES.assign(patient=None), "first", "n_clusters", "'a1' has no patient"),
    ],
)
def test_slide_tables_that_cannot_be_used(
    slides: pd.DataFrame, how: Any, score: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        patient_scores(slides, how, score)


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
    ],
)
def test_groups_with_ties(
    score: list[float], rule: Any, limits: tuple[float, float], groups: str
) -> None:
    grouping = Grouping.from_config(rule)
    series = pd.Series(score, dtype=float)
    assert grouping.limits(series) == limits
    assert "".join(group[0] for group in assign_groups(series, grouping)) == groups


def test_missing_scores_are_in_no_group_and_move_no_limit() -> None:
    score = pd.Series([np.nan, 1, 2, 3, 4, 5, np.nan], index=list("tuvwxyz"))
    groups = assign_groups(score, Grouping("quartiles"))
    assert groups.isna().tolist() == [True, *[False] * 5, True]
    assert groups.dropna().tolist() == ["low", "low", "middle", "middle", "high"]
    nobody = assign_groups(pd.Series([np.nan, np.nan]), Grouping("median"))
    assert nobody.isna().all()
    assert np.isnan(Grouping("median").limits(pd.Series([], dtype=float))).all()


@settings(max_examples=50, deadline=None)
@given(
    score=st.lists(st.integers(1, 8), min_size=1, max_size=40),
    rule=st.sampled_from(["quartiles", "median"]),
)
def test_groups_follow_the_order_of_the_score(score: list[int], rule: str) -> None:
    series = pd.Series(score, dtype=float)
    rank = assign_groups(series, Grouping.from_config(rule)).map({"low": 0, "middle": 1, "high": 2})
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
        ("thirds", "not one of quartiles"),
        ("cut", "needs a finite value"),
        ({"cut": float("nan")}, "needs a finite value"),
        ({"median": 3}, "write quartiles, median or"),
    ],
)
def test_grouping_errors(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grouping.from_config(config)


@pytest.fixture
def clinical(tmp_path: Path) -> ClinicalTable:
    path = tmp_path / "clinical.csv"
    path.write_text(
        "id,months,dead,age\na,10,1,60\nb,20,0,\nc,30,1,50\ne,-4,1,40\nf,12,0,44\nz,12,0,44\n",
        encoding="utf-8",
    )
    spec = ClinicalSpec.from_config(
        {
            "patient": "id",
            "time": {"column": "months", "unit": "months"},
            "event": {"column": "dead", "event": ["1"], "censored": ["0"]},
            "covariates": [{"column": "age", "kind": "numeric"}],
        }
    )
    return read_clinical(path, spec)


def test_everyone_with_a_slide_is_in_the_cohort(clinical: ClinicalTable) -> None:
    slides = pd.concat(
        [
            SLIDES,
            pd.DataFrame(
                [("e1", "e", "ok", "", 100.0), ("f1", "f", "ok", "", 4.0)], columns=SLIDES.columns
            ),
        ]
    )
    cohort = build_cohort(
        patient_scores(slides, "first", "n_clusters"), clinical, Grouping("median")
    ).set_index("patient")
    assert cohort.index.tolist() == ["a", "b", "c", "d", "e", "f"]
    assert cohort["analysed"].tolist() == [True, True, False, False, False, True]
    assert cohort["excluded_because"].tolist() == [
        "",
        "",
        "no score (c1: scale unknown; c2: no score)",
        "no row in the clinical table",
        "months: negative time",
        "",
    ]
    # Limits come from a, b, f (3, 5, 4) alone: the score 100 of the excluded e moves nothing.
    assert cohort["group"].dropna().to_dict() == {"a": "low", "b": "high", "f": "low"}
    assert cohort.at["b", "time_months"] == 20
    assert np.isnan(cohort.at["b", "age"])
    assert cohort.at["c", "event"]


def test_both_reasons_are_given(clinical: ClinicalTable) -> None:
    slides = SLIDES[SLIDES["patient"] == "c"].assign(patient="e")
    cohort = build_cohort(
        patient_scores(slides, "max", "n_clusters"), clinical, Grouping("quartiles")
    )
    assert cohort["excluded_because"].tolist() == [
        "no score (c1: scale unknown; c2: no score); months: negative time"
    ]


def test_nobody_left_is_a_table_too(clinical: ClinicalTable) -> None:
    scores = patient_scores(SLIDES[SLIDES["patient"] == "d"], "first", "n_clusters")
    cohort = build_cohort(scores, clinical, Grouping("quartiles"))
    assert cohort["analysed"].tolist() == [False]
    assert cohort["group"].isna().all()


def test_a_patient_listed_twice_is_an_error(clinical: ClinicalTable) -> None:
    scores = patient_scores(SLIDES, "first", "n_clusters")
    with pytest.raises(ValueError, match="one-to-one"):
        build_cohort(pd.concat([scores, scores]), clinical, Grouping("median"))


def test_an_empty_sheet_and_an_empty_clinical_table(
    clinical: ClinicalTable, tmp_path: Path
) -> None:
    nobody = build_cohort(
        patient_scores(SLIDES.iloc[:0], "mean", "n_clusters"), clinical, Grouping("quartiles")
    )
    assert nobody.empty
    path = tmp_path / "empty.csv"
    path.write_text("id,months,dead,age\n", encoding="utf-8")
    cohort = build_cohort(
        patient_scores(SLIDES, "max", "n_clusters"),
        read_clinical(path, clinical.spec),
        Grouping("quartiles"),
    )
    assert cohort["patient"].tolist() == ["a", "b", "c", "d"]
    assert cohort["excluded_because"].str.endswith("no row in the clinical table").all()
    result = analyse(cohort, clinical.spec.covariates)
    assert result.groups.reason.startswith("0 events among 0 patients")


@pytest.mark.parametrize("patients", [["01", "02", "03"], []])
def test_a_cohort_comes_back_from_its_file_as_it_was(tmp_path: Path, patients: list[str]) -> None:
    source, target = tmp_path / "clinical.csv", tmp_path / "patients.tsv"
    source.write_text("id,m,d,grade\n01,1.1,1,0\n02,2,0,\n", encoding="utf-8")
    spec = ClinicalSpec.from_config(
        {
            "patient": "id",
            "time": {"column": "m", "unit": "months"},
            "event": {"column": "d", "event": ["1"], "censored": ["0"]},
            "covariates": [{"column": "grade", "kind": "categorical", "reference": "0"}],
        }
    )
    slides = pd.DataFrame({"slide": patients, "patient": patients, "status": "ok", "reason": ""})
    slides["k"] = np.arange(len(slides)) / 3
    scores = patient_scores(slides, "first", "k")
    cohort = build_cohort(scores, read_clinical(source, spec), Grouping("median"))
    write_tsv(target, cohort, Provenance())
    back = read_cohort(target, spec.covariates)
    pd.testing.assert_frame_equal(back, cohort, check_dtype=bool(patients))
    assert analyse(back, spec.covariates) == analyse(cohort, spec.covariates)
