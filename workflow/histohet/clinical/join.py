"""Clinical data of the cohort: tables joined by patient, and what is wrong with which row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from histohet.clinical.cells import Finding, counted, is_missing
from histohet.clinical.covariates import codes_taken, read_covariate
from histohet.clinical.endpoints import (
    ROW_USED,
    contradictions,
    doubt,
    endpoints_of,
    event_column,
    left_out,
    lost_by_status,
    months_column,
    read_endpoint,
)
from histohet.clinical.follow_up import latest
from histohet.clinical.formats import ClinicalError, read_cells, read_header
from histohet.clinical.rows import Rows, apart_by, as_compared, first_known, joined, numbered
from histohet.clinical.settings import ClinicalSource, Covariate, EndpointSettings, FormatTable
from histohet.common.settings import did_you_mean, quoted
from histohet.common.sheets import one_line
from histohet.common.tables import read_tsv

ROW_LEFT_OUT = "row left out"
USED_AS_THEY_ARE = "used as they are"
WHERE_CHOSEN = "used where a condition chooses among the rows, otherwise missing"
OF_ALL_ROWS = {ROW_USED, ROW_LEFT_OUT, USED_AS_THEY_ARE, WHERE_CHOSEN}

PROBLEM_COLUMNS = ("table", "row", "patient", "column", "value", "problem", "consequence")

PATIENT = "patient"

MOST_SHOWN = 3
"""So many ids are shown of those that do not match."""

Note = tuple[str, int, str, str, str, str, str]
"""A problem, by `PROBLEM_COLUMNS`."""


@dataclass(frozen=True)
class ClinicalTable:
    """What the clinical tables say of every patient, after all checks.

    Attributes
    ----------
    frame
        One row per patient of any table, or several where columns of conditions tell the rows of a
        patient apart: ``patient``; for every endpoint E ``E_months`` (float64) and ``E_event``
        (Int8, 1 or 0), each missing where it is not known; then the columns that analyses ask for,
        as text under their own names ("" where the patient has none).
    problems
        ``table``, ``row`` (of the file, from 1), ``patient``, ``column``, ``value``, ``problem``,
        ``consequence``. A row that is in no row of `frame` is in here.
    """

    frame: pd.DataFrame
    problems: pd.DataFrame

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the endpoints."""
        return endpoints_of(self.frame)

    def check_patients(self, patients: Iterable[str]) -> None:
        """Refuse tables that know none of the patients.

        Raises
        ------
        ClinicalError
            With ids of both sides, which are spelled differently.
        """
        wanted, known = list(dict.fromkeys(patients)), self.frame[PATIENT].drop_duplicates()
        if not known.isin(wanted).any():
            there = quoted(map(one_line, known.head(MOST_SHOWN))) or "none"
            raise ClinicalError(
                "no patient of the slides is in the clinical tables: the slide sheet has "
                f"{quoted(wanted[:MOST_SHOWN])}, the tables have {there}; spell them alike: by the "
                "column 'patient' of the sheet, by patient_pattern, or by another column as "
                "'patient' of a table"
            )

    def where(self, conditions: Mapping[str, Collection[str]]) -> pd.DataFrame:
        """Return one row per patient, indexed by patient, of those that meet all conditions.

        A patient of whom none does has the first row. What several rows of a patient disagree on
        is missing.

        Parameters
        ----------
        conditions
            Values of columns.

        Raises
        ------
        ClinicalError
            If no row has any of the values of a column.
        """
        frame = self.frame
        meets = pd.Series(True, index=frame.index)
        for column, values in conditions.items():
            meet, known = frame[column].isin(list(values)), ~is_missing(frame[column])
            if known.any() and not meet.any():
                raise ClinicalError(
                    f"no row has {quoted(values)} in column '{column}', which has "
                    f"{counted(frame.loc[known, column])}"
                )
            meets &= meet
        without = ~frame[PATIENT].isin(frame.loc[meets, PATIENT])
        rows = frame[meets | (without & ~frame[PATIENT].duplicated())]
        patients = rows.pop(PATIENT)
        if not patients.duplicated().any():
            return rows.set_axis(pd.Index(patients, name=PATIENT))
        texts = [column for column in rows.columns if column not in self._of_endpoints]
        gaps = rows.isna()
        gaps[texts] = rows[texts].apply(is_missing)
        one, differ = first_known(rows, [patients], gaps)
        differ[list(conditions)] = False
        one = one.mask(differ)
        one[texts] = one[texts].fillna("")
        return one.set_axis(pd.Index(patients.drop_duplicates(), name=PATIENT))

    @property
    def _of_endpoints(self) -> set[str]:
        return {name(one) for one in self.endpoints for name in (months_column, event_column)}


