"""Tables that users give: text and workbooks, as the cells of each row.

Nothing here needs pandas: the slide sheet is read whenever Snakemake reads the workflow.
"""

from __future__ import annotations

import csv
import errno
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from histohet.common.files import why_no_file
from histohet.common.settings import quoted

LONGEST_LINE, LARGEST_TABLE = 2**24, 2**26
"""Characters."""

MOST_ROWS = 2**20
"""Excel's own limit. Short lines take thirty times their characters in memory."""

NOT_TEXT = "so it is no table that can be read: save it as .tsv or .csv with the encoding UTF-8"
TOO_LARGE = "so it is no table: if it is the right file, leave out what is not needed"

WORKBOOKS = (".xlsx", ".xlsm")

LARGEST_WORKBOOK = 512 * 2**20
"""Bytes of all parts of a workbook, unpacked."""

DAMAGED = (
    BadZipFile,
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


class SheetError(ValueError):
    """A table cannot be used; the message says which row or column of which file and why."""


def read_lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """Read the cells of a table: tab-separated for ``.tsv`` and ``.txt``, else comma-separated.

    A file called ``.gz`` is gzip, and its kind told by what comes before. UTF-8 with or without
    byte-order mark, any line ends. Cells are stripped, empty lines skipped.

    Returns
    -------
    list
        Number of each line in the file as an editor shows it (from 1), and its cells.

    Raises
    ------
    SheetError
        If the file cannot be opened, is not text in UTF-8 or not the gzip it is called, is larger
        than any table of ours, or a quote does not end.
    """
    path = Path(path)
    unfit = why_no_file(path)
    if unfit:
        raise SheetError(f"{path} {unfit}")
    kind = path.with_suffix("") if _is_gzip(path) else path
    delimiter = "\t" if kind.suffix.lower() in {".tsv", ".txt"} else ","
    lines = []
    try:
        with _open_text(path) as handle:
            reader = csv.reader(_lines_of(handle, path), delimiter=delimiter, strict=True)
            for line in reader:
                cells = [cell.strip() for cell in line]
                if any("\n" in cell or "\r" in cell for cell in cells):
                    raise SheetError(f"{path}, row {reader.line_num}: a quote that does not end")
                if any("\0" in cell for cell in cells):
                    raise SheetError(f"{path} holds NUL bytes, {NOT_TEXT}")
                if any(cells):
                    lines.append((reader.line_num, cells))
                if len(lines) > MOST_ROWS:
                    raise SheetError(f"{path} has more than {MOST_ROWS} rows, {TOO_LARGE}")
    except UnicodeDecodeError as error:
        raise SheetError(f"{path} is not UTF-8 text, {NOT_TEXT} ({error})") from error
    except csv.Error as error:
        raise SheetError(f"{path}, row {reader.line_num}: {error} (an unpaired quote?)") from error
    return lines


def read_rows(path: str | Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table with a header (see `read_lines`); missing trailing cells are empty.

    Returns
    -------
    header, rows
        Each row with its number in the file as an editor shows it (the header is row 1).

    Raises
    ------
    SheetError
        If the file cannot be read, is empty, a column comes twice, or a row has more cells than the
        header.
    """
    lines = read_lines(path)
    if not lines:
        raise SheetError(f"{path} is empty")
    return lines[0][1], list(rows_under(lines[0][1], lines[1:], path))


def read_table(
    path: str | Path, what: str, needed: Sequence[str] = ()
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table as `read_rows` does, and check that it has the columns `needed`.

    Raises
    ------
    SheetError
        If it cannot be read (the message begins with `what` it is), or lacks a column.
    """
    try:
        header, rows = read_rows(path)
    except SheetError as error:
        raise SheetError(f"{what}: {error}") from error
    missing = [name for name in needed if name not in header]
    if missing:
        raise SheetError(f"{path} has no column '{missing[0]}'; there are {', '.join(header)}")
    return header, rows


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    opener = gzip.open if _is_gzip(path) else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as handle:
            yield handle
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SheetError(f"{path} is not sound gzip: {error}") from error


def _lines_of(handle: IO[str], path: Path) -> Iterator[str]:
    """Yield lines, as long as they are those of a table: a small file can unpack to any size."""
    size = 0
    while line := handle.readline(LONGEST_LINE):
        size += len(line)
        if len(line) == LONGEST_LINE or size > LARGEST_TABLE:
            raise SheetError(
                f"{path} has a line of {LONGEST_LINE >> 20} or lines of {LARGEST_TABLE >> 20} "
                f"million characters, {TOO_LARGE}"
            )
        yield line


def rows_under(
    header: Sequence[str], lines: Iterable[tuple[int, Sequence[str]]], path: str | Path
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line by the columns of the header, missing trailing cells empty.

    Raises
    ------
    SheetError
        If a column comes twice, or a line has more cells than the header.
    """
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise SheetError(f"{path}: column '{repeated[0]}' comes twice")
    for number, cells in lines:
        if any(cells[len(header) :]):
            problem = other_separator(header) or "more cells than columns"
            raise SheetError(f"{path}, row {number}: {problem}")
        missing = [""] * (len(header) - len(cells))
        yield number, dict(zip(header, [*cells, *missing], strict=False))


def other_separator(header: Sequence[str]) -> str:
    """Say that the cells of a table are separated by something else, "" if they are not."""
    names = {";": "';'", ",": "','", "\t": "tabs"}
    found = [names[sign] for sign in names if len(header) == 1 and sign in header[0]]
    wanted = "tabs are expected in .tsv and .txt, commas in all others"
    return f"cells are separated by {found[0]}: {wanted}" if found else ""


@contextmanager
def open_lines(path: str | Path, sheet: str = "") -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a table or workbook; its lines as `read_lines` gives them.

    Parameters
    ----------
    sheet
        Sheet of a workbook; "" for its first.

    Raises
    ------
    SheetError
        If it cannot be read as a table, or lacks the sheet.
    """
    if Path(path).suffix.lower() in WORKBOOKS:
        with _open_workbook(path, sheet) as lines:
            yield lines
    else:
        yield iter(read_lines(path))


@contextmanager
def _open_workbook(path: str | Path, sheet: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
    # Imported here because few cohorts have a workbook.
    from openpyxl import load_workbook

    if unfit := why_no_file(path):
        raise SheetError(f"{path} {unfit}")
    with _sound(path):
        _check_unpacked_size(path)
        book = load_workbook(path, read_only=True, data_only=True)
    try:
        yield _lines_of_sheet(book, sheet, path)
    finally:
        book.close()


@contextmanager
def _sound(path: str | Path) -> Iterator[None]:
    """Refuse a workbook that zipfile or openpyxl stumble over; a disk that fails is not its fault.

    Damage raises an `OSError` as well: bz2 one without a number, a place before the beginning
    ``EINVAL``.
    """
    try:
        yield
    except SheetError:
        raise
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise SheetError(f"{path} is no workbook, or damaged: {error!r}") from error


def _lines_of_sheet(book: Any, name: str, path: str | Path) -> Iterator[tuple[int, list[str]]]:
    where = f"{path}, sheet {name}" if name else str(path)
    # What the caller does with a line does not happen in here.
    with _sound(path):
        name = name or book.sheetnames[0]
        if name not in book.sheetnames:
            raise SheetError(f"{path} has no sheet '{name}'; there are {quoted(book.sheetnames)}")
        # Some programs write a wrong size of the sheet, and rows beyond it would be passed over.
        book[name].reset_dimensions()
        for number, values in enumerate(book[name].iter_rows(values_only=True), start=1):
            # A damaged cell may claim any row.
            if number > MOST_ROWS:
                raise SheetError(f"{where} has more than {MOST_ROWS} rows")
            cells = [_text(value) for value in values]
            if any(cells):
                yield number, cells


def _check_unpacked_size(path: str | Path) -> None:
    """Check a workbook before it is unpacked: a few kilobytes can hold gigabytes.

    More than a part declares is never unpacked of it.
    """
    with ZipFile(path) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > LARGEST_WORKBOOK:
        raise SheetError(
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
