"""Endpoints: from the cells of a clinical table to follow-up in months and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from histohet.clinical.settings import EndpointSettings, TimeUnit

DAYS_PER_MONTH = 30.4375
"""365.25 / 12. HETMAP divides days by 30: its months are 1.4 % shorter, which changes
the time axis and leaves every log-rank test and hazard ratio as it is."""

MONTHS_PER_UNIT: Mapping[TimeUnit, float] = {
    "days": 1 / DAYS_PER_MONTH,
    "months": 1.0,
    "years": 12.0,
}

MAX_PLAUSIBLE_MONTHS = 50 * 12.0
"""A longer follow-up is taken for a typing error or for a wrong unit."""

MAX_IMPLAUSIBLE_SHARE = 0.1
"""Above this share of implausible times it is the unit that is wrong, not the rows."""

MIN_PLAUSIBLE_MEDIAN_MONTHS = 3.0
"""A median follow-up below this looks as if months were taken for days, or years for months: a
cohort followed for 8 to 90 months has a median of 8 to 90 "days"."""

MIN_TIMES_FOR_MEDIAN = 10
"""Fewer times say nothing about their unit."""

ROW_USED = "row used"

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "[not available]", "[not applicable]", "[unknown]"}
)
"""What stands for "no value" in cBioPortal, TCGA-CDR, GDC and spreadsheet exports (lower case)."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_DECIMAL_COMMA = r"[+-]?\d+,\d+"

_MONTHS, _EVENT = "_months", "_event"


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


def months_column(endpoint: str) -> str:
    """Return the name of an endpoint's times in our tables."""
    return endpoint + _MONTHS


def event_column(endpoint: str) -> str:
    """Return the name of an endpoint's status in our tables."""
    return endpoint + _EVENT


def endpoints_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the endpoints of which a table has months and event, in their order."""
    names = [name.removesuffix(_MONTHS) for name in table.columns if name.endswith(_MONTHS)]
    return tuple(name for name in names if event_column(name) in table.columns)


def read_endpoint(
    name: str, endpoint: EndpointSettings, cells: pd.DataFrame
) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the endpoint of every row, and what is wrong with which rows.

    A time that is missing, no number, negative or longer than `MAX_PLAUSIBLE_MONTHS` is not
    known, nor is a status that is missing or none of the codes. A time of 0 is noted and kept,
    as R's `survival` does: the patient is at risk at time 0 only.

    Parameters
    ----------
    name, endpoint
        Its name, and which columns hold it.
    cells
        Text, with its columns, one row per patient.

    Returns
    -------
    outcome
        `months_column` (float64) and `event_column` (Int8, 1 or 0), each missing where it is
        not known.
    findings
        All but times of 0 leave the patient out of this endpoint.

    Raises
    ------
    ValueError
        If so many times are implausibly long that the unit must be wrong.
    """
    months, findings = _months(name, endpoint, cells)
    left_out, status = _left_out(name), cells[endpoint.event]
    event, known = status.isin(endpoint.events), status.isin((*endpoint.events, *endpoint.censored))
    missing = is_missing(status) & ~known
    unknown = f"unknown event code (known: {', '.join((*endpoint.events, *endpoint.censored))})"
    findings += [
        Finding(endpoint.event, missing, "event missing", left_out),
        Finding(endpoint.event, ~known & ~missing, unknown, left_out),
    ]
    outcome = {
        months_column(name): months,
        event_column(name): event.astype("Int8").where(known),
    }
    return pd.DataFrame(outcome, index=cells.index), findings


def _months(
    name: str, endpoint: EndpointSettings, cells: pd.DataFrame
) -> tuple[pd.Series[float], list[Finding]]:
    """Return the times in months, NaN where there is none, and what is wrong with them."""
    left_out, event = _left_out(name), cells[endpoint.event].isin(endpoint.events)
    texts = cells[endpoint.event_time].where(event, cells[endpoint.censored_time])
    times, findings = numbers(texts, left_out)
    months = times * MONTHS_PER_UNIT[endpoint.unit]
    missing, too_long = is_missing(texts), months > MAX_PLAUSIBLE_MONTHS
    years = f"{MAX_PLAUSIBLE_MONTHS / 12:g} years"
    if too_long.sum() > MAX_IMPLAUSIBLE_SHARE * months.notna().sum():
        raise ValueError(
            f"{too_long.sum()} of {months.notna().sum()} times of {name} exceed {years}, "
            f"the first in row {too_long.idxmax()}: is their unit really '{endpoint.unit}'?"
        )
    findings += [
        Finding("", missing & event, "event without a time", left_out),
        Finding("", missing & ~event, "time missing", left_out),
        Finding("", months < 0, "negative time", left_out),
        Finding("", months == 0, "time is zero: no follow-up", ROW_USED),
        Finding("", too_long, f"longer than {years}", left_out),
    ]
    # Every row has its time from one of the two columns, or both are the same.
    source = pd.Series(endpoint.censored_time, index=cells.index).mask(event, endpoint.event_time)
    return months.mask((months < 0) | too_long), [
        one._replace(column=column, rows=one.rows & (source == column))
        for one in findings
        for column in dict.fromkeys((endpoint.event_time, endpoint.censored_time))
    ]


def _left_out(name: str) -> str:
    """Return what becomes of a patient of whom an endpoint is not known."""
    return f"left out of {name}"


def doubt(months: pd.Series[float], unit: TimeUnit) -> str:
    """Say why months look as if read from times of another unit, "" if they do not.

    Too long times are an error already; too short ones can be true, so they are a warning.
    """
    known = months.dropna()
    if len(known) < MIN_TIMES_FOR_MEDIAN or known.median() >= MIN_PLAUSIBLE_MEDIAN_MONTHS:
        return ""
    return (
        f"the median of {len(known)} times is {known.median():.2g} months if their unit is "
        f"'{unit}': is it?"
    )
