"""Clinical tables as files: text tables, workbooks, and headers of several lines."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

import pandas as pd
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from histohet.clinical.endpoints import Endpoint
from histohet.common.files import why_no_file
from histohet.common.settings import quoted
from histohet.slides.sheet import MOST_ROWS, SheetError, read_lines, rows_under

WORKBOOKS = (".xlsx", ".xlsm")

LARGEST_WORKBOOK = 512 * 2**20
"""Bytes of all parts of a workbook, unpacked."""

DAMAGED = (
    BadZipFile,
    InvalidFileException,
    zlib.error,
    ParseError,
    EOFError,
    OSError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What zipfile and openpyxl raise for files that are no workbooks, damaged or encrypted."""


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
    """Open a table; its lines as `read_lines` gives them."""
    try:
        if Path(source.path).suffix.lower() in WORKBOOKS:
            with _sheet_lines(source) as lines:
                yield lines
        else:
            yield iter(read_lines(source.path))
    except SheetError as error:
        raise ClinicalError(str(error)) from error


@contextmanager
def _sheet_lines(source: ClinicalSource) -> Iterator[Iterator[tuple[int, list[str]]]]:
    unfit = why_no_file(source.path)
    if unfit:
        raise ClinicalError(f"{source.path} {unfit}")
    try:
        _check_unpacked_size(source.path)
        book = load_workbook(source.path, read_only=True, data_only=True)
        try:
            sheet = source.sheet or book.sheetnames[0]
            if sheet not in book.sheetnames:
                raise ClinicalError(
                    f"{source.path} has no sheet '{sheet}'; there are {quoted(book.sheetnames)}"
                )
            yield _lines(book[sheet], source)
        finally:
            book.close()
    except (ClinicalError, SheetError):
        raise
    except DAMAGED as error:
        raise ClinicalError(f"{source.path} is no workbook, or damaged: {error!r}") from error


def _lines(sheet: Any, source: ClinicalSource) -> Iterator[tuple[int, list[str]]]:
    # Some programs write a wrong size of the sheet, and rows beyond it would be passed over.
    sheet.reset_dimensions()
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        # A damaged cell may claim any row.
        if number > MOST_ROWS:
            raise ClinicalError(f"{source.name} has more than {MOST_ROWS} rows")
        cells = [_text(value) for value in values]
        if any(cells):
            yield number, cells


def _check_unpacked_size(path: str) -> None:
    """Check a workbook before it is unpacked: a few kilobytes can hold gigabytes.

    More than a part declares is never unpacked of it.
    """
    with ZipFile(path) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > LARGEST_WORKBOOK:
        raise ClinicalError(
            f"{path} unpacks to {size >> 20} MB, at most {LARGEST_WORKBOOK >> 20} are read: save "
            "the sheet as .tsv"
        )


def _text(value: object) -> str:
    """Return a cell of a workbook as text; whole numbers without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    # A line end of Windows in a cell; our own tables know the other kind alone.
    return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
