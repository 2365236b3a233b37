"""Single values of clinical tables."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "[not available]", "[not applicable]", "[unknown]"}
)
"""What stands for "no value" in cBioPortal, TCGA-CDR, GDC and spreadsheet exports (lower case)."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_DECIMAL_COMMA = r"[+-]?\d+,\d+"


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
    """Return which cells stand for "no value"."""
    return texts.str.lower().isin(MISSING)


def numbers(texts: pd.Series[str], consequence: str) -> tuple[pd.Series[float], list[Finding]]:
    """Return numbers, NaN for what is missing or no number; the latter is a finding."""
    numeric = texts.str.fullmatch(_NUMBER)
    comma = texts.str.fullmatch(_DECIMAL_COMMA)
    other = ~numeric & ~comma & ~is_missing(texts)
    column = str(texts.name)
    findings = [
        Finding(column, comma, "not a number: write a decimal point, not a comma", consequence),
        Finding(column, other, "not a number", consequence),
    ]
    return texts.where(numeric, "nan").astype(float), findings
