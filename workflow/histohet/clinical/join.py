"""Clinical data of the cohort: tables joined by patient, and what is wrong with which row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from histohet.clinical.covariates import read_covariate
from histohet.clinical.endpoints import (
    ROW_USED,
    Finding,
    doubt,
    endpoints_of,
    event_column,
    is_missing,
    months_column,
    read_endpoint,
)
from histohet.clinical.formats import ClinicalError, read_cells, read_header
from histohet.clinical.settings import ClinicalSource, Covariate
from histohet.common.settings import quoted
from histohet.common.tables import read_tsv

ROW_LEFT_OUT = "row left out"
ALL_LEFT_OUT = "all rows of the patient left out"
USED_AS_THEY_ARE = "used as they are"

PROBLEM_COLUMNS = ("table", "row", "patient", "column", "value", "problem", "consequence")

PATIENT = "patient"


@dataclass(frozen=True)
class ClinicalTable:
    """What the clinical tables say of every patient, after all checks.

    Attributes
    ----------
    frame
        One row per patient of any table: ``patient``; for every endpoint E ``E_months`` (float64)
        and ``E_event`` (Int8, 1 or 0), each missing where it is not known; then the columns that
        analyses ask for, as text under their own names ("" where the patient has none).
    problems
        ``table``, ``row`` (of the file, from 1), ``patient``, ``column``, ``value``, ``problem``,
        ``consequence``. Whoever is in a table and not in `frame` is in here.
    """

    frame: pd.DataFrame
    problems: pd.DataFrame

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the endpoints."""
        return endpoints_of(self.frame)

    def exclusions(self) -> dict[str, str]:
        """Return why patients of the tables are not in `frame`."""
        conflicts = self.problems[self.problems["consequence"] == ALL_LEFT_OUT]
        absent = conflicts[~conflicts[PATIENT].isin(self.frame[PATIENT])]
        reasons = (absent["column"] + ": " + absent["problem"]).groupby(absent[PATIENT])
        return {str(patient): "; ".join(found.unique()) for patient, found in reasons}


def read_clinical(
    sources: Sequence[ClinicalSource],
    columns: Iterable[str] = (),
    covariates: Iterable[Covariate] = (),
) -> ClinicalTable:
    """Read clinical tables, check every row, and join them by patient.

    Rows of a table that name the same patient and agree in all that is read count once; where they
    differ none counts. What is wrong with an endpoint (`read_endpoint`) leaves the patient out of
    that endpoint, not of the others.

    Parameters
    ----------
    sources
        Tables and what their columns mean (`histohet.clinical.formats.clinical_sources`).
    columns
        Further columns that are wanted, each taken from the first table that has it.
    covariates
        Their columns are wanted as well, and their values are checked.

    Raises
    ------
    ClinicalError
        If a table cannot be read, no table has a column, so many times are implausible that their
        unit must be wrong, or a wanted column has the name of one of ours.
    """
    checked = list(covariates)
    wanted = list(dict.fromkeys([*columns, *(covariate.column for covariate in checked)]))
    endpoints = [endpoint for source in sources for endpoint in source.endpoints]
    own = [PATIENT, *(name(one) for one in endpoints for name in (months_column, event_column))]
    if set(own) & set(wanted):
        ours = quoted(sorted(set(own) & set(wanted)))
        raise ClinicalError(f"no filter or covariate can be called {ours}: our own columns are")
    taken = _first_with(sources, wanted)
    parts = [
        _read(source, names, checked)
        for source, names in zip(sources, taken, strict=True)
        if source.endpoints or names
    ]
    patients = dict.fromkeys(patient for part, _ in parts for patient in part.index)
    joined = pd.DataFrame(index=pd.Index(list(patients), name=PATIENT, dtype=object))
    joined = joined.join([part for part, _ in parts])
    frame = joined.fillna(dict.fromkeys(wanted, "")).reset_index()
    nothing = pd.DataFrame(columns=list(PROBLEM_COLUMNS))
    found = [problems for _, problems in parts if len(problems)]
    problems = pd.concat(found, ignore_index=True) if found else nothing
    return ClinicalTable(frame[[*own, *wanted]], problems)


