"""Cells of a clinical table: which hold a number or no value, and what is wrong with the others."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from histohet.common import sheets
from histohet.common.settings import quoted

TOO_LARGE = "too large to be measured: the code of SPSS or Stata for a missing value?"

MOST_COUNTED = 12
"""So many codes of a column are named in a message about all of them."""

NOT_COMPUTED = (
    "a formula without a value: open the workbook in a spreadsheet program and save it, so that it "
    "is computed"
)

_SEPARATED = r"[+-]?[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f'’_,][0-9]{3})+(?:[.,][0-9]*)?"
_POINTS = r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]*|\.[0-9]{3})"

WRONG_NUMBERS = {
    r"[+-]?[1-9][0-9]{0,2},[0-9]{3}": (
        "not a number: leave out the comma if it separates thousands, write a point if decimals"
    ),
    rf"{_SEPARATED}|{_POINTS}": "not a number: write it without separators between thousands",
    r"[+-]?[0-9]*,[0-9]+": "not a number: write a decimal point, not a comma",
    r"(?i:[+-]?inf(?:inity)?)": "not a number that can be measured: infinite",
    rf"[<>≤≥]=?\s*{sheets.NUMBER}|{sheets.NUMBER}\s*\+": "not a number, but a bound of one",
    rf"[−–]\s*{sheets.NUMBER}": "not a number: write its minus sign as a hyphen",
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]{1,2}([./-])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})": (
        "not a number, but a date"
    ),
    r"-?[0-9]+ days?, .*|[0-9]+:[0-9]{2}(?::[0-9]{2})?.*": "not a number, but a duration",
    r"=.*": NOT_COMPUTED,
    r"(?s:.*)": "not a number",
}
"""What is no number, by patterns of which the first counts, and what is wrong with it."""


class Finding(NamedTuple):
    """The same problem in some rows of a column.

    Attributes
    ----------
    column
        Header of the column.
    rows
        Whether a row has it, indexed as the table.
    problem, consequence
        What is wrong, and what becomes of it.
    """

    column: str
    rows: pd.Series[bool]
    problem: str
    consequence: str


def is_missing(texts: pd.Series[str]) -> pd.Series[bool]:
    """Return which cells of a column stand for "no value"; beside + a - is negative."""
    missing = texts.map(sheets.is_missing).astype(bool)
    return missing & (texts != "-") if (texts == "+").any() else missing


def numbers(texts: pd.Series[str], consequence: str) -> tuple[pd.Series[float], list[Finding]]:
    """Return numbers, NaN for what is missing or no number; the latter is a finding."""
    numeric = texts.str.fullmatch(sheets.NUMBER).astype(bool)
    values = texts.where(numeric, "nan").astype(float)
    column, left = str(texts.name), ~numeric & ~is_missing(texts)
    findings = []
    for pattern, problem in WRONG_NUMBERS.items():
        rows = left & texts.str.fullmatch(pattern)
        findings.append(Finding(column, rows, problem, consequence))
        left &= ~rows
    huge = values.abs() > sheets.LARGEST_NUMBER
    findings.append(Finding(column, huge, TOO_LARGE, consequence))
    return values.mask(huge), findings


def counted(texts: pd.Series[str]) -> str:
    """Name the codes of a column, the frequent ones first, and how often they come."""
    counts = texts.map(sheets.one_line).value_counts()
    named = [f"{quoted([code])} ({count})" for code, count in counts.head(MOST_COUNTED).items()]
    more = len(counts) - MOST_COUNTED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
