from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import Workbook

from histohet.common.sheets import open_lines


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