class _Part(NamedTuple):
    """What a table gives: rows by patient, forms by endpoint, and its problems."""

    rows: pd.DataFrame
    forms: dict[str, pd.DataFrame]
    notes: list[Note]


def read_clinical(
    sources: Sequence[ClinicalSource],
    columns: Iterable[str] = (),
    covariates: Iterable[Covariate] = (),
) -> ClinicalTable:
    """Read clinical tables, check every row, and join them by patient.

    Rows of a table that name the same patient are one row, unless a column of a condition tells
    them apart. A gap contradicts nothing; a cell in which they differ is missing. What is wrong
    with an endpoint (`read_endpoint`) leaves the patient out of that endpoint, not of the others.
    Of forms of follow-up, in one table or several, an event or the latest contact counts.

    Parameters
    ----------
    sources
        Tables and what their columns mean (`histohet.clinical.formats.clinical_sources`).
    columns
        Columns of conditions, each taken from the first table that has it.
    covariates
        Their columns are wanted as well, and their values are checked.

    Raises
    ------
    ClinicalError
        If a table cannot be read, no table has a column, so many times are implausible that their
        unit must be wrong, codes of a status or of levels match nothing, or a wanted column has
        the name of one of ours.
    """
    checked, conditions = list(covariates), list(columns)
    wanted = list(dict.fromkeys([*conditions, *(covariate.column for covariate in checked)]))
    endpoints = dict.fromkeys(endpoint for source in sources for endpoint in source.endpoints)
    own = [PATIENT, *(name(one) for one in endpoints for name in (months_column, event_column))]
    if set(own) & set(wanted):
        ours = quoted(sorted(set(own) & set(wanted)))
        raise ClinicalError(f"no filter or covariate can be called {ours}: our own columns are")
    parts = [
        _read(source, names, conditions, checked)
        for source, names in zip(sources, _first_with(sources, wanted), strict=True)
        if source.endpoints or names
    ]
    notes = [note for part in parts for note in part.notes]
    frames = [part.rows for part in parts]
    for name in endpoints:
        forms = [part.forms[name] for part in parts if name in part.forms]
        if forms:
            outcome, notes = _of_forms(name, pd.concat(forms, ignore_index=True), notes)
            frames.append(outcome)
    patients = dict.fromkeys(patient for frame in frames for patient in frame.index)
    frame = pd.DataFrame(index=pd.Index(list(patients), name=PATIENT, dtype=object))
    for one in frames:
        frame = frame.join(one)
    frame = frame.fillna(dict.fromkeys(wanted, "")).reset_index()[[*own, *wanted]]
    notes += _notes_on_tables(sources, frame)
    order = {source.name: number for number, source in enumerate(sources)}
    notes = sorted(dict.fromkeys(notes), key=lambda note: (order[note[0]], note[1]))
    return ClinicalTable(frame, pd.DataFrame(notes, columns=list(PROBLEM_COLUMNS)))


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
            hint = did_you_mean(column, [name for header in headers for name in header])
            raise ClinicalError(
                f"column '{column}' is in none of the clinical tables ({tables}){hint}"
            )
        taken[having[0]].append(column)
    return taken


