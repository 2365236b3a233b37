"""Clinical tables: what the columns mean, and what is wrong with which row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd

from histohet.clinical_values import check_keys, codes, is_missing, numbers, quoted
from histohet.covariates import EXCLUDES, Covariate
from histohet.sheets import SheetError, read_rows

TimeUnit = Literal["days", "months", "years"]

DAYS_PER_MONTH = 30.4375
"""365.25 / 12. HETMAP divides days by 30 (METHODS §1): its months are 1.4 % shorter, which changes
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

PATIENT_EXCLUDED = "patient excluded"
ROW_LEFT_OUT = "row left out"
ROW_USED = "row used"

PROBLEM_COLUMNS = ("row", "patient", "column", "value", "problem", "consequence")
COHORT_COLUMNS = (
    "patient",
    "slide",
    "n_slides",
    "n_scored",
    "score",
    "group",
    "time_months",
    "event",
    "analysed",
    "excluded_because",
)
"""Columns of the cohort table (`histohet.cohort`), which no covariate may be called."""


class ClinicalError(ValueError):
    """A clinical table cannot be used as configured; the message says why."""


@dataclass(frozen=True)
class ClinicalSpec:
    """Which columns of a clinical table hold what.

    Attributes
    ----------
    patient_column
        Patient identifier.
    time_column, time_unit
        Follow-up time. Analysed in months of `DAYS_PER_MONTH` days.
    event_column, event_codes, censored_codes
        Status, with the codes that mean an event and those that mean censored.
    covariates
        For the Cox model.

    Raises
    ------
    ValueError
        If a code means both, either list is empty, the unit is unknown, or two covariates share a
        name.
    """

    patient_column: str
    time_column: str
    time_unit: TimeUnit
    event_column: str
    event_codes: tuple[str, ...]
    censored_codes: tuple[str, ...]
    covariates: tuple[Covariate, ...] = ()

    def __post_init__(self) -> None:
        if self.time_unit not in MONTHS_PER_UNIT:
            units = " | ".join(MONTHS_PER_UNIT)
            raise ValueError(f"time unit '{self.time_unit}' is not one of {units}")
        if not self.event_codes or not self.censored_codes:
            raise ValueError("the codes for 'event' and for 'censored' must both be given")
        both = set(self.event_codes) & set(self.censored_codes)
        if both:
            raise ValueError(f"codes {sorted(both)} are given for 'event' and for 'censored'")
        names = [covariate.name for covariate in self.covariates]
        if len(set(names)) < len(names):
            raise ValueError(f"two covariates share a name: {', '.join(names)}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a nested mapping, as it stands in the configuration.

        ``{patient, time: {column, unit}, event: {column, event: [codes], censored: [codes]},
        covariates: [{column, kind, name, reference, drop}]}``
        """
        known = {"patient", "time", "event"}
        check_keys(config, required=known, known=known | {"covariates"}, where="the table")
        time, event = config["time"], config["event"]
        known = {"column", "unit"}
        check_keys(time, required=known, known=known, where="'time'")
        known = {"column", "event", "censored"}
        check_keys(event, required=known, known=known, where="'event'")
        return cls(
            patient_column=str(config["patient"]),
            time_column=str(time["column"]),
            time_unit=time["unit"],
            event_column=str(event["column"]),
            event_codes=codes(event["event"]),
            censored_codes=codes(event["censored"]),
            covariates=tuple(Covariate.from_config(item) for item in config.get("covariates", ())),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        columns = [self.patient_column, self.time_column, self.event_column]
        columns += [covariate.column for covariate in self.covariates]
        return tuple(dict.fromkeys(columns))


@dataclass(frozen=True)
class ClinicalTable:
    """A clinical table after all checks.

    Attributes
    ----------
    spec
        How it was read.
    frame
        One row per usable patient: ``patient`` (str), ``time_months`` (float), ``event`` (bool),
        and each covariate under its name (float, or str with NaN where missing).
    problems
        ``row`` (line of the spreadsheet, the header being 1), ``patient``, ``column``, ``value``,
        ``problem``, ``consequence``. Whoever is not in `frame` is in here.
    n_rows
        Rows of the file that hold anything.
    """

    spec: ClinicalSpec
    frame: pd.DataFrame
    problems: pd.DataFrame
    n_rows: int

    def exclusions(self) -> dict[str, str]:
        """Return why each excluded patient is excluded."""
        excluded = self.problems[self.problems["consequence"] == PATIENT_EXCLUDED]
        reasons = (excluded["column"] + ": " + excluded["problem"]).groupby(excluded["patient"])
        return {str(patient): "; ".join(found.unique()) for patient, found in reasons}


def read_clinical(path: str | Path, spec: ClinicalSpec) -> ClinicalTable:
    """Read a clinical table (see `histohet.sheets.read_rows` for the format) and check every row.

    A patient is excluded when rows with the same identifier differ; when the time is missing, not a
    number, negative or longer than `MAX_PLAUSIBLE_MONTHS`; when the event is missing or unknown; or
    when a covariate has a value to be dropped. A time of 0 is noted and kept, as R's `survival`
    does: the patient is at risk at time 0 only. A missing covariate is noted and kept.

    Raises
    ------
    ClinicalError
        If the file cannot be read as a table, a column is missing, or so many times are implausible
        that the unit must be wrong.
    """
    try:
        header, numbered = read_rows(path)
    except SheetError as error:
        raise ClinicalError(str(error)) from error
    absent = [column for column in spec.columns if column not in header]
    if absent:
        raise ClinicalError(f"{path} has no column {quoted(absent)}; there are {quoted(header)}")
    cells = pd.DataFrame(
        [[row[column] for column in spec.columns] for _, row in numbered],
        index=[number for number, _ in numbered],
        columns=list(spec.columns),
        dtype=str,
    )
    problems = _Problems(cells, spec.patient_column)
    rows = _one_row_per_patient(cells, spec.patient_column, problems)
    frame = pd.DataFrame({"patient": rows[spec.patient_column]})
    try:
        frame["time_months"] = _times(rows, spec, problems)
    except ValueError as error:
        raise ClinicalError(f"{path}: {error}") from error
    frame["event"] = _events(rows, spec, problems)
    for covariate in spec.covariates:
        frame[covariate.name], findings = covariate.read(rows[covariate.column])
        for _, having, problem, consequence in findings:
            excluded = PATIENT_EXCLUDED if consequence == EXCLUDES else consequence
            problems.note(rows.index[having], covariate.column, problem, excluded)
    listed = problems.table()
    excluded = listed.loc[listed["consequence"] == PATIENT_EXCLUDED, "patient"]
    usable = frame[~frame["patient"].isin(excluded)].reset_index(drop=True)
    return ClinicalTable(spec, usable, listed, n_rows=len(cells))


class _Problems:
    """Collects problems of rows; a row is known by its number in the file."""

    def __init__(self, cells: pd.DataFrame, patient_column: str) -> None:
        self._cells = cells
        self._patient_column = patient_column
        self._found: list[tuple[object, ...]] = []

    def note(self, rows: pd.Index, column: str, problem: str, consequence: str) -> None:
        """Note the same problem for all of `rows`."""
        patients = self._cells.loc[rows, self._patient_column]
        values = self._cells.loc[rows, column]
        for row, patient, value in zip(rows, patients, values, strict=True):
            self._found.append((row, patient, column, value, problem, consequence))

    def table(self) -> pd.DataFrame:
        """Return what was found in the order of the file."""
        table = pd.DataFrame(self._found, columns=PROBLEM_COLUMNS)
        return table.sort_values("row", kind="stable", ignore_index=True)


def _one_row_per_patient(
    cells: pd.DataFrame, patient_column: str, problems: _Problems
) -> pd.DataFrame:
    """Leave out rows without patient, conflicting rows and repetitions."""
    nameless = cells.index[is_missing(cells[patient_column])]
    problems.note(nameless, patient_column, "patient identifier missing", ROW_LEFT_OUT)
    named = cells.drop(index=nameless)
    for _, rows in named[named.duplicated(patient_column, keep=False)].groupby(patient_column):
        differing = [column for column in rows.columns if rows[column].nunique() > 1]
        if differing:
            problem = f"{len(rows)} rows that differ in {quoted(differing)}"
            problems.note(rows.index, patient_column, problem, PATIENT_EXCLUDED)
            named = named.drop(index=rows.index)
        else:
            problem = f"{len(rows)} rows that agree in every column used"
            problems.note(rows.index[:1], patient_column, problem, ROW_USED)
            problems.note(rows.index[1:], patient_column, problem, ROW_LEFT_OUT)
            named = named.drop(index=rows.index[1:])
    return named


def _times(rows: pd.DataFrame, spec: ClinicalSpec, problems: _Problems) -> pd.Series[float]:
    """Return the times in months, NaN where there is none."""
    column = spec.time_column
    missing = is_missing(rows[column])
    event = rows[spec.event_column].isin(spec.event_codes)
    months, findings = numbers(rows[column], PATIENT_EXCLUDED)
    months = months * MONTHS_PER_UNIT[spec.time_unit]
    for finding in findings:
        problems.note(rows.index[finding.rows], column, finding.problem, finding.consequence)
    too_long = months > MAX_PLAUSIBLE_MONTHS
    years = f"{MAX_PLAUSIBLE_MONTHS / 12:g} years"
    if too_long.sum() > MAX_IMPLAUSIBLE_SHARE * months.notna().sum():
        raise ValueError(
            f"{too_long.sum()} of {months.notna().sum()} times in '{column}' exceed {years}, the "
            f"first in row {too_long.idxmax()}: is their unit really '{spec.time_unit}'?"
        )
    for wrong, problem, consequence in (
        (missing & event, "event without a time", PATIENT_EXCLUDED),
        (missing & ~event, "time missing", PATIENT_EXCLUDED),
        (months < 0, "negative time", PATIENT_EXCLUDED),
        (months == 0, "time is zero: no follow-up", ROW_USED),
        (too_long, f"longer than {years}", PATIENT_EXCLUDED),
    ):
        problems.note(rows.index[wrong], column, problem, consequence)
    return months


def _events(rows: pd.DataFrame, spec: ClinicalSpec, problems: _Problems) -> pd.Series[bool]:
    """Return whether the event was observed; False as well where that is not known."""
    codes = rows[spec.event_column]
    event = codes.isin(spec.event_codes)
    unknown = ~event & ~codes.isin(spec.censored_codes)
    missing = is_missing(codes)
    known = ", ".join([*spec.event_codes, *spec.censored_codes])
    for wrong, problem in (
        (unknown & missing, "event missing"),
        (unknown & ~missing, f"unknown event code (known: {known})"),
    ):
        problems.note(rows.index[wrong], spec.event_column, problem, PATIENT_EXCLUDED)
    return event
