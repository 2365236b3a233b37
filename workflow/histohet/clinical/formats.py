"""Clinical tables as files: what their columns mean, and their cells as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import dropwhile, islice
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from histohet.clinical.settings import (
    ClinicalSource,
    ClinicalTableSettings,
    FormatTable,
    ReadyMadeTable,
    tables_of_format,
)
from histohet.common.resources import read_resource
from histohet.common.settings import by_value, did_you_mean, explain, quoted
from histohet.common.sheets import SheetError, one_line, open_lines, other_separator, rows_under

_TABLES: TypeAdapter[tuple[ReadyMadeTable | ClinicalSource, ...]] = TypeAdapter(
    tuple[ClinicalTableSettings, ...]
)


MOST_NAMED = 40
"""So many columns of a table are named in a message: tables of gene expression have thousands."""


class ClinicalError(SheetError):
    """A clinical table cannot be used as configured; the message says why."""


def clinical_sources(
    config: Sequence[Mapping[str, Any] | ReadyMadeTable | ClinicalSource],
    asked: Collection[str] = (),
) -> tuple[ClinicalSource, ...]:
    """Return the clinical tables of the configuration and what their columns mean.

    Endpoints of a ready-made format whose columns are absent are passed over, unless they are
    named, or asked for and there in part.

    Parameters
    ----------
    config
        The list `clinical`.
    asked
        Endpoints that analyses name.

    Returns
    -------
    tuple
        One entry per table, or sheet of one, in the order of the list.

    Raises
    ------
    ClinicalError
        If a key is unknown or unfit, a file that must be looked into cannot be read or does not fit
        its format, or two tables define the same endpoint and are no forms of one follow-up.
    """
    try:
        tables = _TABLES.validate_python(tuple(config))
    except ValidationError as error:
        raise ClinicalError(explain(error, config, "clinical")) from error
    sources: list[ClinicalSource] = []
    for table in tables:
        found = _chosen(table, asked) if isinstance(table, ReadyMadeTable) else [table]
        sources += [source for source in found if source not in sources]
    defined: dict[str, ClinicalSource] = {}
    for source in sources:
        for name in source.endpoints:
            other = defined.setdefault(name, source)
            if other is not source and not (other.follow_up and source.follow_up):
                raise ClinicalError(
                    f"endpoint '{name}' is in {other.name} and in {source.name}: name those to "
                    "take of each table, `endpoints: [...]`"
                )
    return tuple(sources)


def _chosen(table: ReadyMadeTable, asked: Collection[str]) -> list[FormatTable]:
    """Return its sources with the endpoints that are wanted, or else whose columns are there."""
    named, chosen = table.endpoints, []
    lacking: dict[str, list[str]] = {}
    partly: set[str] = set()
    for source in table.sources():
        header: list[str] = []
        if named is None or set(named) & set(source.endpoints):
            header = read_header(source)
            if source.patient not in header:
                raise _unfit(source, f"'{source.patient}' (the patient)", header)
        endpoints = {}
        for name, endpoint in source.endpoints.items():
            absent = [column for column in endpoint.columns if column not in header]
            if named is not None and name not in named:
                continue
            if absent:
                lacking[name] = absent
            else:
                endpoints[name] = endpoint
            if 0 < len(absent) < len(endpoint.columns):
                partly.add(name)
        chosen.append(source.model_copy(update={"endpoints": endpoints}))
    needed = set(lacking) if named is not None else partly & set(asked)
    if named is None and not any(source.endpoints for source in chosen):
        needed = partly or set(lacking)
    if needed:
        columns = [f"{quoted(lacking[name])} ({name})" for name in lacking if name in needed]
        raise _unfit(chosen[0], ", ".join(columns), read_header(chosen[0]))
    return chosen


def _unfit(source: FormatTable, absent: str, header: Sequence[str]) -> ClinicalError:
    """Return the error of a table that is not of its format; it names those that would fit."""
    fitting = [name for name in read_resource("clinical_formats") if _fits(source.table, name)]
    hint = f", but {quoted(fitting)}" if fitting else ""
    return ClinicalError(
        f"{source.name} does not fit format '{source.format}'{hint}: it has no column {absent}; "
        f"there are {_named(header)}"
    )


def _fits(table: str, name: str) -> bool:
    """Whether a table has what a format needs: the patients, and an endpoint."""
    try:
        return any(
            {source.patient, *endpoint.columns} <= set(read_header(source))
            for source in tables_of_format(name, table)
            for endpoint in source.endpoints.values()
        )
    except ClinicalError:
        return False


def read_header(source: ClinicalSource) -> list[str]:
    """Return the names of the columns, without reading the rows of a workbook.

    Raises
    ------
    ClinicalError
        If the file cannot be read, or lacks the sheet or a header.
    """
    with _open_lines(source) as lines:
        return _header(lines, source)


def read_cells(source: ClinicalSource, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table as text, indexed by the number of the row in the file.

    Raises
    ------
    ClinicalError
        If the file cannot be read as a table, or a column is missing.
    """
    with _open_lines(source) as lines:
        header = _header(lines, source)
        absent = [column for column in columns if column not in header]
        if absent:
            raise ClinicalError(
                f"{source.name} has no column {quoted(absent)}{_why_absent(absent[0], header)}; "
                f"there are {_named(header)}"
            )
        # One by one: a stray cell far to the right makes a line of a workbook long.
        numbers, cells = [], []
        # Only what is read needs a name of its own.
        names = [
            name if name in columns else f"(column {number})"
            for number, name in enumerate(header, start=1)
        ]
        for number, row in rows_under(names, lines, source.name):
            numbers.append(number)
            cells.append([row[column] for column in columns])
    return pd.DataFrame(cells, index=numbers, columns=list(columns), dtype=str)


