"""Cells of clinical tables: what is no value, what is a number, and what is said of the rest."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from histohet.clinical.cells import counted, is_missing, numbers

NO_VALUE = (
    *("", "NA", "nan", "NULL", "None", "none", "N/A", "N.A.", "#N/A", "<NA>", "Missing", "unk"),
    *("'--", "--", "-", "–", "?", ".", "...", ".a", "._", "-1.#IND"),
    *("[Not Available]", "[Not Applicable]", "[Discrepancy]", "[Not Evaluated]", "[Completed]"),
    *("[Pending]", "[Unknown]", "Not Reported", "not reported", "Unknown", "Not Available"),
    *("Unknown/Not Reported", "not allowed to collect", "Not_Recorded", "Unavailable"),
    *("#DIV/0!", "#REF!", "#VALUE!", "#NAME?"),
)
CODES = (
    "No",
    "0",
    "N0",
    "Completed",
    "Pending",
    "Stage X",
    "NX",
    "TX",
    "Negative",
    "1-2",
    "-1",
    "+",
)


@pytest.mark.parametrize("text", NO_VALUE)
def test_what_stands_for_no_value(text: str) -> None:
    assert is_missing(pd.Series([text])).tolist() == [True]


@pytest.mark.parametrize("text", CODES)
def test_what_is_a_code(text: str) -> None:
    assert is_missing(pd.Series([text])).tolist() == [False]


def test_a_minus_beside_a_plus_is_negative() -> None:
    assert is_missing(pd.Series(["+", "-", "", "--"])).tolist() == [False, False, True, True]
    assert is_missing(pd.Series(["T1", "-", "1"])).tolist() == [False, True, False]


THOUSANDS = "write it without separators between thousands"
NUMBERS = {
    "1,234": "leave out the comma if it separates thousands, write a point if decimals",
    "-12,345": "leave out the comma if it separates thousands, write a point if decimals",
    "1,234.5": THOUSANDS,
    "1,234,567": THOUSANDS,
    "1.234,5": THOUSANDS,
    "1.234.567": THOUSANDS,
    "1 234": THOUSANDS,
    "1\u00a0234": THOUSANDS,
    "1'234.50": THOUSANDS,
    "0,234": "write a decimal point, not a comma",
    "12,5": "write a decimal point, not a comma",
    "1234,567": "write a decimal point, not a comma",
    "90+": "a bound of one",
    ">= 89": "a bound of one",
    "≤5": "a bound of one",
    "\u22125": "write its minus sign as a hyphen",
    "2020-01-15": "a date",
    "15.1.2020": "a date",
    "=(D2-E2)/30": "open the workbook in a spreadsheet program and save it",
    "15 days, 0:00:00": "a duration",
    "12:30": "a duration",
    "inf": "infinite",
    "-Infinity": "infinite",
    "1e400": "too large to be measured",
    "1e31": "too large to be measured",
    "-1.79769313486232e+308": "the code of SPSS or Stata",
    "8.98846567431158e+307": "the code of SPSS or Stata",
    "1.70141173319264e+38": "the code of SPSS or Stata",
    "１２": "not a number",
    "1_0": "not a number",
    "0x10": "not a number",
    "12 mo": "not a number",
    "5-": "not a number",
}


@pytest.mark.parametrize("text", NUMBERS)
def test_what_is_no_number_is_a_finding_of_its_row_that_says_why(text: str) -> None:
    values, findings = numbers(pd.Series(["1e3", text, "", "-.5"], name="t"), "left out")
    assert values.tolist()[::3] == [1000, -0.5]
    assert values.isna().tolist() == [False, True, True, False]
    (found,) = [one for one in findings if one.rows.any()]
    assert found.rows.tolist() == [False, True, False, False]
    assert NUMBERS[text] in found.problem
    assert (found.column, found.consequence) == ("t", "left out")


def test_numbers_of_any_size_that_can_be_measured_are_read() -> None:
    texts = ["1e15", "-1e29", "1.", ".5", "+3", "1234", "1.234"]
    values, findings = numbers(pd.Series(texts, name="t"), "left out")
    assert values.tolist() == [1e15, -1e29, 1, 0.5, 3, 1234, 1.234]
    assert not any(one.rows.any() for one in findings)
    assert all(map(math.isfinite, values))


def test_codes_are_counted_the_frequent_ones_first() -> None:
    assert counted(pd.Series(["b", "a\nx", "b"])) == "'b' (2), 'a x' (1)"
    many = pd.Series([f"c{number}" for number in range(20)])
    assert counted(many).endswith("'c11' (1) and 8 more")
