"""Any bytes in a workbook, or in one of its parts: a clinical table, or one message."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from helpers.mutations import message_of, mutated
from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical

TOKENS = (
    *(b"<", b">", b"/>", b"&", b"&amp;", b"&lt;", b"&x;", b'"', b"<!--", b"]]>", b"<![CDATA["),
    *(b'<!DOCTYPE a [<!ENTITY x "y">]>', b"<c/>", b"<row/>", b"\0", b"\xff", b"\xef\xbb\xbf"),
    *(b"A1", b"ZZZZ9", b"A99999999", b"-1", b"0", b"1e999", b"nan", b"9" * 30, b"", b"true"),
    *(b"s", b"b", b"d", b"e", b"n", b"str", b"inlineStr", b"2024-01-01", b"../../x", b"/xl"),
)
OS = {"time": "OS", "unit": "months", "event": "E", "events": [1], "censored": [0]}


def workbook() -> bytes:
    book = Workbook()
    sheet = book.active
    for row in (("id", "OS", "E", "site"), ("a", 10.5, 1, "x"), ("b", "NA", True, None)):
        sheet.append(row)
    sheet["F3"] = "=1/0"
    sheet["G4"].number_format = "yyyy-mm-dd"
    sheet["G4"] = 45000
    book.create_sheet("Notes")
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


BOOK = workbook()
with ZipFile(io.BytesIO(BOOK)) as opened:
    PARTS = {name: opened.read(name) for name in opened.namelist()}


@st.composite
def books(draw: st.DrawFn) -> bytes:
    """The workbook with one of its parts changed, renamed or missing."""
    chosen = draw(st.sampled_from(sorted(PARTS)))
    change = draw(st.integers(0, 9))
    written = io.BytesIO()
    with ZipFile(written, "w", ZIP_DEFLATED) as book:
        for name, content in PARTS.items():
            if name != chosen:
                book.writestr(name, content)
            elif change == 1:
                book.writestr("other/" + name, content)
            elif change > 1:
                book.writestr(name, draw(mutated((content,), TOKENS)))
    return written.getvalue()


def read_book(path: Path) -> None:
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": OS}}
    assert read_clinical(clinical_sources([table]), [{"site": ["x"]}]).frame["patient"].is_unique


def take(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    message = message_of(lambda: read_book(path), ClinicalError)
    assert message is None or path.name in message


def test_any_bytes_give_a_table_or_one_message(tmp_path: Path) -> None:
    @settings(settings.get_profile("fuzz"))
    @given(mutated((BOOK,), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff" * 4, b"\0" * 4)))
    def read(content: bytes) -> None:
        take(tmp_path / "book.xlsx", content)

    read()


def test_any_part_gives_a_table_or_one_message(tmp_path: Path) -> None:
    @settings(settings.get_profile("fuzz"))
    @given(books())
    def read(content: bytes) -> None:
        take(tmp_path / "book.xlsx", content)

    read()
