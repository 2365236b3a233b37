"""Clinical data of the cohort: tables joined by patient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import pandas as pd

from histohet.clinical.endpoints import (
    ROW_USED,
    competing_column,
    doubt,
    event_column,
    left_out,
    lost_by_status,
    months_column,
)
from histohet.clinical.follow_up import latest
from histohet.clinical.formats import ClinicalError, read_header
from histohet.clinical.problems import (
    PROBLEM_COLUMNS,
    ROW_LEFT_OUT,
    USED_AS_THEY_ARE,
    Note,
    note_on_table,
)
from histohet.clinical.settings import ClinicalSource, Covariate, FormatTable
from histohet.clinical.source import read_source
from histohet.clinical.table import PATIENT, ClinicalTable
from histohet.common.settings import did_you_mean, quoted


def read_clinical(
    sources: Sequence[ClinicalSource],
    conditions: Iterable[Mapping[str, Collection[str]]] = (),
    covariates: Iterable[Covariate] = (),
    columns: Iterable[str] = (),
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
    conditions
        Of each analysis, values by column (`ClinicalTable.where`); {} of one without. Columns are
        taken from the first table that has them. Listed is what concerns rows that are used.
    covariates
        Their columns are wanted as well, and their values are checked.
    columns
        Further columns that are wanted, as they are.

    Raises
    ------
    ClinicalError
        If a table cannot be read, no table has a column, so many times are implausible that their
        unit must be wrong, codes of a status or of levels match nothing, or a wanted column has
        the name of one of ours.
    """
    checked, chosen_by = list(covariates), list(conditions) or [{}]
    apart = [column for condition in chosen_by for column in condition]
    of_covariates = (covariate.column for covariate in checked)
    wanted = list(dict.fromkeys([*apart, *of_covariates, *columns]))
    endpoints = dict.fromkeys(endpoint for source in sources for endpoint in source.endpoints)
    own = [PATIENT, *(column for one in endpoints for column in _columns_of(one, sources))]
    if set(own) & set(wanted):
        ours = quoted(sorted(set(own) & set(wanted)))
        raise ClinicalError(f"no filter or covariate can be called {ours}: our own columns are")
    parts = [
        read_source(source, names, chosen_by, checked)
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


def _columns_of(endpoint: str, sources: Sequence[ClinicalSource]) -> list[str]:
    """Return our columns of an endpoint; a column of competing events only where there are any."""
    named = [source.endpoints[endpoint] for source in sources if endpoint in source.endpoints]
    competing = [competing_column(endpoint)] if any(one.competing for one in named) else []
    return [months_column(endpoint), event_column(endpoint), *competing]


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


def _notes_on_tables(sources: Sequence[ClinicalSource], frame: pd.DataFrame) -> Iterator[Note]:
    """Yield what is doubtful about whole tables."""
    formats = [source.format for source in sources if isinstance(source, FormatTable)]
    told = set()
    for source in sources:
        if isinstance(source, FormatTable) and source.lacks and formats.count(source.format) == 1:
            yield note_on_table(source, "", source.lacks, USED_AS_THEY_ARE)
        for name, endpoint in source.endpoints.items():
            months, event = frame[months_column(name)], frame[event_column(name)]
            doubts = [doubt(months, endpoint.unit), lost_by_status(months, event)]
            if len(frame) and not (months.notna() & event.notna()).any():
                words = "no patient has both a time and a status"
                yield note_on_table(source, endpoint.event, words, f"no analysis of {name}")
            elif name not in told:
                for words in filter(None, doubts):
                    yield note_on_table(source, endpoint.event_time, words, USED_AS_THEY_ARE)
            told.add(name)