def read_clinical_tsv(frame: str | Path, problems: str | Path) -> ClinicalTable:
    """Read clinical data back from the TSV files of its `frame` and its `problems`."""
    return ClinicalTable(read_tsv(frame), read_tsv(problems))


def _first_with(sources: Sequence[ClinicalSource], wanted: Sequence[str]) -> list[list[str]]:
    """Return which of the wanted columns are taken from each table."""
    taken: list[list[str]] = [[] for _ in sources]
    headers = [read_header(source) for source in sources] if wanted else []
    for column in wanted:
        having = [number for number, header in enumerate(headers) if column in header]
        if not having:
            tables = ", ".join(source.name for source in sources) or "there is none"
            raise ClinicalError(f"column '{column}' is in none of the clinical tables ({tables})")
        taken[having[0]].append(column)
    return taken


def _read(
    source: ClinicalSource, columns: Sequence[str], covariates: Sequence[Covariate]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one table: endpoints and columns by patient, and its problems."""
    of_endpoints = [name for one in source.endpoints.values() for name in one.columns]
    cells = read_cells(source, list(dict.fromkeys([source.patient, *of_endpoints, *columns])))
    rows, findings = _one_row_per_patient(cells, source.patient)
    parts = []
    for name, endpoint in source.endpoints.items():
        try:
            outcome, found = read_endpoint(name, endpoint, rows)
        except ValueError as error:
            raise ClinicalError(f"{source.name}: {error}") from error
        parts.append(outcome)
        findings += found
    for covariate in covariates:
        if covariate.column in columns:
            findings += read_covariate(covariate, rows[covariate.column])[1]
    frame = pd.concat([*parts, rows[list(columns)]], axis="columns")
    frame.index = pd.Index(rows[source.patient], name=PATIENT)
    noted = [
        (
            *(source.name, row, cells.at[row, source.patient], found.column),
            *(cells.at[row, found.column], found.problem, found.consequence),
        )
        for found in findings
        for row in found.rows.index[found.rows]
    ]
    for name, endpoint in source.endpoints.items():
        reason = doubt(frame[months_column(name)], endpoint.unit)
        if reason:
            header = (source.name, 1, "", endpoint.event_time, "")
            noted.append((*header, reason, USED_AS_THEY_ARE))
    problems = pd.DataFrame(noted, columns=list(PROBLEM_COLUMNS)).drop_duplicates()
    return frame, problems.sort_values("row", kind="stable", ignore_index=True)


def _one_row_per_patient(cells: pd.DataFrame, patient: str) -> tuple[pd.DataFrame, list[Finding]]:
    """Leave out rows without patient, rows that contradict each other, and repetitions."""
    nameless = is_missing(cells[patient])
    findings = [Finding(patient, nameless, "patient identifier missing", ROW_LEFT_OUT)]
    kept = cells[~nameless]
    for _, rows in kept[kept.duplicated(patient, keep=False)].groupby(patient):
        all_of_them = pd.Series(True, index=rows.index)
        differing = [column for column in rows.columns if rows[column].nunique() > 1]
        if differing:
            problem = f"{len(rows)} rows that differ in {quoted(differing)}"
            findings.append(Finding(patient, all_of_them, problem, ALL_LEFT_OUT))
            kept = kept.drop(index=rows.index)
        else:
            problem = f"{len(rows)} rows that agree in every column used"
            first = all_of_them & (rows.index == rows.index[0])
            findings.append(Finding(patient, first, problem, ROW_USED))
            findings.append(Finding(patient, ~first, problem, ROW_LEFT_OUT))
            kept = kept.drop(index=rows.index[1:])
    return kept, findings
