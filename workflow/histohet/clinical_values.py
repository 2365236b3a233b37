"""Single values of clinical tables, and what the configuration says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

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


def quoted(names: Iterable[str]) -> str:
    """Return names for a message."""
    return ", ".join(f"'{name}'" for name in names)


def code(value: object) -> str:
    """Return a code as text. YAML reads an unquoted ``yes`` as true, which no table would hold.

    Raises
    ------
    ValueError
        If it is a truth value.
    """
    if isinstance(value, bool):
        raise ValueError(f"the code {value} must be put in quotes")
    return str(value)


def codes(values: object) -> tuple[str, ...]:
    """Return a list of codes as texts.

    Raises
    ------
    ValueError
        If it is no list, or holds a truth value.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"the codes {values!r} must be a list")
    return tuple(code(value) for value in values)


def check_keys(
    config: Mapping[str, Any], required: Iterable[str], known: Iterable[str], where: str
) -> None:
    """Check the keys of a section.

    Raises
    ------
    ValueError
        If one is missing or unknown.
    """
    absent = sorted(set(required) - set(config))
    unknown = sorted(set(config) - set(known))
    if absent:
        raise ValueError(f"{where} lacks {quoted(absent)}")
    if unknown:
        raise ValueError(f"{where} has no key {quoted(unknown)}")
