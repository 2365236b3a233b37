from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.annotations import feature, geojson, square
from helpers.slidefiles import write_plain
from histohet.epithelium.base import MaskRules
from histohet.preflight.companions import check_companions
from histohet.slides.record import SlideRecord
from histohet.tiles.settings import TileSpec

ATTENTION = "x_coord,y_coord,attention_value\n"


RULES = MaskRules([3, 12], ["Tumor"])


def beside(files: dict[str, str], size: tuple[int, int] | None = (800, 600)) -> SlideRecord:
    width, height = size or (None, None)
    record = SlideRecord("a", None, mpp=1.0, width=width, height=height)
    return check_companions(record, files, TileSpec(tile_um=100, tile_px=100), RULES)


def problem_beside(files: dict[str, str], size: tuple[int, int] | None = (800, 600)) -> str | None:
    return beside(files, size).reason or None


def problem_of(tmp_path: Path, **contents: str) -> str | None:
    files = {}
    for column, text in contents.items():
        files[column] = str(tmp_path / f"{column}.csv")
        Path(files[column]).write_text(text)
    return problem_beside(files)


def mask_problem(path: Path) -> str | None:
    return problem_beside({"mask": str(path)})


def test_sound_files_are_no_problem(tmp_path: Path) -> None:
    assert problem_of(tmp_path) is None
    assert (
        problem_of(
            tmp_path,
            attention=ATTENTION + "0,0,0.1\n799,599,0.2\n",
            traits="x,y,A\n0,0,1\n",
        )
        is None
    )


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    problem = problem_of(
        tmp_path,
        attention=ATTENTION + "0,0,0.1\n800,0,0.2\n",
        traits="x,y,A\n0,0,2\n",
    )
    assert problem is not None
    attention, traits = problem.split("; ", 1)
    assert attention.startswith("attention: ")
    assert "1 of 2 tiles lie outside the slide of 800 × 600 px, the first at (800, 0)" in attention
    assert traits.startswith("traits: ")


def test_without_a_slide_only_negative_places_are_outside(tmp_path: Path) -> None:
    def problem(place: str) -> str | None:
        path = tmp_path / "attention.csv"
        path.write_text(f"{ATTENTION}{place},0.1\n")
        return problem_beside({"attention": str(path)}, None)

    assert problem("900000,0") is None
    assert "outside the slide, the first at (-1, 0)" in (problem("-1,0") or "")


@pytest.mark.parametrize(("side", "fits"), [(8, True), (7, False)])
def test_a_pixel_of_a_mask_is_no_larger_than_a_tile(tmp_path: Path, side: int, fits: bool) -> None:
    mask = write_plain(tmp_path / "a.tif", np.zeros((side * 6 // 8, side), np.uint8))
    problem = mask_problem(mask)
    assert problem is None if fits else "114 px of the slide, a tile 100" in (problem or "")


def test_outlines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("no GeoJSON")
    assert "is not GeoJSON: " in (mask_problem(tmp_path / "a.geojson") or "")
    other = geojson(tmp_path / "b.geojson", [feature(square(0, 0, 9, 9), "Stroma")])
    assert "it has: Stroma" in (mask_problem(other) or "")
    spelt = geojson(tmp_path / "c.geojson", [feature(square(0, 0, 9, 9), "tumor")])
    found = beside({"mask": str(spelt)})
    assert (found.status, found.notes) == (
        "ok",
        f"mask {spelt}: class 'tumor' is taken for 'Tumor'",
    )
