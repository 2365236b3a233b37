from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import Workbook

from histohet.common.sheets import SheetError, open_lines, read_lines, read_rows


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    book = Workbook()
    book.active.append(("patient", "months"))
    book.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


@pytest.mark.parametrize("bug", [KeyError("patient"), ValueError("months"), OSError("full")])
def test_what_a_caller_raises_is_no_damage_of_the_workbook(workbook: Path, bug: Exception) -> None:
    with pytest.raises(type(bug)) as raised, open_lines(workbook) as lines:
        next(lines)
        raise bug
    assert raised.value is bug


@pytest.mark.parametrize("opened", [False, True], ids=["to be opened", "open"])
def test_a_lost_disk_is_no_damage_of_the_workbook(
    workbook: Path, opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if not opened:
        monkeypatch.setattr(ZipFile, "open", lost)
    with pytest.raises(OSError, match="Input/output error"), open_lines(workbook) as lines:
        monkeypatch.setattr(ZipFile, "open", lost)
        next(lines)


LEGAL = {
    "line break": b'id,OS,site\na,1,"left\nlung"\nb,2,x\n',
    "line break of Windows": b'id,OS,site\r\na,1,"left\r\nlung"\r\nb,2,x\r\n',
    "blank line within": b'id,OS,site\na,1,"left\n\n,lung"\nb,2,x\n',
    "first of several cells": b'id,OS,site\n"a\n",1,"left\nlung"\nb,2,x\n',
    "quotes within": b'id,OS,site\na,1,"say ""left"",\nlung"\nb,2,x\n',
    "header of two lines": b'id,"OS\n(months)",site\na,1,x\nb,2,x\n',
}


@pytest.mark.parametrize("case", LEGAL)
def test_cells_in_quotes_may_have_several_lines(tmp_path: Path, case: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(LEGAL[case])
    header, rows = read_rows(path)
    assert header in (["id", "OS", "site"], ["id", "OS (months)", "site"])
    assert [(cells["id"], cells[header[1]]) for _, cells in rows] == [("a", "1"), ("b", "2")]
    assert rows[0][1]["site"].endswith(("lung", "x"))
    lines = LEGAL[case].splitlines()
    starts = [
        number for number, line in enumerate(lines, start=1) if line.startswith((b"b,", b'"b'))
    ]
    assert [number for number, cells in rows if cells["id"] == "b"] == starts


SWALLOWED = {
    "one row": b'id,OS,E\na,"1,1\nb,2",0\nc,3,1\n',
    "three rows": b'id,OS,E\na,"1,1\nb,2,1\nc,3",1\nd,4,0\n',
    "to the last row": b'id,OS,E\nx,1,1\na,"1,1\nb,2,"\n',
}


@pytest.mark.parametrize("case", SWALLOWED)
def test_a_stray_quote_does_not_swallow_rows(tmp_path: Path, case: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(SWALLOWED[case])
    with pytest.raises(
        SheetError, match=r"row \d: (a quote that does not end before row \d|.*quote)"
    ):
        read_rows(path)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_table_alone_in_an_archive_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.csv.zip", {"t.csv": b"a,b\n1.0,2\n", "__MACOSX/._t.csv": b"\0"})
    assert list(read_lines(path)) == [(1, ["a", "b"]), (2, ["1.0", "2"])]
    two = zipped(tmp_path / "two.csv.zip", {"t.csv": b"a\n", "u.csv": b"a\n"})
    with pytest.raises(
        SheetError, match=r"two\.csv\.zip has 2 files in it: unpack it, and name the"
    ):
        list(read_lines(two))
    (tmp_path / "no.csv.zip").write_bytes(b"a,b\n")
    with pytest.raises(SheetError, match=r"no\.csv\.zip is not sound zip"):
        list(read_lines(tmp_path / "no.csv.zip"))


def test_a_formula_without_a_value_is_given_as_it_is_written(tmp_path: Path) -> None:
    """One that a spreadsheet program computed has its value, also if that is an empty text."""
    book = Workbook()
    for row in (("id", "OS", "E"), ("a", "=(3*2)", 1), ("b", 2.5, '=IF(1,"",1)'), ("c", None, 0)):
        book.active.append(row)
    book.save(tmp_path / "script.xlsx")
    with open_lines(tmp_path / "script.xlsx") as lines:
        assert [cells for _, cells in lines] == [
            ["id", "OS", "E"],
            ["a", "=(3*2)", "1"],
            ["b", "2.5", '=IF(1,"",1)'],
            ["c", "", "0"],
        ]
    with (
        ZipFile(tmp_path / "script.xlsx") as old,
        ZipFile(tmp_path / "saved.xlsx", "w") as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                part = part.replace(b"<f>(3*2)</f><v />", b"<f>(3*2)</f><v>6</v>")
                part = part.replace(b'<c r="C3"><f>', b'<c r="C3" t="str"><f>')
                assert part.count(b"<v>6</v>") == part.count(b't="str"') == 1
            new.writestr(name, part)
    with open_lines(tmp_path / "saved.xlsx") as lines:
        assert [cells for _, cells in lines][1:] == [
            ["a", "6", "1"],
            ["b", "2.5", ""],
            ["c", "", "0"],
        ]
