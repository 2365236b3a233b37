"""Tables that users give: text and workbooks, as the cells of each row, and what is no value.

Nothing here needs pandas: the slide sheet is read whenever Snakemake reads the workflow.
"""

from __future__ import annotations

import csv
import errno
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from histohet.common.files import why_no_file
from histohet.common.settings import quoted

LONGEST_LINE, LARGEST_TABLE, LARGEST_STREAM = 2**24, 2**26, 2**30
"""Characters: of a line, of a table that is held whole, and of one that is read line by line
(survival times stand beside gene expression in tables of hundreds of megabytes)."""

MOST_ROWS = 2**20
"""Excel's own limit. Short lines take thirty times their characters in memory."""

NOT_TEXT = "so it is no table that can be read: save it as .tsv or .csv with the encoding UTF-8"
TOO_LARGE = "so it is no table: if it is the right file, leave out what is not needed"

WORKBOOKS = (".xlsx", ".xlsm")

MISSING = frozenset(
    {
        *("", "na", "n/a", "n.a.", "nan", "-nan", "null", "none", "missing", "no value", "no data"),
        *("unknown", "unk", "unavailable", "not available", "not applicable", "not reported"),
        *("not recorded", "not known", "not evaluated", "not assessed", "not determined"),
        *("not provided", "not specified", "not stated", "not collected"),
        *("not allowed to collect", "unknown/not reported", "not reported/unknown"),
        *("not reported/ unknown", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"),
        *("#n/a", "#na", "#n/a n/a", "#div/0!", "#ref!", "#value!", "#name?", "#num!", "#null!"),
    }
)
"""What stands for "no value" in tables of cBioPortal, the GDC and TCGA, of R, pandas, SQL and
spreadsheets, an error of theirs included (lower case)."""

_NO_VALUE = re.compile(r"\[[a-z /]*\]|<na>|'?[-–—?.]+|\.[a-z_]")
"""TCGA's codes in brackets ([Discrepancy]), pandas' <NA>, the GDC's '--, dots of SAS and Stata."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""What is a number in a cell; Python's own also have 1_000 and digits of other scripts."""

LARGEST_NUMBER = 1e30
"""A larger number is no measurement: SPSS writes -1.798e308 for a missing value, Stata 1.701e38 or
8.988e307 and a little above."""

PACKED = {".gz": "gzip", ".zip": "zip"}
"""Kinds of packed tables, by the ends of their names."""

NOT_UNPACKED = (gzip.BadGzipFile, BadZipFile, EOFError, NotImplementedError, zlib.error)
"""What gzip and zipfile raise for files that are damaged or packed in an unknown way."""

LARGEST_WORKBOOK = 512 * 2**20
"""Bytes of all parts of a workbook, unpacked."""

_WITHOUT_VALUE = re.compile(rb"(?:</f>|<f [^<>]*/>)(?:<v ?/>|<v></v>)?</c>")
"""How a cell ends whose formula has no value, or an empty text for one."""

LONGEST_END = 200
"""Bytes of such an end."""

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


def is_missing(text: str) -> bool:
    """Whether a cell stands for "no value", in any of the ways that tables write that."""
    word = text.replace("_", " ").lower().strip() if len(text) > 2 else text.lower()
    return word in MISSING or _NO_VALUE.fullmatch(word) is not None


def number_of(cell: str) -> float:
    """Return the number in a cell.

    Raises
    ------
    ValueError
        If it is none, or too large to be measured.
    """
    if not re.fullmatch(NUMBER, cell):
        raise ValueError("not a number")
    if abs(float(cell)) > LARGEST_NUMBER:
        raise ValueError("too large to be measured")
    return float(cell)


def read_lines(path: str | Path, largest: int = LARGEST_TABLE) -> Iterator[tuple[int, list[str]]]:
    """Read the cells of a table: tab-separated for ``.tsv`` and ``.txt``, else comma-separated.

    A file called ``.gz`` is gzip, one called ``.zip`` an archive of one table, and its kind is told
    by what comes before. UTF-8 with or without byte-order mark, any line ends. Cells are stripped,
    empty lines skipped. A cell in quotes may hold line ends, which become newlines; not whole rows,
    which a stray quote would swallow.

    Parameters
    ----------
    largest
        Characters that are read.

    Yields
    ------
    tuple
        Number of the line in the file as an editor shows it (from 1; of a row of several lines the
        first), and its cells.

    Raises
    ------
    SheetError
        If the file cannot be opened, is not text in UTF-8 or not the gzip or archive it is called,
        is larger than any table of ours, or a quote does not end.
    """
    path = Path(path)
    unfit = why_no_file(path)
    if unfit:
        raise SheetError(f"{path} {unfit}")
    kind = path.with_suffix("") if path.suffix.lower() in PACKED else path
    delimiter = "\t" if kind.suffix.lower() in {".tsv", ".txt"} else ","
    rows, width, raw = 0, 0, _Latest()
    try:
        with _open_text(path) as handle:
            lines = raw.passing(_lines_of(handle, path, largest))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            for line in reader:
                number = reader.line_num - len(raw.lines) + 1
                width = width or len(line)
                if raw.are_rows(delimiter, width):
                    raise SheetError(
                        f"{path}, row {number}: a quote that does not end before row "
                        f"{reader.line_num}"
                    )
                raw.lines.clear()
                cells = [_text(cell) for cell in line]
                if any("\0" in cell for cell in cells):
                    raise SheetError(f"{path} holds NUL bytes, {NOT_TEXT}")
                if any(cells):
                    rows += 1
                    yield number, cells
                if rows > MOST_ROWS:
                    raise SheetError(f"{path} has more than {MOST_ROWS} rows, {TOO_LARGE}")
    except UnicodeDecodeError as error:
        raise SheetError(f"{path} is not UTF-8 text, {NOT_TEXT} ({error})") from error
    except csv.Error as error:
        raise SheetError(f"{path}, row {reader.line_num}: {error} (an unpaired quote?)") from error


class _Latest:
    """The lines of the file that make up the row which is being read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def passing(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines as they are, and keep them."""
        for line in lines:
            self.lines.append(line)
            yield line

    def are_rows(self, delimiter: str, width: int) -> bool:
        """Whether several lines were read as one row, and each alone has the cells of a row."""
        return len(self.lines) > 1 and all(
            line.count(delimiter) == width - 1 > 0 for line in self.lines
        )


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
    lines = list(read_lines(path))
    if not lines:
        raise SheetError(f"{path} is empty")
    header = [one_line(name) for name in lines[0][1]]
    return header, list(rows_under(header, lines[1:], path))


def read_table(
    path: str | Path, what: str, needed: Sequence[str] = ()
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table as `read_rows` does, and check that it has the columns `needed`.

    Its cells are names and numbers, so one of several lines is made one line.

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
        raise SheetError(f"{path} has no column '{missing[0]}'; {what_there_is(header)}")
    return header, [
        (number, {name: one_line(cell) for name, cell in cells.items()}) for number, cells in rows
    ]


def one_line(cell: str) -> str:
    """Return a cell of several lines as one: so it can be named."""
    return " ".join(map(str.strip, cell.splitlines()))


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    kind = path.suffix.lower()
    try:
        with ExitStack() as opened:
            binary: IO[bytes] | gzip.GzipFile = opened.enter_context(path.open("rb"))
            if kind == ".gz":
                binary = opened.enter_context(gzip.GzipFile(fileobj=binary))
            elif kind == ".zip":
                archive = opened.enter_context(ZipFile(binary))
                binary = opened.enter_context(archive.open(_only_member(archive, path)))
            yield opened.enter_context(TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
    except NOT_UNPACKED as error:
        if kind not in PACKED:
            raise
        raise SheetError(f"{path} is not sound {PACKED[kind]}: {error}") from error


def _only_member(archive: ZipFile, path: Path) -> str:
    """Return the name of the table in an archive; macOS packs notes of its own beside it."""
    parts = [
        part
        for part in archive.infolist()
        if not part.is_dir() and not part.filename.startswith("__MACOSX/")
    ]
    if len(parts) != 1 or parts[0].flag_bits & 1:
        what = "a password" if len(parts) == 1 else f"{len(parts)} files in it"
        raise SheetError(f"{path} has {what}: unpack it, and name the file to read")
    return parts[0].filename


def _lines_of(handle: IO[str], path: Path, largest: int) -> Iterator[str]:
    """Yield lines, as long as they are those of a table: a small file can unpack to any size."""
    size = 0
    while line := handle.readline(LONGEST_LINE):
        size += len(line)
        if len(line) == LONGEST_LINE or size > largest:
            raise SheetError(
                f"{path} has a line of {LONGEST_LINE >> 20} or lines of {largest >> 20} "
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


def what_there_is(header: Sequence[str]) -> str:
    """Say what stands in place of a column that is missing."""
    return other_separator(header) or f"there are {', '.join(header)}"


@contextmanager
def open_lines(path: str | Path, sheet: str = "") -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a table or workbook; its lines as `read_lines` gives them, read one by one.

    A formula of a workbook that was never computed is given as it is written, from ``=`` on.

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
        yield read_lines(path, LARGEST_STREAM)


@contextmanager
def _open_workbook(path: str | Path, sheet: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
    # Imported here because few cohorts have a workbook.
    from openpyxl import load_workbook

    if unfit := why_no_file(path):
        raise SheetError(f"{path} {unfit}")
    with ExitStack() as opened:
        with _sound(path):
            _check_unpacked_size(path)
            # Values and formulas come from two looks at a workbook, and few need both.
            looks = [{"data_only": True}, {}] if _lacks_values(path) else [{"data_only": True}]
            books = [load_workbook(path, read_only=True, **look) for look in looks]
        for book in books:
            opened.callback(book.close)
        yield _lines_of_sheet(books, sheet, path)


def _lacks_values(path: str | Path) -> bool:
    """Whether a sheet of a workbook seems to hold a formula without a value, by its XML alone."""
    with ZipFile(path) as packed:
        for name in packed.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            with packed.open(name) as part:
                before = b""
                while chunk := part.read(2**20):
                    if _WITHOUT_VALUE.search(before + chunk):
                        return True
                    before = chunk[-LONGEST_END:]
    return False


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


def _lines_of_sheet(
    books: Sequence[Any], name: str, path: str | Path
) -> Iterator[tuple[int, list[str]]]:
    where = f"{path}, sheet {name}" if name else str(path)
    # What the caller does with a line does not happen in here.
    with _sound(path):
        name = name or books[0].sheetnames[0]
        if name not in books[0].sheetnames:
            names = quoted(books[0].sheetnames)
            raise SheetError(f"{path} has no sheet '{name}'; there are {names}")
        for number, values in enumerate(_values([book[name] for book in books]), start=1):
            # A damaged cell may claim any row.
            if number > MOST_ROWS:
                raise SheetError(f"{where} has more than {MOST_ROWS} rows")
            cells = [_text(value) for value in values]
            if any(cells):
                yield number, cells


def _values(sheets: Sequence[Any]) -> Iterator[Sequence[object]]:
    """Yield the values of each row; for a formula without one, the formula from ``=`` on.

    Parameters
    ----------
    sheets
        A sheet with its values; once more with its formulas, if the workbook has any.
    """
    for sheet in sheets:
        # Some programs write a wrong size of the sheet, and rows beyond it would be passed over.
        sheet.reset_dimensions()
    if len(sheets) == 1:
        yield from sheets[0].iter_rows(values_only=True)
        return
    for cells, formulas in zip(*(sheet.iter_rows() for sheet in sheets), strict=False):
        yield [
            # Text, though it is empty, is what the formula gave.
            "=" + str(getattr(formula.value, "text", formula.value)).removeprefix("=")
            if cell.value is None and formula.value is not None and cell.data_type != "str"
            else cell.value
            for cell, formula in zip(cells, formulas, strict=False)
        ]


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
