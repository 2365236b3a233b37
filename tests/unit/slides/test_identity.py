"""One file under several ids."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from histohet.slides import identity
from histohet.slides.identity import same_files
from histohet.slides.sheet import SlideRow


def row(number: int, path: object = None, **files: object) -> SlideRow:
    cells = {column: str(file) for column, file in files.items()}
    return SlideRow(number, f"s{number}", "p", None if path is None else str(path), **cells)


def found(*rows: SlideRow) -> list[tuple[str, str, str]]:
    return [(one.row.slide, one.column, one.first.slide) for one in same_files(rows)]


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "a.svs"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def test_the_same_path_links_and_copies_are_found(tmp_path: Path, slide: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.svs").symlink_to(slide)
    (tmp_path / "shelf").symlink_to(tmp_path)
    os.link(slide, tmp_path / "hard.svs")
    shutil.copy(slide, tmp_path / "folder" / "copy.svs")
    others = (
        slide,
        tmp_path / "folder" / ".." / "a.svs",
        tmp_path / "link.svs",
        tmp_path / "shelf" / "a.svs",
        tmp_path / "hard.svs",
        tmp_path / "folder" / "copy.svs",
    )
    rows = [row(number, path) for number, path in enumerate((slide, *others), start=2)]
    assert found(*rows) == [(f"s{number}", "path", "s2") for number in range(3, 9)]


def test_other_files_are_told_apart(tmp_path: Path, slide: Path) -> None:
    data = slide.read_bytes()
    (tmp_path / "same_size.svs").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (tmp_path / "longer.svs").write_bytes(data + b"x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.svs").write_bytes(data[::-1])
    paths = (slide, tmp_path / "same_size.svs", tmp_path / "longer.svs", tmp_path / "b" / "a.svs")
    assert found(*(row(number, path) for number, path in enumerate(paths))) == []


def test_columns_are_compared_each_for_itself(tmp_path: Path, slide: Path) -> None:
    (tmp_path / "m.tif").write_bytes(slide.read_bytes())
    (tmp_path / "other.svs").write_bytes(b"another slide")
    rows = (
        row(2, slide, mask=tmp_path / "m.tif"),
        row(3, tmp_path / "other.svs", mask=tmp_path / "m.tif"),
        row(4, features=slide),
        row(5, features=slide),
    )
    assert found(*rows) == [("s3", "mask", "s2"), ("s5", "features", "s4")]


def test_files_that_are_not_there_are_passed_over(tmp_path: Path, slide: Path) -> None:
    (tmp_path / "empty.svs").touch()
    for path in (tmp_path / "absent.svs", tmp_path / "empty.svs", tmp_path):
        assert found(row(2, path), row(3, path)) == []


def test_of_large_files_blocks_are_compared(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "BLOCKS", 4)
    monkeypatch.setattr(identity, "BLOCK_BYTES", 100)
    data = slide.read_bytes()
    shutil.copy(slide, tmp_path / "copy.svs")
    (tmp_path / "end.svs").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert found(row(2, slide), row(3, tmp_path / "copy.svs")) == [("s3", "path", "s2")]
    assert found(row(2, slide), row(3, tmp_path / "end.svs")) == []


@pytest.mark.parametrize(
    ("regions", "problems"),
    [
        (["0,0,100,100", "100,0,100,100"], []),
        (["0,0,100,100", "90,0,100,100"], []),
        (["0,0,100,100", "50,0,100,100"], [("s1", "path", "s0")]),
        (["0,0,100,100", "40,40,10,10"], [("s1", "path", "s0")]),
        ([None, "40,40,10,10"], [("s1", "path", "s0")]),
        (["0,0,100,100", "200,0,100,100", "0,0,100,100"], [("s2", "path", "s0")]),
    ],
)
def test_regions_of_one_file_may_share_it_but_not_overlap(
    tmp_path: Path, slide: Path, regions: list[str | None], problems: list[tuple[str, str, str]]
) -> None:
    mask = tmp_path / "mask.geojson"
    mask.write_text("{}")
    rows = [
        SlideRow(number, f"s{number}", "p", str(slide), region=region, mask=str(mask))
        for number, region in enumerate(regions)
    ]
    found = list(same_files(rows))
    assert [(one.row.slide, one.column, one.first.slide) for one in found] == problems
    for one in found:
        assert ("their regions overlap" in one.problem) is (one.first.region is not None)


def test_a_file_of_many_regions_is_read_once(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    monkeypatch.setattr(identity, "_content", lambda file, size: reads.append(file) or b"")
    rows = [
        SlideRow(number, f"s{number}", "p", str(slide), region=f"{100 * number},0,100,100")
        for number in range(20)
    ]
    assert list(same_files(rows)) == []
    assert reads == [str(slide)]