def _read(
    source: ClinicalSource,
    columns: Sequence[str],
    conditions: Sequence[str],
    covariates: Sequence[Covariate],
) -> _Part:
    """Read one table: endpoints and columns by patient, and its problems."""
    noted, dated = _of_format(source)
    read = [*source.endpoints.values(), *dated.values()]
    of_endpoints = [name for endpoint in read for name in endpoint.columns]
    wanted = dict.fromkeys([source.patient, *of_endpoints, *columns, *noted])
    raw = read_cells(source, list(wanted))
    every = as_compared(raw, source.patient, source.missing)
    nameless = is_missing(raw[source.patient])
    findings = [Finding(source.patient, nameless, "patient identifier missing", ROW_LEFT_OUT)]
    findings += [
        Finding(column, ~nameless & ~is_missing(raw[column]), "noted in the table", ROW_USED)
        for column in noted
    ]
    notes = _listed(source, findings, every)
    used = dict.fromkeys([source.patient, *([] if source.follow_up else of_endpoints), *columns])
    apart = [column for column in columns if column in conditions]
    rows, of_joining = _one_row_per_patient(source, every.of(~nameless, list(used)), apart)
    # A form has its own time and status, so forms are joined after they are read.
    forms = every.of(~nameless, list(wanted)) if source.follow_up else rows
    outcomes, of_outcomes = _read_endpoints(source, forms)
    for name, endpoint in dated.items():
        of_outcomes += _listed(source, contradictions(name, endpoint, forms.values), forms)
    notes += [*([] if source.follow_up else of_joining), *of_outcomes]
    for covariate in covariates:
        if covariate.column in columns:
            notes += _notes_on_covariate(source, covariate, rows)
    frame = rows.values[list(columns)]
    if not source.follow_up:
        frame = pd.concat([*outcomes.values(), frame], axis="columns")
    frame.index = pd.Index(rows.values[source.patient], name=PATIENT)
    notes = _of_chosen_rows(notes, Counter(frame.index))
    return _Part(frame, outcomes if source.follow_up else {}, notes)


def _of_format(source: ClinicalSource) -> tuple[list[str], dict[str, EndpointSettings]]:
    """Return columns of remarks that a table has, and endpoints by the times of its dates."""
    if not isinstance(source, FormatTable) or not (source.noted or source.dates):
        return [], {}
    header = read_header(source)
    dated = {name: source.endpoint_by_dates(name, header) for name in source.endpoints}
    return (
        [column for column in source.noted if column in header],
        {name: endpoint for name, endpoint in dated.items() if endpoint is not None},
    )


def _read_endpoints(
    source: ClinicalSource, rows: Rows
) -> tuple[dict[str, pd.DataFrame], list[Note]]:
    """Return the endpoints of the rows, by name, and what is wrong with them.

    Of forms also where each comes from: ``patient``, ``table``, ``row``, ``column`` of the status.
    """
    outcomes, notes = {}, []
    for name, endpoint in source.endpoints.items():
        try:
            outcome, found = read_endpoint(name, endpoint, rows.values)
        except ValueError as error:
            raise ClinicalError(f"{source.name}: {error}") from error
        notes += _listed(source, found, rows)
        if source.follow_up:
            outcome[PATIENT] = rows.values[source.patient]
            outcome["table"], outcome["row"] = source.name, outcome.index
            outcome["column"] = endpoint.event
        outcomes[name] = outcome
    return outcomes, notes


def _one_row_per_patient(
    source: ClinicalSource, rows: Rows, apart: Sequence[str]
) -> tuple[Rows, list[Note]]:
    """Join the rows of each patient, but those that the columns `apart` tell apart."""
    keys = apart_by(rows.values, source.patient, apart)
    one = joined(rows, keys)
    number = numbered(keys)
    agree = number.isin(number[one.differ.index[(one.differ == "").all(axis="columns")]])
    size, first = number.map(number.value_counts()), ~number.duplicated()
    findings = [
        Finding(source.patient, agree & (size == n) & which, _agreeing(n), consequence)
        for n in sorted(set(size) - {1})
        for which, consequence in ((first, ROW_USED), (~first, ROW_LEFT_OUT))
    ]
    notes = _listed(source, findings, rows)
    if not apart:
        return one, notes
    # Where no condition chooses, these rows are joined as well.
    patients, together = rows.values[source.patient], joined(rows, [rows.values[source.patient]])
    findings = []
    for column in rows.values.columns.difference([source.patient, *apart], sort=False).tolist():
        told = patients[one.differ.index[one.differ[column] != ""]]
        differ = (together.differ[column] != "") & ~together.raw[source.patient].isin(told)
        findings.append(Finding(column, differ, "", WHERE_CHOSEN))
    return one, notes + _listed(source, findings, together)


