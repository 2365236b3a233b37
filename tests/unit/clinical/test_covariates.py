"""Covariates: recoding into levels, what is dropped, and that no code is guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.clinical.covariates import EXCLUDES, NOT_IN_COX, read_covariate
from histohet.clinical.settings import Covariate

T: dict[str, Any] = {
    "column": "stage",
    "kind": "categorical",
    "name": "T",
    "levels": {"T1-2": ["T1", "T2", "T2A"], "T3-4": ["T3", "T4"]},
    "reference": "T1-2",
    "drop": ["TX"],
}


def cells(*texts: str) -> pd.Series[str]:
    """Cells of the column, their rows numbered as in a file."""
    return pd.Series(texts, index=range(2, len(texts) + 2), name="stage", dtype=str)


def found(covariate: Covariate, *texts: str) -> list[tuple[list[int], str, str]]:
    _, findings = read_covariate(covariate, cells(*texts))
    return [
        (list(one.rows.index[one.rows]), one.problem, one.consequence)
        for one in findings
        if one.rows.any()
    ]


def test_codes_become_levels() -> None:
    values, _ = read_covariate(Covariate(**T), cells("T1", "T2A", "T4", "T2"))
    assert values.tolist() == ["T1-2", "T1-2", "T3-4", "T1-2"]
    assert found(Covariate(**T), "T1", "T4") == []


def test_a_code_in_no_level_is_a_problem_of_its_row_and_no_guess() -> None:
    covariate = Covariate(**T)
    problem = "code in no level of 'T' ('T1-2', 'T3-4') and not in 'drop'"
    assert found(covariate, "T1", "T4C", "t1") == [([3, 4], problem, EXCLUDES)]
    values, _ = read_covariate(covariate, cells("T1", "T4C", "t1"))
    assert values.isna().tolist() == [False, True, True]


def test_dropped_and_missing_codes_are_told_apart() -> None:
    covariate = Covariate(**T)
    assert found(covariate, "TX", "NA", "", "T3") == [
        ([2], "value excluded by the configuration", EXCLUDES),
        ([3, 4], "covariate missing", NOT_IN_COX),
    ]
    values, _ = read_covariate(covariate, cells("TX", "NA", "", "T3"))
    assert values.isna().tolist() == [True, True, True, False]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_an_empty_code_in_drop_excludes_whatever_is_missing(kind: str) -> None:
    reference = {"reference": "1"} if kind == "categorical" else {}
    covariate = Covariate(column="stage", kind=kind, drop=["", "9"], **reference)
    texts = ("1", "", "[Not Available]", "9")
    problem = "value excluded by the configuration"
    assert found(covariate, *texts) == [([3, 4, 5], problem, EXCLUDES)]
    assert read_covariate(covariate, cells(*texts))[0].isna().tolist() == [False, True, True, True]


def test_what_usually_means_missing_may_be_a_level() -> None:
    covariate = Covariate(
        **T | {"levels": {"known": ["T1"], "unknown": ["[Unknown]"]}, "reference": "known"}
    )
    assert read_covariate(covariate, cells("[Unknown]", "T1"))[0].tolist() == ["unknown", "known"]


def test_without_levels_every_code_is_its_own() -> None:
    covariate = Covariate(
        column="stage", kind="categorical", name="N", reference="N0", drop=("NX",)
    )
    values, _ = read_covariate(covariate, cells("N0", "N3A", "NX"))
    assert values.tolist()[:2] == ["N0", "N3A"]
    assert values.isna().tolist() == [False, False, True]


def test_numbers_are_read_and_anything_else_is_named() -> None:
    covariate = Covariate(column="stage", kind="numeric", name="age")
    values, _ = read_covariate(covariate, cells("7", "7,5", "old", "NA", "1e3"))
    np.testing.assert_array_equal(values, [7, np.nan, np.nan, np.nan, 1000])
    assert found(covariate, "7", "7,5", "old", "NA") == [
        ([5], "covariate missing", NOT_IN_COX),
        ([3], "not a number: write a decimal point, not a comma", NOT_IN_COX),
        ([4], "not a number", NOT_IN_COX),
    ]


@given(st.lists(st.sampled_from(["T1", "T2A", "T3", "TX", "T9", "", "NA", "[unknown]"])))
def test_every_row_has_a_level_or_one_finding(texts: list[str]) -> None:
    values, findings = read_covariate(Covariate(**T), cells(*texts))
    noted = sum((one.rows.astype(int) for one in findings), start=0 * values.isna())
    assert (noted == values.isna()).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "number"}, "should be 'numeric' or 'categorical'"),
        ({"reference": ""}, "needs a reference"),
        ({"reference": "T1"}, "reference 'T1' is none of its levels 'T1-2', 'T3-4'"),
        ({"levels": {"T1-2": ["T1", "TX"]}}, "'TX' must be in one level"),
        ({"levels": {"T1-2": ["T1"], "T3-4": ["T1"]}}, "'T1' must be in one level"),
        ({"levels": {"T1-2": "T1"}}, "valid tuple"),
        ({"kind": "numeric", "reference": ""}, "is numeric and has no levels"),
        ({"kind": "numeric", "levels": {}}, "is numeric and has no reference"),
        ({"drop": [True]}, "quotes"),
        ({"levels": {}, "reference": "TX"}, "drops its own reference"),
        ({"refrence": "T1"}, "unknown key; did you mean reference"),
    ],
)
def test_configuration_errors_say_what_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Covariate(**(T | changes))


def test_numbers_in_the_configuration_are_codes() -> None:
    covariate = Covariate.model_validate(
        {"column": "c", "kind": "categorical", "levels": {"low": [1, 2], "high": [3]}}
        | {"reference": "low", "drop": [9]}
    )
    assert covariate.levels == {"low": ("1", "2"), "high": ("3",)}
    assert covariate.drop == ("9",)
