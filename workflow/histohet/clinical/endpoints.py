"""Endpoints: from the cells of a clinical table to follow-up in months and events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import pandas as pd

from histohet.clinical.clinical_values import Finding, is_missing, numbers
from histohet.common.settings import check_keys, codes

TimeUnit = Literal["days", "months", "years"]

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

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
"""Names of endpoints: they name columns, files and wildcards."""


@dataclass(frozen=True)
class Endpoint:
    """Which columns of a clinical table hold the time and the status of an endpoint.

    Attributes
    ----------
    name
        Such as ``OS``, ``DSS`` or ``PFS``.
    event_time, censored_time
        Column with the time to the event, and with that to the last contact of the others; mostly
        the same.
    unit
        Unit of both. Analysed in months of `DAYS_PER_MONTH` days.
    event
        Column with the status.
    events, censored
        Codes that mean an event, and those that mean censored (competing events among them).

    Raises
    ------
    ValueError
        If the name cannot name a file, a code means both, either list is empty, or the unit is
        unknown.
    """

    name: str
    event_time: str
    censored_time: str
    unit: TimeUnit
    event: str
    events: tuple[str, ...]
    censored: tuple[str, ...]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"endpoint '{self.name}' must be named by letters and digits")
        if self.unit not in MONTHS_PER_UNIT:
            units = " | ".join(MONTHS_PER_UNIT)
            raise ValueError(f"{self.name}: time unit '{self.unit}' is not one of {units}")
        if not self.events or not self.censored:
            raise ValueError(f"{self.name}: 'events' and 'censored' must both list codes")
        both = set(self.events) & set(self.censored)
        if both:
            raise ValueError(f"{self.name}: codes {sorted(both)} are in 'events' and in 'censored'")

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any]) -> Self:
        """Read ``{time, unit, event, events: [codes], censored: [codes]}``.

        ``time`` is a column, or ``{event: column, censored: column}`` where death and last contact
        have columns of their own.

        Raises
        ------
        ValueError
            If a key is missing, unknown or unfit.
        """
        known = {"time", "unit", "event", "events", "censored"}
        check_keys(config, required=known, known=known, where=f"endpoint '{name}'")
        time = config["time"]
        if isinstance(time, Mapping):
            both = {"event", "censored"}
            check_keys(time, required=both, known=both, where=f"'time' of endpoint '{name}'")
            event_time, censored_time = str(time["event"]), str(time["censored"])
        else:
            event_time = censored_time = str(time)
        return cls(
            name=name,
            event_time=event_time,
            censored_time=censored_time,
            unit=config["unit"],
            event=str(config["event"]),
            events=codes(config["events"]),
            censored=codes(config["censored"]),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        return tuple(dict.fromkeys((self.event_time, self.censored_time, self.event)))

    @property
    def months_column(self) -> str:
        """Name of its times in our tables."""
        return f"{self.name}_months"

    @property
    def event_column(self) -> str:
        """Name of its status in our tables."""
        return f"{self.name}_event"

    @property
    def left_out(self) -> str:
        """What becomes of a patient of whom it is not known."""
        return f"left out of {self.name}"

    def read(self, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
        """Return the endpoint of every row, and what is wrong with which rows.

        A time that is missing, no number, negative or longer than `MAX_PLAUSIBLE_MONTHS` is not
        known, nor is a status that is missing or none of the codes. A time of 0 is noted and kept,
        as R's `survival` does: the patient is at risk at time 0 only.

        Parameters
        ----------
        cells
            Text, with `columns`, one row per patient.

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
        months, findings = self._months(cells)
        status = cells[self.event]
        event, known = status.isin(self.events), status.isin((*self.events, *self.censored))
        missing = is_missing(status) & ~known
        unknown = f"unknown event code (known: {', '.join((*self.events, *self.censored))})"
        findings += [
            Finding(self.event, missing, "event missing", self.left_out),
            Finding(self.event, ~known & ~missing, unknown, self.left_out),
        ]
        outcome = {
            self.months_column: months,
            self.event_column: event.astype("Int8").where(known),
        }
        return pd.DataFrame(outcome, index=cells.index), findings

    def _months(self, cells: pd.DataFrame) -> tuple[pd.Series[float], list[Finding]]:
        """Return the times in months, NaN where there is none, and what is wrong with them."""
        event = cells[self.event].isin(self.events)
        texts = cells[self.event_time].where(event, cells[self.censored_time])
        times, findings = numbers(texts, self.left_out)
        months = times * MONTHS_PER_UNIT[self.unit]
        missing, too_long = is_missing(texts), months > MAX_PLAUSIBLE_MONTHS
        years = f"{MAX_PLAUSIBLE_MONTHS / 12:g} years"
        if too_long.sum() > MAX_IMPLAUSIBLE_SHARE * months.notna().sum():
            raise ValueError(
                f"{too_long.sum()} of {months.notna().sum()} times of {self.name} exceed {years}, "
                f"the first in row {too_long.idxmax()}: is their unit really '{self.unit}'?"
            )
        findings += [
            Finding("", missing & event, "event without a time", self.left_out),
            Finding("", missing & ~event, "time missing", self.left_out),
            Finding("", months < 0, "negative time", self.left_out),
            Finding("", months == 0, "time is zero: no follow-up", ROW_USED),
            Finding("", too_long, f"longer than {years}", self.left_out),
        ]
        # Every row has its time from one of the two columns, or both are the same.
        source = pd.Series(self.censored_time, index=cells.index).mask(event, self.event_time)
        return months.mask((months < 0) | too_long), [
            one._replace(column=column, rows=one.rows & (source == column))
            for one in findings
            for column in dict.fromkeys((self.event_time, self.censored_time))
        ]

    def doubt(self, months: pd.Series[float]) -> str:
        """Say why the unit of known `months` looks wrong, "" if it does not.

        Too long times are an error already; too short ones can be true, so they are a warning.
        """
        known = months.dropna()
        if len(known) < MIN_TIMES_FOR_MEDIAN or known.median() >= MIN_PLAUSIBLE_MEDIAN_MONTHS:
            return ""
        return (
            f"the median of {len(known)} times is {known.median():.2g} months if their unit is "
            f"'{self.unit}': is it?"
        )
