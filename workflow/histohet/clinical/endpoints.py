"""Endpoints: from the cells of a clinical table to follow-up in months and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from histohet.clinical.cells import Finding, counted, is_missing, numbers
from histohet.clinical.settings import EndpointSettings, TimeUnit
from histohet.common.settings import quoted

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

MAX_LOST_SHARE, MIN_LOST = 0.5, 5
"""So many patients of one status without a time, and not of the other, are no chance."""

ROW_USED = "row used"

DEATH = "OS"
"""The endpoint whose event nobody outlives: the published formats and analyses call it so."""

_MONTHS, _EVENT, _COMPETING = "_months", "_event", "_competing"
_STATUSES = {"without an event": 0, "with an event": 1}


def months_column(endpoint: str) -> str:
    """Return the name of an endpoint's times in our tables."""
    return endpoint + _MONTHS


def event_column(endpoint: str) -> str:
    """Return the name of an endpoint's status in our tables."""
    return endpoint + _EVENT


def competing_column(endpoint: str) -> str:
    """Return the name of who had a competing event of an endpoint, where it has any."""
    return endpoint + _COMPETING


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
    as R's `survival` does: the patient is at risk at time 0 only. A time of death of the living,
    and a contact after death, are noted too: the status decides.

    Parameters
    ----------
    name, endpoint
        Its name, and which columns hold it.
    cells
        Text as `histohet.common.settings.by_value` writes it, with its columns, one row per patient
        or form of follow-up.

    Returns
    -------
    outcome
        `months_column` (float64) and `event_column` (Int8, 1 or 0), each missing where it is
        not known; of an endpoint with competing events also `competing_column`, in the same way:
        who had one had not the event.
    findings
        All with the consequence `left_out` leave the patient out of this endpoint.

    Raises
    ------
    ValueError
        If so many times are implausibly long that the unit must be wrong, none of those there are
        can be used, or the codes of events, or of the others, stand in no row while unknown ones
        do.
    """
    event, competing, known, findings = _status(name, endpoint, cells)
    months, of_times = _months(name, endpoint, cells, event, competing)
    outcome = {
        months_column(name): months,
        event_column(name): event.astype("Int8").where(known),
    }
    if endpoint.competing:
        outcome[competing_column(name)] = competing.astype("Int8").where(known)
    found = [*of_times, *contradictions(name, endpoint, cells), *findings]
    return pd.DataFrame(outcome, index=cells.index), found


def _status(
    name: str, endpoint: EndpointSettings, cells: pd.DataFrame
) -> tuple[pd.Series[bool], pd.Series[bool], pd.Series[bool], list[Finding]]:
    """Return who had the event, who a competing one before it, of whom it is known; and findings.

    Competing events with a column of their own count where the event is known not to have happened,
    and must be known there.
    """
    of_keys = {
        "events": endpoint.events,
        "censored": endpoint.censored,
        "competing": endpoint.competing_codes,
    }
    known, findings = _known(name, endpoint.event, of_keys, cells)
    status, apart = cells[endpoint.event], endpoint.competing_apart
    event, competing = status.isin(endpoint.events), status.isin(endpoint.competing_codes)
    if apart:
        keys = {"competing.events": apart.events, "competing.censored": apart.censored}
        told, of_others = _known(name, apart.column, keys, cells)
        without = known & ~event
        competing = without & cells[apart.column].isin(apart.events)
        known &= event | told
        findings += [one._replace(rows=one.rows & without) for one in of_others]
    return event, competing, known, findings


def _known(
    name: str, column: str, of_keys: Mapping[str, tuple[str, ...]], cells: pd.DataFrame
) -> tuple[pd.Series[bool], list[Finding]]:
    """Tell which rows of a status have one of the codes, and find those that have none."""
    status, codes = cells[column], [code for codes in of_keys.values() for code in codes]
    known = status.isin(codes)
    missing = is_missing(status) & ~known
    _check_codes(name, column, of_keys, status[~missing], status[~missing & ~known])
    unknown = f"unknown event code (known: {', '.join(codes)})"
    return known, [
        Finding(column, missing, "event missing", left_out(name)),
        Finding(column, ~known & ~missing, unknown, left_out(name)),
    ]


def _months(
    name: str,
    endpoint: EndpointSettings,
    cells: pd.DataFrame,
    event: pd.Series[bool],
    competing: pd.Series[bool],
) -> tuple[pd.Series[float], list[Finding]]:
    """Return the times in months, NaN where there is none, and what is wrong with them."""
    # Every row has its time from one column, or two of them are the same.
    source = pd.Series(endpoint.censored_time, index=cells.index)
    source = source.mask(competing, endpoint.competing_time).mask(event, endpoint.event_time)
    columns = list(dict.fromkeys(source))
    texts = cells[endpoint.censored_time]
    for column in columns:
        texts = texts.mask(source == column, cells[column])
    times, findings = numbers(texts, left_out(name))
    months = times * MONTHS_PER_UNIT[endpoint.unit]
    missing, too_long = is_missing(texts), months > MAX_PLAUSIBLE_MONTHS
    years = f"{MAX_PLAUSIBLE_MONTHS / 12:g} years"
    if too_long.sum() > MAX_IMPLAUSIBLE_SHARE * months.notna().sum():
        raise ValueError(
            f"{too_long.sum()} of {months.notna().sum()} times of {name} exceed {years}, "
            f"the first in row {too_long.idxmax()}: is their unit really '{endpoint.unit}'?"
        )
    findings += [
        Finding("", missing & event, "event without a time", left_out(name)),
        Finding("", missing & competing, "competing event without a time", left_out(name)),
        Finding("", missing & ~event & ~competing, "time missing", left_out(name)),
        Finding("", months < 0, "negative time", left_out(name)),
        Finding("", months == 0, "time is zero: no follow-up", ROW_USED),
        Finding("", too_long, f"longer than {years}", left_out(name)),
    ]
    usable = months.mask((months < 0) | too_long)
    if usable.isna().all() and not missing.all():
        why = next(one for one in findings if (one.rows & ~missing).any())
        row = (why.rows & ~missing).idxmax()
        raise ValueError(
            f"no time of {name} can be used: row {row} has '{texts[row]}' in column "
            f"'{source[row]}', {why.problem}"
        )
    return usable, [
        one._replace(column=column, rows=one.rows & (source == column))
        for one in findings
        for column in columns
    ]


def contradictions(name: str, endpoint: EndpointSettings, cells: pd.DataFrame) -> list[Finding]:
    """Return where the times of an endpoint contradict its status, which decides."""
    event, censored = (
        cells[endpoint.event].isin(codes) for codes in (endpoint.events, endpoint.censored)
    )
    happened, last = cells[endpoint.event_time], cells[endpoint.censored_time]
    found = []
    if endpoint.event_time != endpoint.censored_time:
        dead = name == DEATH
        words = "alive, with a time of death" if dead else "censored, with a time of the event"
        found.append(
            Finding(endpoint.event_time, censored & ~is_missing(happened), words, ROW_USED)
        )
        if dead:
            later = numbers(last, "")[0] > numbers(happened, "")[0]
            words = "last contact after the death"
            found.append(Finding(endpoint.censored_time, event & later, words, ROW_USED))
    apart = endpoint.competing_apart
    if apart and apart.time:
        had = event & cells[apart.column].isin(apart.events)
        before = numbers(cells[apart.time], "")[0] < numbers(happened, "")[0]
        found.append(
            Finding(apart.time, had & before, "competing event before the event", ROW_USED)
        )
    return found


def _check_codes(
    name: str,
    column: str,
    of_keys: Mapping[str, tuple[str, ...]],
    status: pd.Series[str],
    unknown: pd.Series[str],
) -> None:
    """Refuse codes that are spelled otherwise than the table's: half of the patients would go."""
    for key, codes in of_keys.items():
        if codes and len(unknown) and not status.isin(codes).any():
            raise ValueError(
                f"no row has a code of '{key}' of {name}, {quoted(codes)}: column "
                f"'{column}' has {counted(status)}"
            )


def left_out(name: str) -> str:
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


def lost_by_status(months: pd.Series[float], event: pd.Series[Any]) -> str:
    """Say that patients of one status lack their time and the others do not, "" if it is not so.

    What is left is no sample of the cohort: if the living lack it, only deaths are analysed.
    """
    missing = {status: months[event == code].isna() for status, code in _STATUSES.items()}
    for status, other in (_STATUSES, reversed(_STATUSES)):
        lost, kept = missing[status], missing[other]
        if lost.sum() >= MIN_LOST and lost.mean() > MAX_LOST_SHARE and kept.mean() < MAX_LOST_SHARE:
            return (
                f"{lost.sum()} of {len(lost)} patients {status} have no time that can be used, of "
                f"those {other} {kept.sum()} of {len(kept)}: what is left is no sample of the "
                "cohort; take the times from a table that has them"
            )
    return ""
