"""Clinical tables that are damaged, of another kind, hostile, or full of wrong rows."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.clinical.table import read_clinical_tsv
from histohet.common.provenance import Provenance
from histohet.common.sheets import LARGEST_WORKBOOK, MOST_ROWS
from histohet.common.tables import write_tsv

OS = {"time": "OS", "unit": "months", "event": "E", "events": [1], "censored": [0]}
HEADER = b"id\tOS\tE\n"
ROWS = (("id", "OS", "E"), ("a", 10, 1), ("b", 12.5, 0))
SHEET = "xl/worksheets/sheet1.xml"
TEXT = "so it is no table that can be read: save it as .tsv or .csv with the encoding UTF-8"


def workbook() -> bytes:
    book = Workbook()
    for row in ROWS:
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def with_parts(changes: dict[str, Callable[[bytes], bytes]]) -> bytes:
    """The workbook, some of its parts changed."""
    written = io.BytesIO()
    with ZipFile(io.BytesIO(workbook())) as old, ZipFile(written, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, bytes)(old.read(name)))
    return written.getvalue()


def sheet_with(old: bytes, new: bytes) -> bytes:
    def replaced(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return with_parts({SHEET: replaced})


def laughing() -> bytes:
    """Entities of entities: 400 bytes that would be 3 GB of text."""
    entities = b'<!ENTITY e0 "ha ha ha ha ha ha ha ha ha ha ">' + b"".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">'.encode() for n in range(1, 9)
    )
    head = b"<!DOCTYPE worksheet [" + entities + b"]><worksheet"
    part = sheet_with(b"<worksheet", head)
    with ZipFile(io.BytesIO(part)) as book:
        assert len(book.read(SHEET)) < 4000
    return with_parts({SHEET: lambda content: head + content[10:].replace(b"12.5", b"&e8;")})


def stealing() -> bytes:
    """An entity that stands for a file of this machine."""
    head = b'<!DOCTYPE worksheet [<!ENTITY f SYSTEM "file:///etc/hostname">]><worksheet'
    return with_parts({SHEET: lambda content: head + content[10:].replace(b"12.5", b"&f;")})


def declaring(n_bytes: int) -> bytes:
    """The workbook with 8 MB of blanks in its sheet, of which its directory says otherwise."""
    book = bytearray(with_parts({SHEET: lambda content: content + b" " * 2**23}))
    entry = book.rindex(SHEET.encode()) - 46
    assert book[entry : entry + 4] == b"PK\x01\x02"
    book[entry + 24 : entry + 28] = n_bytes.to_bytes(4, "little")
    return bytes(book)


FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("t.tsv", lambda: b"", "t.tsv is empty"),
    "UTF-16": ("t.tsv", lambda: "id\tOS\tE\n".encode("utf-16"), TEXT),
    "Latin-1": ("t.csv", lambda: "id,OS,E\nMüller,1,1\n".encode("latin-1"), TEXT),
    "NUL": ("t.tsv", lambda: HEADER + b"a\t1\0\t1\n", TEXT),
    "column twice": ("t.tsv", lambda: b"id\tOS\tE\tE\n", "t.tsv: column 'E' comes twice"),
    "too many cells": ("t.tsv", lambda: HEADER + b"a\t1\t1\t1\n", "row 2: more cells than col"),
    "unpaired quote": ("t.tsv", lambda: HEADER + b'a\t"1\t1\n', "row 2: unexpected end of data"),
    "row in quotes": (
        "t.csv",
        lambda: b'id,OS,E\na,"1,1\nb,2",0\n',
        "row 2: a quote that does not end before row 3",
    ),
    "workbook called .tsv": ("t.tsv", workbook, TEXT),
    "text called .xlsx": ("t.xlsx", lambda: HEADER, "t.xlsx is no workbook, or damaged"),
    "old workbook": (
        "t.xlsx",
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "t.xlsx is no workbook, or damaged",
    ),
    "empty workbook file": ("t.xlsx", lambda: b"", "t.xlsx is no workbook, or damaged"),
    "half a workbook": ("t.xlsx", lambda: workbook()[:2000], "t.xlsx is no workbook, or damaged"),
    "archive without workbook": (
        "t.xlsx",
        lambda: with_parts({"[Content_Types].xml": lambda _: b"<Types/>"}),
        "t.xlsx is no workbook, or damaged",
    ),
    "part that is no XML": (
        "t.xlsx",
        lambda: sheet_with(b"<sheetData>", b"<sheetData"),
        "t.xlsx is no workbook, or damaged: ParseError",
    ),
    "cell that is no number": (
        "t.xlsx",
        lambda: sheet_with(b"12.5", b"twelve"),
        "t.xlsx is no workbook, or damaged: ValueError",
    ),
    "row beyond the last": (
        "t.xlsx",
        lambda: sheet_with(b'r="3"', b'r="99999999"'),
        f"t.xlsx has more than {MOST_ROWS} rows",
    ),
    "zip bomb": (
        "t.xlsx",
        lambda: declaring(2 * LARGEST_WORKBOOK),
        "t.xlsx unpacks to 1024 MB, at most 512 are read: save the sheet as .tsv",
    ),
    "zip bomb that says it is small": (
        "t.xlsx",
        lambda: declaring(1000),
        "t.xlsx is no workbook, or damaged: BadZipFile",
    ),
    "billion laughs": ("t.xlsx", laughing, "t.xlsx is no workbook, or damaged: ParseError"),
    "entity that names a file": ("t.xlsx", stealing, "t.xlsx is no workbook, or damaged"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_clinical_table_is_named(tmp_path: Path, case: str) -> None:
    name, content, message = FILES[case]
    path = tmp_path / name
    path.write_bytes(content())
    table: dict[str, Any] = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    with pytest.raises(ClinicalError, match=re.escape(message)) as caught:
        read_clinical(clinical_sources([table]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_workbook_that_the_cases_damage_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(with_parts({}))
    table: dict[str, Any] = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    assert read_clinical(clinical_sources([table])).frame["OS_months"].tolist() == [10, 12.5]


def test_rows_beyond_the_size_that_a_workbook_claims_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(sheet_with(b'ref="A1:C3"', b'ref="A1:B2"'))
    table: dict[str, Any] = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    assert read_clinical(clinical_sources([table])).frame["OS_months"].tolist() == [10, 12.5]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_within_a_cell_of_a_workbook_do_not_break_our_tables(
    tmp_path: Path, line_end: str
) -> None:
    book = Workbook()
    for row in (("id", "OS", "E", "site"), ("a", 10, 1, f"left{line_end}lung"), ("b", 12, 0, "x")):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    table: dict[str, Any] = {"table": str(tmp_path / "t.xlsx"), "patient": "id"}
    read = read_clinical(clinical_sources([table | {"endpoints": {"OS": OS}}]), [{"site": ["x"]}])
    write_tsv(tmp_path / "f.tsv", read.frame, Provenance())
    write_tsv(tmp_path / "p.tsv", read.problems, Provenance())
    back = read_clinical_tsv(tmp_path / "f.tsv", tmp_path / "p.tsv")
    assert back.frame["site"].tolist() == ["left\nlung", "x"]


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    for name in ("t.tsv", "t.xlsx"):
        (tmp_path / name).mkdir()
        table: dict[str, Any] = {"table": str(tmp_path / name), "patient": "id"}
        with pytest.raises(ClinicalError, match=rf"{name} is not a file"):
            read_clinical(clinical_sources([table]), [{"site": ["x"]}])


WRONG_ROWS = {
    "\t10\t1\t60\tN0": ("patient identifier missing", "row left out"),
    "b\t\t1\t60\tN0": ("event without a time", "left out of OS"),
    "c\t\t0\t60\tN0": ("time missing", "left out of OS"),
    "d\t-1\t0\t60\tN0": ("negative time", "left out of OS"),
    "e\t0\t0\t60\tN0": ("time is zero: no follow-up", "row used"),
    "f\t1e4\t0\t60\tN0": ("longer than 50 years", "left out of OS"),
    "g\t7,5\t0\t60\tN0": (
        "not a number: write a decimal point, not a comma",
        "left out of OS",
    ),
    "h\tsoon\t0\t60\tN0": ("not a number", "left out of OS"),
    "i\t10\t\t60\tN0": ("event missing", "left out of OS"),
    "j\t10\tdead\t60\tN0": ("unknown event code (known: 1, 0)", "left out of OS"),
    "k\t10\t1\t\tN0": ("covariate missing", "left out of Cox models with this covariate"),
    "l\t10\t1\told\tN0": ("not a number", "left out of Cox models with this covariate"),
    "m\t10\t1\t60\tNX": (
        "value excluded by the configuration",
        "patient excluded from analyses with this covariate",
    ),
    "n\t10\t1\t60\tN7": (
        "code in no level of 'N' ('N0', 'N1') and not in 'drop'",
        "patient excluded from analyses with this covariate",
    ),
    "o\t10\t1\t60\tN0": ("rows 16, 17 of the patient differ", "left out of OS"),
    "o\t11\t1\t60\tN0": None,
    "p\t10\t1\t60\tN0": ("2 rows that agree in every column used", "row used"),
    "p\t10\t1\t60\tN0\t": ("2 rows that agree in every column used", "row left out"),
}


def test_every_wrong_row_of_one_table_is_listed_with_what_becomes_of_it(tmp_path: Path) -> None:
    """All at once, among sound rows: each has its own line, and no other row has any."""
    sound = [f"s{number}\t{number + 6}\t{number % 2}\t50\tN1" for number in range(20)]
    path = tmp_path / "t.tsv"
    path.write_text("\n".join(["id\tOS\tE\tage\tN", *WRONG_ROWS, *sound]) + "\n")
    table: dict[str, Any] = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    levels = {"N0": ("N0",), "N1": ("N1",)}
    covariates = [
        Covariate(column="age", kind="numeric", name="age"),
        Covariate(
            column="N", kind="categorical", name="N", reference="N0", drop=("NX",), levels=levels
        ),
    ]
    found = read_clinical(clinical_sources([table]), (), covariates).problems
    listed = found[["row", "problem", "consequence"]].itertuples(index=False, name=None)
    expected = [(row, *of_row) for row, of_row in enumerate(WRONG_ROWS.values(), start=2) if of_row]
    assert list(listed) == expected