def _why_absent(column: str, header: Sequence[str]) -> str:
    """Say why a table seems to lack a column, if there is a cause to be seen."""
    separated = other_separator(header)
    if separated:
        return f": {separated}"
    named = [name for name in header if not name.startswith("(column ")]
    if header[0].startswith("#") or len(named) == 1:
        return ": if the columns are named in a line below, say how many to skip (`skip_lines`)"
    return did_you_mean(column, header)


def _named(header: Sequence[str]) -> str:
    more = len(header) - MOST_NAMED
    return quoted(header[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _header(lines: Iterator[tuple[int, list[str]]], source: ClinicalSource) -> list[str]:
    """Take the header off the lines; a column without a name is called by its number.

    What stands in several lines of a cell is one line: so it can be written in the configuration.
    """
    taken = list(islice(lines, source.header_lines))
    if len(taken) < source.header_lines:
        below = f" below the {source.skip_lines} lines skipped" if source.skip_lines else ""
        raise ClinicalError(f"{source.name} is empty{below}")
    (_, first), *further = taken
    if further:
        second = [*further[0][1], *first[len(further[0][1]) :]]
        first = [
            name if first.count(name) == 1 else other
            for name, other in zip(first, second, strict=False)
        ]
    header = [one_line(name) or f"(column {number})" for number, name in enumerate(first, start=1)]
    _check_no_patients(header, further, source)
    return header


def _check_no_patients(
    header: Sequence[str], lines: Iterable[tuple[int, list[str]]], source: ClinicalSource
) -> None:
    """Refuse a header among whose further lines is a patient, who would be passed over."""
    for number, cells in lines:
        for column, cell in zip(header, map(by_value, cells), strict=False):
            for endpoint in source.endpoints.values():
                if column == endpoint.event and cell in (*endpoint.events, *endpoint.censored):
                    raise ClinicalError(
                        f"{source.name}, row {number}: has '{cell}' in column '{column}', so it is "
                        f"of a patient, but {source.header_lines} lines are taken for the header: "
                        "spell out what the columns mean, with the right `header_lines`"
                    )


@contextmanager
def _open_lines(source: ClinicalSource) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a table; its lines from the header on, as `open_lines` gives them."""
    try:
        with open_lines(source.table, source.sheet) as lines:
            yield dropwhile(lambda line: line[0] <= source.skip_lines, lines)
    except SheetError as error:
        raise ClinicalError(str(error)) from error