def _of_chosen_rows(notes: Sequence[Note], rows: Mapping[str, int]) -> list[Note]:
    """Say of what some rows of a patient cost that it costs that where a condition chooses them.

    Parameters
    ----------
    rows
        How many rows of each patient conditions may choose from.
    """
    affected: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    costs = [_cost(note) for note in notes]
    for note, cost in zip(notes, costs, strict=True):
        affected[cost].add(note[1])
    return [
        (*note[:-1], f"{note[-1]} where a condition chooses this row")
        if note[-1] not in OF_ALL_ROWS and len(affected[cost]) < rows[note[2]]
        else note
        for note, cost in zip(notes, costs, strict=True)
    ]


def _cost(note: Note) -> tuple[str, ...]:
    """Return what a problem costs whom: an endpoint by any of its columns, or a covariate."""
    _, _, patient, column, _, _, consequence = note
    return patient, consequence, "" if consequence.startswith(left_out("")) else column


def _agreeing(n_rows: int) -> str:
    return f"{n_rows} rows that agree in every column used"


def _of_forms(
    name: str, forms: pd.DataFrame, notes: Sequence[Note]
) -> tuple[pd.DataFrame, list[Note]]:
    """Return an endpoint by all forms of the patients, and what is noted of the forms.

    What is wrong with a form costs the patient nothing where another form tells.
    """
    outcome, words = latest(forms, name)
    known = outcome.index[outcome.notna().all(axis="columns")]
    tables = set(forms["table"])
    kept = [
        (*note[:-1], ROW_LEFT_OUT)
        if note[0] in tables and note[-1] == left_out(name) and note[2] in known
        else note
        for note in notes
    ]
    odd = forms[words != ""]
    wanted = ("table", "row", PATIENT, "column", months_column(name))
    columns = (odd[column].tolist() for column in wanted)
    for *place, months, problem in zip(*columns, words[odd.index], strict=True):
        kept.append((*place, f"{months:.4g} months", problem, ROW_USED))
    return outcome, kept


def _listed(source: ClinicalSource, findings: Iterable[Finding], rows: Rows) -> list[Note]:
    """Return what was found as problems of the single rows.

    What is wrong with a cell in which joined rows differ is that they do.
    """
    notes: list[Note] = []
    for found in findings:
        raw, _, differ = (part.loc[found.rows] for part in rows)
        for row, patient, cell, words in zip(
            raw.index.tolist(),
            raw[source.patient].tolist(),
            raw[found.column].tolist(),
            differ[found.column].tolist(),
            strict=True,
        ):
            place = (source.name, row, patient, found.column, cell)
            notes.append((*place, words or found.problem, found.consequence))
    return notes


def _notes_on_covariate(source: ClinicalSource, covariate: Covariate, rows: Rows) -> list[Note]:
    """Return what is wrong with the values of a covariate, and what it takes for levels."""
    texts = rows.values[covariate.column]
    try:
        taken = codes_taken(covariate, texts)
    except ValueError as error:
        raise ClinicalError(f"{source.name}: {error}") from error
    notes = _listed(source, read_covariate(covariate, texts)[1], rows)
    if taken:
        notes.append(_note_on_table(source, covariate.column, taken, USED_AS_THEY_ARE))
    return notes


def _notes_on_tables(sources: Sequence[ClinicalSource], frame: pd.DataFrame) -> Iterator[Note]:
    """Yield what is doubtful about whole tables."""
    formats = [source.format for source in sources if isinstance(source, FormatTable)]
    told = set()
    for source in sources:
        if isinstance(source, FormatTable) and source.lacks and formats.count(source.format) == 1:
            yield _note_on_table(source, "", source.lacks, USED_AS_THEY_ARE)
        for name, endpoint in source.endpoints.items():
            months, event = frame[months_column(name)], frame[event_column(name)]
            doubts = [doubt(months, endpoint.unit), lost_by_status(months, event)]
            if len(frame) and not (months.notna() & event.notna()).any():
                words = "no patient has both a time and a status"
                yield _note_on_table(source, endpoint.event, words, f"no analysis of {name}")
            elif name not in told:
                for words in filter(None, doubts):
                    yield _note_on_table(source, endpoint.event_time, words, USED_AS_THEY_ARE)
            told.add(name)


def _note_on_table(source: ClinicalSource, column: str, problem: str, consequence: str) -> Note:
    return (source.name, source.skip_lines + 1, "", column, "", problem, consequence)
