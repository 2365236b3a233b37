"""Arrays taken apart: phantoms, whose cores are known, and real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.dearray import measure
from helpers.slidefiles import write_plain
from histohet.common.arrays import UInt8
from histohet.cores.dearray import Array, slide_rows, take_apart
from histohet.cores.figures import draw_array
from histohet.cores.grid import ArrayError
from histohet.cores.settings import ArraySettings
from histohet.cores.sheet import ArrayRow
from histohet.slides.reader import open_slide
from histohet.slides.scale import ScaleUnknownError
from histohet.slides.sheet import read_slide_sheet

SETTINGS = ArraySettings(sheet="tma.tsv", diameter_um=1000)


def phantom(degrees: float = 0.0, missing: tuple[tuple[int, int], ...] = ()) -> UInt8:
    """Return cores of 1 mm in 5 rows and 4 columns at 20 µm per pixel, with dust."""
    rng = np.random.default_rng(0)
    picture = np.full((520, 520, 3), 243, np.int64)
    y, x = np.mgrid[0:520, 0:520]
    turn = np.exp(1j * np.radians(degrees))
    for row in range(5):
        for column in range(4):
            centre = ((column - 1.5) * 80 + 1j * (row - 2) * 75) * turn + 260 + 260j
            inside = np.hypot(x - centre.real, y - centre.imag) < 24
            if (row, column) not in missing:
                picture[inside & (rng.random(x.shape) < 0.7)] = (200, 120, 170)
    picture[20:24, 480:485] = 40
    return np.clip(picture + rng.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8)


def taken(path: Path, **cells: object) -> Array:
    with open_slide(path) as slide:
        return take_apart(slide, ArrayRow(2, "a", str(path), **({"mpp": 20.0} | cells)), SETTINGS)


@pytest.mark.parametrize("degrees", [-12.0, 0.0, 7.0])
def test_every_core_of_a_phantom_is_found_and_named(tmp_path: Path, degrees: float) -> None:
    path = write_plain(tmp_path / "a.png", phantom(degrees, missing=((2, 1),)))
    array = taken(path)
    assert [core.name for core in array.cores if core.missing] == ["C-2"]
    assert [core.name for core in array.cores] == [
        f"{row}-{column}" for row in "ABCDE" for column in range(1, 5)
    ]
    turn = np.exp(1j * np.radians(degrees))
    for core in array.cores:
        centre = ((core.column - 1.5) * 80 + 1j * (core.row - 2) * 75) * turn + 260 + 260j
        assert abs(core.x + 1j * core.y - centre) < 5
    with open_slide(path) as slide:
        assert draw_array(slide, array).shape[1] == 520


def test_the_rows_of_its_cores_are_a_slide_sheet(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", phantom(missing=((0, 3),)))
    (tmp_path / "map.csv").write_text(
        ",1,2,3,4\n"
        + "".join(
            f"{row},P{n},Q{n},R{n},{'control' if n else ''}\n" for n, row in enumerate("ABCDE")
        )
    )
    table = slide_rows(taken(path, map=str(tmp_path / "map.csv")), "bwh_biopsy")
    table.to_csv(tmp_path / "slides.tsv", sep="\t", index=False)
    rows = read_slide_sheet(tmp_path / "slides.tsv").slides
    assert len(rows) == 15
    assert (rows["a_B-3"].patient, rows["a_B-3"].core_diameter_um) == ("R1", "1000")


def test_another_grid_than_the_sheets_is_a_problem(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", phantom())
    assert taken(path, rows=5, columns=4).problems == ()
    assert "5 rows are found, the sheet says 6" in taken(path, rows=6).problems[0]


def test_a_picture_on_a_dark_ground_is_refused(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", (255 - phantom()).astype(np.uint8))
    with pytest.raises(ArrayError, match=r"shows no glass: .* name a file with its `cores`"):
        taken(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "A-1,100,100\nA-2,9000,100\n",
            "which has 520 × 520 px, lie cores A-2: is the file",
        ),
        ("A-1,-1,100\n", "lie cores A-1"),
    ],
)
def test_cores_of_another_slide_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = write_plain(tmp_path / "a.png", phantom())
    (tmp_path / "cores.csv").write_text("core,x,y\n" + rows)
    with pytest.raises(ArrayError, match=message):
        taken(path, cores=str(tmp_path / "cores.csv"))


def test_a_core_that_is_given_twice_is_a_problem(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", phantom())
    (tmp_path / "cores.csv").write_text("core,x,y\nA-1,100,100\nA-2,200,100\nB-1,103,110\n")
    problems = taken(path, cores=str(tmp_path / "cores.csv")).problems
    assert problems == ("cores overlap, or one is there twice: A-1 and B-1",)


def test_glass_without_cores_and_a_slide_without_scale_are_refused(tmp_path: Path) -> None:
    glass = write_plain(tmp_path / "g.png", np.full((300, 300, 3), 240, np.uint8))
    with pytest.raises(ArrayError, match="shows no core of 50 px: is the diameter right, or mpp"):
        taken(glass)
    with pytest.raises(ScaleUnknownError, match="give `mpp`"):
        taken(glass, mpp=None)


@pytest.mark.real
def test_labelled_cores_are_found(real_data: Path) -> None:
    found = measure(real_data / "cores/arrays/ABC_109_1_010_1.png")
    assert found["f1"] >= 0.98
    assert found["labelled"] == len(
        json.loads((real_data / "cores/arrays/ABC_109_1_010_1.json").read_text())
    )


@pytest.mark.real
def test_all_cores_of_an_array_in_h_and_e_are_found(real_data: Path) -> None:
    array = taken(real_data / "cores/he_array/ST221.jpg", mpp=5.0, diameter_um=1300.0)
    assert sum(not core.missing for core in array.cores) == 22
    assert {core.row for core in array.cores} == set(range(4))
    assert {core.column for core in array.cores} == set(range(6))
