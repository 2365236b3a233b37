"""From slides to patients: which slide counts, and what is said where none does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.patients import SLIDES as COHORT_SLIDES
from histohet.cohort.patients import patient_scores

# Those of four patients, and a third one of the first.
THIRD = pd.DataFrame(
    [("a3", "a", "ok", "", 1.0, 10)],
    columns=["slide", "patient", "status", "reason", "n_clusters", "n_tiles"],
)
SLIDES = pd.concat([COHORT_SLIDES[COHORT_SLIDES["patient"] <= "d"], THIRD], ignore_index=True)


@pytest.mark.parametrize(
    ("how", "scores", "slides", "tiles", "trim_by"),
    [
        ("first", [3.0, 5.0, 2.0], ["a2", "b1", "d1"], [30, 50, 20], [30, 50, 20]),
        ("max", [3.0, 7.0, 2.0], ["a2", "b2", "d1"], [30, 70, 20], [30, 70, 20]),
        ("mean", [2.0, 6.0, 2.0], ["a2, a3", "b1, b2", "d1"], [40, 120, 20], [20, 60, 20]),
    ],
)
def test_slides_become_patients(
    how: Any, scores: list[float], slides: list[str], tiles: list[int], trim_by: list[float]
) -> None:
    patients = patient_scores(SLIDES, how, "n_clusters", "n_tiles").set_index("patient")
    assert patients.index.tolist() == ["a", "b", "c", "d"]
    assert patients["n_slides"].tolist() == [3, 2, 2, 1]
    assert patients["n_scored"].tolist() == [2, 2, 0, 1]
    scored = patients.drop(index="c")
    assert scored["n_used"].tolist() == ([2, 2, 1] if how == "mean" else [1, 1, 1])
    assert scored["score"].tolist() == scores
    assert scored["slide"].tolist() == slides
    assert scored["n_tiles"].tolist() == tiles
    assert scored["trim_by"].tolist() == trim_by
    assert (scored["without"] == "").all()
    assert (scored["reason"] == "").all()
    assert np.isnan(patients.at["c", "score"])
    assert pd.isna(patients.at["c", "n_tiles"])
    assert patients.at["c", "slide"] == "c1, c2"
    assert patients.at["c", "without"] == "no slide measured"
    assert patients.at["c", "reason"] == "c1: scale unknown; c2: no score"


def test_a_score_of_a_failed_slide_does_not_count() -> None:
    patients = patient_scores(SLIDES.assign(n_clusters=9.0), "first", "n_clusters")
    assert patients.set_index("patient").at["a", "slide"] == "a2"


@pytest.mark.parametrize("how", ["first", "first_diagnostic", "max", "mean"])
def test_no_slide_at_all_is_an_empty_table(how: Any) -> None:
    assert patient_scores(SLIDES.iloc[:0], how, "n_clusters").empty


def diagnostic(*rows: tuple[str, str, float], status: str = "ok") -> pd.DataFrame:
    """Slides (id, patient, score); a slide without score has failed."""
    table = pd.DataFrame(rows, columns=["slide", "patient", "n_clusters"])
    table["status"] = np.where(table["n_clusters"].isna(), "no_tissue", status)
    table["reason"] = np.where(table["n_clusters"].isna(), "no tissue found", "")
    return table.assign(n_tiles=100)


def test_the_first_diagnostic_slide_counts_whatever_the_scores() -> None:
    slides = diagnostic(
        ("A-01A-01-TSA", "a", 9),
        ("A-01Z-00-DX2", "a", 8),
        ("A-01Z-00-DX1.3F2A", "a", 1),
        ("B-01Z-00-DX10", "b", 7),
        ("B-01Z-00-DX2", "b", 2),
        ("C-01A-01-BSA", "c", 5),
        ("D-01Z-00-DX2", "d", 4),
        ("D-01Z-00-DX1", "d", np.nan),
        ("E-01Z-00-DX1", "e", np.nan),
        ("F-06A-01-DX1", "f", 6),
        ("F-01Z-00-DX1", "f", 3),
    )
    patients = patient_scores(slides, "first_diagnostic", "n_clusters").set_index("patient")
    assert patients["score"].dropna().to_dict() == {"a": 1, "b": 2, "f": 3}
    assert patients.loc[["a", "b", "f"], "slide"].tolist() == [
        "A-01Z-00-DX1.3F2A",
        "B-01Z-00-DX2",
        "F-01Z-00-DX1",
    ]
    assert patients["without"].to_dict() == {
        "a": "",
        "b": "",
        "c": "no diagnostic slide (DX)",
        "d": "first diagnostic slide not measured",
        "e": "no slide measured",
        "f": "",
    }
    assert patients.at["c", "reason"] == "C-01A-01-BSA: has a score"
    assert patients.at["d", "reason"] == "D-01Z-00-DX2: has a score; D-01Z-00-DX1: no tissue found"
    assert patients["n_scored"].tolist() == [3, 2, 1, 1, 0, 2]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_neither_order_nor_scores_choose_the_diagnostic_slide(
    order: list[int], scores: list[int]
) -> None:
    ids = ["P-01Z-00-DX3", "P-01Z-00-DX1", "P-01A-01-TSA", "P-01Z-00-DX2"]
    slides = diagnostic(*((ids[i], "p", score) for i, score in zip(order, scores, strict=True)))
    assert patient_scores(slides, "first_diagnostic", "n_clusters").at[0, "slide"] == ids[1]


@pytest.mark.parametrize(
    ("slides", "how", "score", "trim", "message"),
    [
        (SLIDES, "last", "n_clusters", None, "'last' is not a rule"),
        (SLIDES, "first", "hti", None, "no column 'hti'"),
        (SLIDES, "first", "n_clusters", "hta", "no column 'hta'"),
        (pd.concat([SLIDES, SLIDES[:1]]), "first", "n_clusters", None, "'a1' is listed twice"),
        (SLIDES.assign(patient=None), "first", "n_clusters", None, "'a1' has no patient"),
    ],
)
def test_slide_tables_that_cannot_be_used(
    slides: pd.DataFrame, how: Any, score: str, trim: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        patient_scores(slides, how, score, trim)
