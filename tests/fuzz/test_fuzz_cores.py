"""Any bytes in what says where cores are and whose: cores in places, or one message."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from helpers.mutations import Reader
from histohet.common.sheets import SheetError
from histohet.cores.dearray import with_map
from histohet.cores.grid import ArrayError, Core
from histohet.cores.qupath import read_geojson_cores, read_qptma, write_qptma
from histohet.cores.sheet import read_array_sheet, read_core_table, read_map

TOKENS = (
    *(b"\t", b",", b";", b"\n", b"\r\n", b'"', b"\0", b" ", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"1e999",
        b"-1e308",
        b"nan",
        b"inf",
        b"1_0",
        b"9" * 30,
        b"9" * 5000,
        b"-0",
        b".",
        "١٢".encode(),
    ),
    *(b"A", b"ZZZ", b"A-1", b"1-A", b"0", b"-1", b"1000", b"control", b"NA", b"true", b"false"),
    *(b"null", b"[]", b"{}", b"NaN", b"[" * 20_000, b'"tmaCore"', b'"isMissing"', b"../", b"{x}"),
)
RING = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
CORE = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [RING]},
    "properties": {"objectType": "tmaCore", "name": "A-1", "metadata": {"Case ID": "P1"}},
}
OLD = {
    "id": "TMACoreObject",
    "geometry": CORE["geometry"],
    "properties": {"name": "B-2", "isMissing": True, "metadata": {"Unique ID": "P2"}},
}
QPTMA = (
    b"slides/a.svs\na.svs\n\nTMA grid width: 2\nTMA grid height: 1\n"
    b"Core name\tX\tY\tWidth\tHeight\tPresent\tCase ID\n"
    b"A-1\t10\t20\t5\t5\ttrue\tP1\nA-2\t\t\t\t\tfalse\t\n"
)


def check(cores: list[Core], folder: Path) -> None:
    """Whatever is read can be used: it has a place on the slide, a name, a region, a line."""
    assert cores
    for core in cores:
        assert math.isfinite(core.x + core.y)
        assert core.name
        assert core.region(100.0).width >= 100
    write_qptma(folder / "out", "a.svs", cores, 100.0, (0, 0))


def qptma(path: Path) -> None:
    check(read_qptma(path, "a.svs", (3, 4)), path.parent)


def geojson(path: Path) -> None:
    check(read_geojson_cores(path, (3, 4)), path.parent)


def table(path: Path) -> None:
    check(read_core_table(path), path.parent)


def layout(path: Path) -> None:
    places = read_map(path, "x")
    assert all(place.patient for place in places.values() if place.kind == "tissue")
    with_map([Core(0, 0, 1.0, 1.0)], places)


def sheet(path: Path) -> None:
    for array, row in read_array_sheet(path).items():
        assert row.array == array
        assert row.path
        assert row.mpp is None or 0 < row.mpp < math.inf


READERS = (
    Reader(qptma, ArrayError, "a.qptma", (QPTMA,)),
    Reader(
        geojson,
        ArrayError,
        "a.geojson",
        tuple(json.dumps(one).encode() for one in ({"features": [CORE, OLD]}, [CORE], CORE)),
    ),
    Reader(
        table,
        SheetError,
        "cores.csv",
        (
            b"core,x,y,missing,patient\nA-1,10,20.5,0,P1\nB-2,30,40,true,\n",
            b"row,column,x,y\nA,1,10,20\n2,2,1e3,5\n",
        ),
    ),
    Reader(
        layout,
        SheetError,
        "map.csv",
        (
            b"array,row,column,patient,kind\nx,A,1,P1,tissue\nx,A,2,,control\ny,B,1,P3,\n",
            b",1,2,3\nA,P1,control,\nB,P2,P3,empty\n",
        ),
    ),
    Reader(
        sheet,
        SheetError,
        "tma.tsv",
        (
            b"array\tpath\tmpp\tdiameter_um\trows\tmap\nx\ta.svs\t0.25\t600\t8\tm.csv\ny\tb.svs\t\t\t\t\n",
        ),
    ),
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_any_bytes_give_cores_or_one_message(reader: Reader, tmp_path: Path) -> None:
    reader.check(tmp_path, TOKENS)
