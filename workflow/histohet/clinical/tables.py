"""Clinical tables as files, with headers of several lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from histohet.clinical.endpoints import Endpoint
from histohet.common.settings import quoted
from histohet.common.sheets import SheetError, open_lines, rows_under


class ClinicalError(SheetError):
    """A clinical table cannot be used as configured; the message says why."""


@dataclass(frozen=True)
class ClinicalSource:
    """One table of a file, and what is read from it.

    Attributes
    ----------
    path
        The file: ``.tsv``, ``.txt``, ``.csv`` or a workbook (``.xlsx``).
    patient
        Column with the patient's id.
    endpoints
        Endpoints that are taken from it.
    sheet
        Sheet of a workbook; "" for its first.
    header_lines
        Lines before the first row. The first names the columns; where it uses a name twice, the
        second does.
    """

    path: str
    patient: str
    endpoints: tuple[Endpoint, ...] = ()
    sheet: str = ""
    header_lines: int = 1

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.path}, sheet {self.sheet}" if self.sheet else self.path


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
        with open_lines(source.path, source.sheet) as lines:
            yield lines
    except SheetError as error:
        raise ClinicalError(str(error)) from error
