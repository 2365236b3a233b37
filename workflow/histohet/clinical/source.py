"""What one clinical table gives: its rows by patient, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from histohet.clinical.cells import Finding, is_missing
from histohet.clinical.covariates import codes_taken, read_covariate
from histohet.clinical.endpoints import ROW_USED, contradictions, read_endpoint
from histohet.clinical.formats import ClinicalError, read_cells, read_header
from histohet.clinical.problems import (
    ROW_LEFT_OUT,
    USED_AS_THEY_ARE,
    WHERE_CHOSEN,
    Note,
    at_their_cells,
    listed,
    note_on_table,
    of_chosen_rows,
)
from histohet.clinical.rows import Rows, apart_by, as_compared, chosen, joined, numbered
from histohet.clinical.settings import ClinicalSource, Covariate, EndpointSettings, FormatTable
from histohet.clinical.table import PATIENT


class Part(NamedTuple):
    """What a table gives: rows by patient, forms by endpoint, and its problems."""

    rows: pd.DataFrame
    forms: dict[str, pd.DataFrame]
    notes: list[Note]


def read_source(
    source: ClinicalSource,
    columns: Sequence[str],
    conditions: Sequence[Mapping[str, Collection[str]]],
    covariates: Sequence[Covariate],
) -> Part:
    """Read one table: endpoints and columns by patient, and its problems.

    Parameters
    ----------
    source
        The table, and the endpoints that it holds.
    columns
        Further columns to take from it.
    conditions
        Of each analysis; their columns tell rows of a patient apart.
    covariates
        Of which those are checked whose columns are taken.

    Raises
    ------
    ClinicalError
        As `histohet.clinical.join.read_clinical`.
    """
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
    notes = listed(source, findings, every)
    used = dict.fromkeys([source.patient, *([] if source.follow_up else of_endpoints), *columns])
    apart = [column for column in columns if any(column in one for one in conditions)]
    named = every.of(~nameless, list(used))
    rows, of_joining = _one_row_per_patient(source, named, apart)
    by = [chosen(rows.values, source.patient, apart, condition) for condition in conditions]
    of_joining += _where_several_are_chosen(source, named, rows, apart, by)
    # A form has its own time and status, so forms are joined after they are read.
    forms = every.of(~nameless, list(wanted)) if source.follow_up else rows
    outcomes, of_outcomes = _read_endpoints(source, forms)
    for name, endpoint in dated.items():
        of_outcomes += listed(source, contradictions(name, endpoint, forms.values), forms)
    of_rows = [
        note
        for covariate in covariates
        if covariate.column in columns
        for note in _notes_on_covariate(source, covariate, rows)
    ]
    if source.follow_up:
        notes += of_outcomes
    else:
        of_rows = [*of_joining, *of_outcomes, *of_rows]
    patients = rows.values[source.patient]
    owners = patients[pd.concat(by, axis="columns").any(axis="columns")]
    notes += of_chosen_rows(of_rows, dict(zip(owners.index.tolist(), owners, strict=True)))
    frame = rows.values[list(columns)]
    if not source.follow_up:
        frame = pd.concat([*outcomes.values(), frame], axis="columns")
    frame.index = pd.Index(patients, name=PATIENT)
    notes = at_their_cells(notes, rows)
    return Part(frame, outcomes if source.follow_up else {}, notes)


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
        notes += listed(source, found, rows)
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
    return one, listed(source, findings, rows)


def _where_several_are_chosen(
    source: ClinicalSource,
    rows: Rows,
    one: Rows,
    apart: Sequence[str],
    by: Sequence[pd.Series[bool]],
) -> list[Note]:
    """Say what differs between rows of a patient that are told apart, but chosen together.

    Parameters
    ----------
    rows, one
        All rows; and one per patient but for the columns `apart`.
    by
        Which of `one` each condition chooses.
    """
    patients = one.values[source.patient]
    several = {name for rows_of in by for name in patients[rows_of][patients[rows_of].duplicated()]}
    if not several:
        return []
    together, findings = joined(rows, [rows.values[source.patient]]), []
    of_several = together.raw[source.patient].isin(several)
    for column in rows.values.columns.difference([source.patient, *apart], sort=False).tolist():
        told = patients[one.differ[column] != ""]
        differ = (together.differ[column] != "") & of_several
        differ &= ~together.raw[source.patient].isin(told)
        findings.append(Finding(column, differ, "", WHERE_CHOSEN))
    return listed(source, findings, together)


def _agreeing(n_rows: int) -> str:
    return f"{n_rows} rows that agree in every column used"


def _notes_on_covariate(source: ClinicalSource, covariate: Covariate, rows: Rows) -> list[Note]:
    """Return what is wrong with the values of a covariate, and what it takes for levels."""
    texts = rows.values[covariate.column]
    try:
        taken = codes_taken(covariate, texts)
    except ValueError as error:
        raise ClinicalError(f"{source.name}: {error}") from error
    notes = listed(source, read_covariate(covariate, texts)[1], rows)
    if taken:
        notes.append(note_on_table(source, covariate.column, taken, USED_AS_THEY_ARE))
    return notes
