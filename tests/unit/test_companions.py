from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.slidefiles import write_plain
from histohet.common.outcome import OK, Status
from histohet.companions import outcome_of_mask, problem_of_companions
from histohet.epithelium.masks import LabelImage, Polygons

SIZE, TILE = (800, 600), 100.0
ATTENTION = "x_coord,y_coord,attention_value\n"


def problem_of(tmp_path: Path, **contents: str) -> str | None:
    files = {}
    for column, text in contents.items():
        files[column] = str(tmp_path / f"{column}.csv")
        Path(files[column]).write_text(text)
    return problem_of_companions(files, SIZE, TILE)


def mask_problem(path: Path) -> str | None:
    return problem_of_companions({"mask": str(path)}, SIZE, TILE)


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
        return problem_of_companions({"attention": str(path)}, None, TILE)

    assert problem("900000,0") is None
    assert "outside the slide, the first at (-1, 0)" in (problem("-1,0") or "")


@pytest.mark.parametrize(("side", "fits"), [(8, True), (7, False)])
def test_a_pixel_of_a_mask_is_no_larger_than_a_tile(tmp_path: Path, side: int, fits: bool) -> None:
    mask = write_plain(tmp_path / "a.tif", np.zeros((side * 6 // 8, side), np.uint8))
    problem = mask_problem(mask)
    assert problem is None if fits else "114 px of the slide, a tile 100" in (problem or "")


def test_outlines_are_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("no GeoJSON")
    assert mask_problem(tmp_path / "a.geojson") is None


def labels(tmp_path: Path, *classes: int) -> LabelImage:
    pixels = np.array(classes, np.uint8).reshape(1, -1).repeat(2, axis=0)
    path = tmp_path / f"{'-'.join(map(str, classes))}.tif"
    return LabelImage(write_plain(path, pixels), [3, 12], (len(classes), 2))


@pytest.mark.parametrize(
    ("on_tissue", "elsewhere", "status", "reason"),
    [
        (10.0, 0.0, "ok", ""),
        (10.0, 10.0, "ok", ""),
        (10.0, 10.1, "refused", "only 50% of the epithelium of mask m.tif lies on tissue"),
        (0.0, 1.0, "refused", "only 0%"),
    ],
)
def test_most_of_a_mask_must_lie_on_tissue(
    tmp_path: Path, on_tissue: float, elsewhere: float, status: str, reason: str
) -> None:
    outcome = outcome_of_mask(labels(tmp_path, 3, 0), "m.tif", on_tissue, elsewhere)
    assert outcome.status == status
    assert reason in outcome.reason


def test_what_a_mask_without_epithelium_holds_is_told(tmp_path: Path) -> None:
    def outcome(*classes: int) -> tuple[str, str]:
        found = outcome_of_mask(labels(tmp_path, *classes), "m.tif", 0.0, 0.0)
        return found.status, found.reason

    assert outcome(0, 0) == (Status.NO_EPITHELIUM, "mask m.tif is empty")
    assert outcome(0, 2, 7) == (
        Status.REFUSED,
        "mask m.tif has no class of epithelium.classes; it has 0, 2, 7",
    )
    assert outcome(*range(20, 40))[1].endswith("28, 29, 30, 31")
    # At the edge, where no tile is whole: a later step says that no tile has enough.
    assert outcome(0, 12) == (OK.status, OK.reason)


def test_outlines_off_all_tiles_are_of_another_slide(tmp_path: Path) -> None:
    outcome = outcome_of_mask(Polygons([]), "m.geojson", 0.0, 0.0)
    assert outcome.status == Status.REFUSED
    assert "coordinates of another slide or scale" in outcome.reason
