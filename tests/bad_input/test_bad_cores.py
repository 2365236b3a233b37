"""Files that say where cores are and whose, as people and programs get them wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from histohet.common.sheets import SheetError
from histohet.cores.grid import ArrayError
from histohet.cores.qupath import read_geojson_cores, read_qptma
from histohet.cores.sheet import read_array_sheet, read_core_table, read_map

HEAD = "Core name\tX\tY\tWidth\tHeight\tPresent\tCase ID\n"
OUTLINE = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 0]]]}


def core(name: object, geometry: object = OUTLINE) -> str:
    about = {"objectType": "tmaCore", "name": name}
    return json.dumps([{"type": "Feature", "geometry": geometry, "properties": about}])


def the_map(path: Path) -> None:
    read_map(path, "a")


def qptma(path: Path) -> None:
    read_qptma(path, "slides/a.svs", (0, 0))


def geojson(path: Path) -> None:
    read_geojson_cores(path, (0, 0))


Case = tuple[Callable[[Path], object], str, str, str]

CASES: dict[str, Case] = {
    "sheet: empty": (read_array_sheet, "tma.tsv", "", "tma.tsv is empty"),
    "sheet: header only": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\n",
        "tma.tsv names no array: add one row per slide",
    ),
    "sheet: no path": (
        read_array_sheet,
        "tma.tsv",
        "array\tslide\na\ta.svs\n",
        "column 'path' is missing; there are array, slide",
    ),
    "sheet: mistyped column": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\tdiameter\na\ta.svs\t600\n",
        "unknown column 'diameter'; known are array, path, mpp, diameter_um",
    ),
    "sheet: no name": (read_array_sheet, "tma.tsv", "array\tpath\n\ta.svs\n", "row 2: no array"),
    "sheet: a name that names no file": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\na/b\ta.svs\n",
        "row 2: array id 'a/b' must be letters, digits",
    ),
    "sheet: twice": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\na\ta.svs\na\tb.svs\n",
        "row 3: array 'a' stands in row 2 too",
    ),
    "sheet: no scale": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\tmpp\na\ta.svs\t20x\n",
        "row 2: mpp is '20x', not a positive number",
    ),
    "sheet: half a row": (
        read_array_sheet,
        "tma.tsv",
        "array\tpath\trows\na\ta.svs\t7.5\n",
        "row 2: rows is '7.5', not a whole number: how many there are",
    ),
    "map: another table": (
        the_map,
        "map.csv",
        "core,case\nA-1,P1\n",
        "map.csv is no map of cores: give the columns row, column, patient, or the layout",
    ),
    "map: of another array": (
        the_map,
        "map.csv",
        "array,row,column,patient\nb,A,1,P1\n",
        "map.csv has no place of array 'a'",
    ),
    "map: unknown kind": (
        the_map,
        "map.csv",
        "row,column,patient,kind\nA,1,P1,tumour\n",
        "row 2: kind 'tumour' is none of tissue, control, empty",
    ),
    "map: no patient": (
        the_map,
        "map.csv",
        "row,column,patient\nA,1,NA\n",
        "row 2: no patient; set kind to control or empty if so",
    ),
    "map: a place twice": (
        the_map,
        "map.csv",
        "row,column,patient\nA,1,P1\n1,1,P2\n",
        "row 3: the same place as",
    ),
    "map: rows and columns exchanged": (
        the_map,
        "map.csv",
        "row,column,patient\n1,A,P1\n",
        "row 2: row '1', column 'A' is no place: rows are letters (or numbers), columns numbers",
    ),
    "map: an endless block": (
        the_map,
        "map.csv",
        "row,column,patient\nA,999999999,P1\n",
        "column '999999999' is no place",
    ),
    "map: block with another first column": (
        the_map,
        "map.csv",
        "block,1,2\nfirst row,P1,P2\n",
        "row 'first row', column '1' is no place",
    ),
    "cores: no place": (
        read_core_table,
        "cores.csv",
        "id,x,y\n1,5,5\n",
        "column 'row' is missing: core (A-1) or row and column, x, y; there are id, x, y",
    ),
    "cores: a name of its own": (
        read_core_table,
        "cores.csv",
        "core,x,y\ncore 7,5,5\n",
        "row 2: core 'core 7' is no place as A-1",
    ),
    "cores: no number": (
        read_core_table,
        "cores.csv",
        "core,x,y\nA-1,5 px,5\n",
        "row 2: x is '5 px', not a number of pixels",
    ),
    "cores: infinite": (read_core_table, "cores.csv", "core,x,y\nA-1,inf,5\n", "row 2: x is 'inf'"),
    "cores: missing or not": (
        read_core_table,
        "cores.csv",
        "core,x,y,missing\nA-1,5,5,perhaps\n",
        "row 2: missing is 'perhaps', not 0 or 1",
    ),
    "cores: none": (read_core_table, "cores.csv", "core,x,y\n", "cores.csv has no core"),
    "qptma: another table": (
        qptma,
        "a.qptma",
        "Name\tX\nA-1\t5\n",
        "a.qptma is no .qptma of QuPath: no line begins with 'Core name'",
    ),
    "qptma: another slide": (
        qptma,
        "a.qptma",
        f"D:\\slides\\b.svs\nb.svs\n\n{HEAD}A-1\t1\t2\t3\t4\ttrue\t\n",
        "a.qptma is of 'b.svs', not of a.svs: if the file was renamed, change the first lines",
    ),
    "qptma: no grid": (
        qptma,
        "a.qptma",
        f"{HEAD}Core\t1\t2\t3\t4\ttrue\t\n",
        "line 2: 'Core' has no place such as A-1",
    ),
    "qptma: nowhere": (
        qptma,
        "a.qptma",
        f"{HEAD}A-1\t\t\t\t\tfalse\t\n",
        "a.qptma has no core with an outline",
    ),
    "geojson: annotations": (
        geojson,
        "a.geojson",
        '{"features": [{"properties": {"objectType": "annotation"}}]}',
        "a.geojson has no TMA core: export all objects of the dearrayed slide",
    ),
    "geojson: no grid": (
        geojson,
        "a.geojson",
        core("Core 12"),
        "feature 1: 'Core 12' is no place: name cores by row and column, such as A-1",
    ),
    "geojson: no outline": (geojson, "a.geojson", core("A-1", None), "core A-1 has no outline"),
    "geojson: a point that is none": (
        geojson,
        "a.geojson",
        core("A-1", {"type": "Point", "coordinates": ["5", None]}),
        "core A-1 has no outline",
    ),
    "geojson: cut off": (geojson, "a.geojson", core("A-1")[:-9], "a.geojson is no GeoJSON: "),
}


@pytest.mark.parametrize("case", CASES)
def test_each_is_told_what_is_wrong_and_where(tmp_path: Path, case: str) -> None:
    read, name, text, message = CASES[case]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises((SheetError, ArrayError), match=re.escape(message)) as refusal:
        read(path)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("read", [read_array_sheet, the_map, read_core_table, qptma, geojson])
@pytest.mark.parametrize("kind", ["absent", "folder", "binary"])
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, read: Callable[[Path], object], kind: str
) -> None:
    path = tmp_path / "x.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises((SheetError, ArrayError), match=r"x\.csv"):
        read(path)
