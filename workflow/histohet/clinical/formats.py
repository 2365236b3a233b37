"""Clinical tables as files: what their columns mean, and their cells as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from histohet.clinical.settings import ClinicalSource, ClinicalTableSettings, ReadyMadeTable
from histohet.common.settings import explain, quoted
from histohet.common.sheets import SheetError, open_lines, rows_under

_TABLES: TypeAdapter[tuple[ReadyMadeTable | ClinicalSource, ...]] = TypeAdapter(
    tuple[ClinicalTableSettings, ...]
)


class ClinicalError(SheetError):
    """A clinical table cannot be used as configured; the message says why."""


def clinical_sources(
    config: Sequence[Mapping[str, Any] | ReadyMadeTable | ClinicalSource],
) -> tuple[ClinicalSource, ...]:
    """Return the clinical tables of the configuration and what their columns mean.

    Endpoints of a ready-made format whose columns are absent are passed over, unless they are
    named.

    Parameters
    ----------
    config
        The list `clinical`.

    Returns
    -------
    tuple
        One entry per table, or sheet of one, in the order of the list.

    Raises
    ------
    ClinicalError
        If a key is unknown or unfit, a file that must be looked into cannot be read, or two tables
        define the same endpoint.
    """
    try:
        tables = _TABLES.validate_python(tuple(config))
    except ValidationError as error:
        raise ClinicalError(explain(error, config, "clinical")) from error
    sources: list[ClinicalSource] = []
    for table in tables:
        found = _chosen(table) if isinstance(table, ReadyMadeTable) else [table]
        sources += [source for source in found if source not in sources]
    defined: dict[str, str] = {}
    for source in sources:
        for name in source.endpoints:
            if name in defined:
                raise ClinicalError(
                    f"endpoint '{name}' is in {defined[name]} and in {source.name}: name those to "
                    "take of each table, `endpoints: [...]`"
                )
            defined[name] = source.name
    return tuple(sources)


def _chosen(table: ReadyMadeTable) -> list[ClinicalSource]:
    """Return its sources with the endpoints that are wanted, or else whose columns are there."""
    chosen = []
    for source in table.sources():
        header = set(read_header(source)) if table.endpoints is None else set()
        endpoints = {
            name: endpoint
            for name, endpoint in source.endpoints.items()
            if name in (table.endpoints or ()) or header.issuperset(endpoint.columns)
        }
        chosen.append(source.model_copy(update={"endpoints": endpoints}))
    return chosen


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
                f"{source.name} has no column {quoted(absent)}; there are {quoted(header)}"
            )
        # One by one: a stray cell far to the right makes a line of a workbook long.
        numbers, cells = [], []
        for number, row in rows_under(header, lines, source.name):
            numbers.append(number)
            cells.append([row[column] for column in columns])
    return pd.DataFrame(cells, index=numbers, columns=list(columns), dtype=str)


def _header(lines: Iterator[tuple[int, list[str]]], source: ClinicalSource) -> list[str]:
    """Take the header off the lines; a column without a name is called by its number."""
    taken = [cells for _, cells in islice(lines, source.header_lines)]
    if len(taken) < source.header_lines:
        raise ClinicalError(f"{source.name} is empty")
    first = taken[0]
    if source.header_lines > 1:
        second = [*taken[1], *first[len(taken[1]) :]]
        first = [
            name if first.count(name) == 1 else other
            for name, other in zip(first, second, strict=False)
        ]
    return [name or f"(column {number})" for number, name in enumerate(first, start=1)]


@contextmanager
def _open_lines(source: ClinicalSource) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a table; its lines as `open_lines` gives them."""
    try:
        with open_lines(source.table, source.sheet) as lines:
            yield lines
    except SheetError as error:
        raise ClinicalError(str(error)) from error
