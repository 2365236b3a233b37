"""Names of cores, maps of whose they are, the sheet of arrays, QuPath's files in and out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.common.provenance import Provenance
from histohet.common.sheets import SheetError
from histohet.cores import qupath
from histohet.cores.dearray import better_way, with_map
from histohet.cores.grid import (
    ArrayError,
    Core,
    check_places,
    overlaps,
    place_of,
    row_name,
    row_number,
)
from histohet.cores.qupath import (
    read_geojson_cores,
    read_qptma,
    write_geojson_cores,
    write_qptma,
)
from histohet.cores.sheet import Place, read_array_sheet, read_core_table, read_map

CORES = [
    Core(0, 0, 1000.0, 2000.0, patient="P1"),
    Core(0, 1, 2500.0, 2010.0, missing=True),
    Core(2, 1, 2510.0, 5000.0),
]


@given(st.integers(0, 700))
def test_rows_are_read_as_they_are_named(row: int) -> None:
    assert row_number(row_name(row)) == row


@pytest.mark.parametrize("name", ["B-3", "b3", "3-B", "2-3", "B_3", " B 3 "])
def test_places_are_read_as_tools_write_them(name: str) -> None:
    assert place_of(name) == (1, 2)


@pytest.mark.parametrize("name", ["", "B", "B-0", "0-1", "core 7", "B-3-1", "B-703", "703-B"])
def test_what_is_no_place_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        place_of(name)


@pytest.mark.parametrize("name", ["AAA", "ZZZZZZ", "703", "9" * 30, "0", "-1", "ä"])
def test_rows_that_no_block_has_are_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        row_number(name)


def test_regions_hold_the_core_and_lie_on_whole_pixels_of_levels() -> None:
    frame = Core(0, 0, 1003.0, 2047.0).region(600.0)
    assert all(edge % 64 == 0 for edge in frame)
    assert frame.width == frame.height >= 660
    assert abs(frame.x + frame.width / 2 - 1003) <= 32
    assert abs(frame.y + frame.height / 2 - 2047) <= 32


def test_two_cores_of_one_name_are_refused_and_overlaps_told() -> None:
    with pytest.raises(ArrayError, match="here: two cores are called A-1"):
        check_places([CORES[0], CORES[0]], "here")
    assert overlaps(CORES, 1000.0) == []
    assert overlaps([*CORES, Core(1, 0, 1300.0, 2500.0)], 1000.0) == ["A-1 and B-1"]


@pytest.mark.parametrize("offset", [(0, 0), (300, 200)])
def test_qupaths_files_are_read_as_they_are_written(
    tmp_path: Path, offset: tuple[int, int]
) -> None:
    write_geojson_cores(tmp_path / "a.geojson", "a", CORES, 600.0, offset, Provenance())
    assert read_geojson_cores(tmp_path / "a.geojson", offset) == CORES
    write_qptma(tmp_path / "a.qptma", "slides/a.svs", CORES, 600.0, offset)
    assert read_qptma(tmp_path / "a.qptma", "elsewhere/a.svs", offset) == CORES
    lines = (tmp_path / "a.qptma").read_text().splitlines()
    assert lines[3:6] == [
        "TMA grid width: 2",
        "TMA grid height: 3",
        "Core name\tX\tY\tWidth\tHeight\tPresent\tCase ID",
    ]
    assert len(lines) == 6 + 2 * 3


def test_geojson_of_older_versions_is_read(tmp_path: Path) -> None:
    square = [[[0, 0], [10, 0], [10, 20], [0, 20], [0, 0]]]
    feature = {
        "type": "Feature",
        "id": "TMACoreObject",
        "geometry": {"type": "Polygon", "coordinates": square},
        "properties": {"name": "1-B", "isMissing": True, "metadata": {"Unique ID": "P9"}},
    }
    other = {"type": "Feature", "geometry": None, "properties": {"objectType": "annotation"}}
    (tmp_path / "a.json").write_text(json.dumps([feature, other]))
    assert read_geojson_cores(tmp_path / "a.json", (5, 5)) == [
        Core(1, 0, 10.0, 15.0, missing=True, patient="P9")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no GeoJSON"),
        ("[1]", "holds no features"),
        ('{"features": []}', "has no TMA core"),
        ('[{"properties": {"objectType": "tmaCore", "name": "x"}}]', "'x' is no place"),
        ('[{"properties": {"objectType": "tmaCore", "name": "A-1"}}]', "A-1 has no outline"),
    ],
)
def test_geojson_without_cores_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArrayError, match=message):
        read_geojson_cores(tmp_path / "a.json", (0, 0))


def test_qptma_of_another_slide_is_refused(tmp_path: Path) -> None:
    write_qptma(tmp_path / "a.qptma", "slides/a.svs", CORES, 600.0, (0, 0))
    with pytest.raises(ArrayError, match=r"is of 'a.svs', not of b.svs: if the file was renamed"):
        read_qptma(tmp_path / "a.qptma", "b.svs", (0, 0))
    (tmp_path / "a.qptma").write_text("nothing")
    with pytest.raises(ArrayError, match=r"no line begins with 'Core name'"):
        read_qptma(tmp_path / "a.qptma", "a.svs", (0, 0))


def test_maps_are_read_long_and_as_the_block(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(
        "array,row,column,patient,kind\nx,A,1,P0,\na,A,1,P1,\na,A,2,,control\na,B,2,P2,tissue\n"
    )
    (tmp_path / "block.csv").write_text(",1,2\nA,P1,control\nB,,P2\n")
    long, block = (read_map(tmp_path / f"{name}.csv", "a") for name in ("long", "block"))
    assert {at: one[:2] for at, one in long.items()} == {
        (0, 0): ("P1", "tissue"),
        (0, 1): (None, "control"),
        (1, 1): ("P2", "tissue"),
    }
    assert {at: one[:2] for at, one in block.items()} == {
        (0, 0): ("P1", "tissue"),
        (0, 1): (None, "control"),
        (1, 0): (None, "empty"),
        (1, 1): ("P2", "tissue"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,column,patient\nA,1,\n", "row 2: no patient"),
        ("row,column,patient\nA,0,P\n", "row 2: row 'A', column '0' is no place"),
        ("row,column,patient\nA,1,P\n1,1,Q\n", "row 3: the same place as .*row 2"),
        ("row,column,patient,kind\nA,1,P,tumor\n", "kind 'tumor' is none of tissue, control"),
        ("core,who\nA-1,P\n", "is no map of cores"),
    ],
)
def test_maps_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SheetError, match=message):
        read_map(tmp_path / "a.csv", "a")


def test_cores_and_map_are_compared_both_ways() -> None:
    places = {
        (0, 0): Place("P1", "tissue", ""),
        (0, 1): Place("P2", "tissue", ""),
        (1, 0): Place(None, "control", ""),
    }
    named, notes, problems = with_map(CORES, places)
    assert [(core.patient, core.kind) for core in named] == [
        ("P1", "tissue"),
        ("P2", "tissue"),
        (None, "empty"),
    ]
    assert notes == ["no core is seen where the map has one: A-2, B-1"]
    assert "a core is seen where the map has none: C-2" in problems[0]


def test_tables_of_cores_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("core\tx\ty\tmissing\nA-1\t10\t20\t\nA-2\t30.5\t20\t1\n")
    assert read_core_table(tmp_path / "a.tsv") == [
        Core(0, 0, 10.0, 20.0),
        Core(0, 1, 30.5, 20.0, missing=True),
    ]
    (tmp_path / "a.tsv").write_text("core\tx\ty\nA-1\t10\tfar\n")
    with pytest.raises(SheetError, match="row 2: y is 'far', not a number of pixels"):
        read_core_table(tmp_path / "a.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("array\nx\n", "column 'path' is missing"),
        ("array,path,size\nx,y,z\n", "unknown column 'size'"),
        ("array,path\nx,y\nx,z\n", "row 3: array 'x' stands in row 2 too"),
        ("array,path\n../x,y\n", "array id '../x' must be letters"),
        ("array,path,mpp\nx,y,0\n", "row 2: mpp is '0', not a positive number"),
        ("array,path,rows\nx,y,2.5\n", "row 2: rows is '2.5', not a whole number"),
        ("array,path\n", "names no array"),
    ],
)
def test_sheets_of_arrays_that_cannot_be_used_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SheetError, match=message):
        read_array_sheet(tmp_path / "a.csv")


@pytest.mark.parametrize("read", ["geojson", "qptma"])
def test_files_too_large_to_be_read_whole_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(qupath, "LARGEST_GEOJSON", 10)
    path = tmp_path / f"a.{read}"
    path.write_text("x" * 11)
    with pytest.raises(ArrayError, match=f"a.{read} is larger than"):
        if read == "qptma":
            qupath.read_qptma(path, "a.svs", (0, 0))
        else:
            qupath.read_geojson_cores(path, (0, 0))


BLOCK = {(row, column) for row in range(3) for column in range(4)} - {(0, 0), (1, 3)}


def turned(places: set[tuple[int, int]], times: int) -> set[tuple[int, int]]:
    """Return places turned clockwise by right angles."""
    for _ in range(times):
        last = max(row for row, _ in places)
        places = {(column, last - row) for row, column in places}
    return places


@pytest.mark.parametrize(
    ("seen", "way"),
    [
        (BLOCK, ""),
        (BLOCK - {(2, 2)}, ""),
        (turned(BLOCK, 1), "0 if the map were turned by 90° clockwise"),
        (turned(BLOCK, 2), "0 if the map were turned by 180°"),
        (turned(BLOCK, 3), "0 if the map were turned by 90° the other way"),
        (turned(BLOCK, 2) - {(2, 2)}, "1 if the map were turned by 180°"),
        ({(row, 3 - column) for row, column in BLOCK}, "0 if the map were mirrored left to right"),
        ({(2 - row, column) for row, column in BLOCK}, "0 if the map were mirrored top to bottom"),
        ({(column, row) for row, column in BLOCK}, "0 if the map were with rows and columns exch"),
        (set(), ""),
    ],
)
def test_a_map_that_lies_another_way_is_told(seen: set[tuple[int, int]], way: str) -> None:
    found = better_way(BLOCK, seen)
    assert found.startswith(way) if way else found == ""


def test_a_mirrored_map_is_a_problem() -> None:
    places = {at: Place("P", "tissue", "m.csv") for at in BLOCK}
    cores = [Core(row, 3 - column, 0.0, 0.0) for row, column in BLOCK]
    _, notes, problems = with_map(cores, places)
    assert len(notes) == 1
    assert "where the map has none: " in problems[0]
    assert problems[1].startswith(
        "4 places of the map and of the array differ, 0 if the map were mirrored left to right"
    )
