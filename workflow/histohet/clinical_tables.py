"""Clinical tables as files: text tables, workbooks, and headers of several lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from histohet.config_values import quoted
from histohet.endpoints import Endpoint
from histohet.sheets import SheetError, read_lines, rows_under

WORKBOOKS = (".xlsx", ".xlsm")


class ClinicalError(ValueError):
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
    if Path(source.path).suffix.lower() not in WORKBOOKS:
        return _header(_text_lines(source.path), source)
    with _sheet_lines(source) as lines:
        return _header(list(islice(lines, source.header_lines)), source)


def read_cells(source: ClinicalSource, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table as text, indexed by the number of the row in the file.

    Raises
    ------
    ClinicalError
        If the file cannot be read as a table, or a column is missing.
    """
    if Path(source.path).suffix.lower() in WORKBOOKS:
        with _sheet_lines(source) as found:
            lines = list(found)
    else:
        lines = _text_lines(source.path)
    header = _header(lines, source)
    absent = [column for column in columns if column not in header]
    if absent:
        raise ClinicalError(
            f"{source.name} has no column {quoted(absent)}; there are {quoted(header)}"
        )
    try:
        rows = rows_under(header, lines[source.header_lines :], source.path)
    except SheetError as error:
        raise ClinicalError(str(error)) from error
    return pd.DataFrame(
        [[row[column] for column in columns] for _, row in rows],
        index=[number for number, _ in rows],
        columns=list(columns),
        dtype=str,
    )


def _header(lines: Sequence[tuple[int, Sequence[str]]], source: ClinicalSource) -> list[str]:
    """Return the names of the columns; one without a name is called by its number."""
    if len(lines) < source.header_lines:
        raise ClinicalError(f"{source.name} is empty")
    first = list(lines[0][1])
    if source.header_lines > 1:
        second = [*lines[1][1], *first[len(lines[1][1]) :]]
        first = [
            name if first.count(name) == 1 else other
            for name, other in zip(first, second, strict=False)
        ]
    return [name or f"(column {number})" for number, name in enumerate(first, start=1)]


def _text_lines(path: str) -> list[tuple[int, list[str]]]:
    try:
        return read_lines(path)
    except SheetError as error:
        raise ClinicalError(str(error)) from error


@contextmanager
def _sheet_lines(source: ClinicalSource) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a sheet of a workbook; its lines as `read_lines` gives those of a text."""
    if not Path(source.path).is_file():
        raise ClinicalError(f"{source.path} does not exist")
    try:
        book = load_workbook(source.path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError) as error:
        raise ClinicalError(f"{source.path} is no workbook: {error}") from error
    try:
        sheet = source.sheet or book.sheetnames[0]
        if sheet not in book.sheetnames:
            raise ClinicalError(
                f"{source.path} has no sheet '{sheet}'; there are {quoted(book.sheetnames)}"
            )
        rows = enumerate(book[sheet].iter_rows(values_only=True), start=1)
        yield (
            (number, cells)
            for number, values in rows
            for cells in [[_text(value) for value in values]]
            if any(cells)
        )
    finally:
        book.close()


def _text(value: object) -> str:
    """Return a cell of a workbook as text; whole numbers without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    return str(value).strip()
