"""The folder of a slide holds what its files say."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.atlases import FOLDER, MPP, Cohort, data_of
from histohet.atlas.data import read_call
from histohet.atlas.slide import SlideFiles, make_page, position_codes
from histohet.tiles.file import read_tiles


def unpacked(packed: dict[str, Any]) -> list[int]:
    raw = base64.b64decode(packed["values"])
    return np.frombuffer(raw, f"<u{packed['bits'] // 8}").tolist()


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=6, rows=5)
    return cohort


def files(cohort: Cohort, **more: str) -> SlideFiles:
    kinds = ("clusters", "coverage", "tiles", "record", "features", "slide", "tumour")
    return SlideFiles(**{kind: str(cohort.file(kind, "a")) for kind in kinds} | more)


def test_tiles_stand_where_the_tile_file_has_them(cohort: Cohort) -> None:
    cohort.write_slides()
    name, data = read_call(data_of(cohort, "a"))
    tiles = read_tiles(cohort.file("tiles", "a"))
    assert name == f"slide {FOLDER}/a"
    assert data["n_tiles"] == len(tiles.coords)
    places = np.array([unpacked(data["x"]), unpacked(data["y"])]).T * data["unit_px"]
    assert places.tolist() == tiles.coords.tolist()
    assert (data["rows"], data["mpp"], data["side_px"]) == (None, MPP, tiles.side_px)
    assert data["size_px"] == [8 * 224, 7 * 224]
    assert [one["name"] for one in data["layers"]] == [
        *("labels", "raw", "start", "stability", "coverage", "attention")
    ]


def test_positions_of_a_giant_keep_to_half_a_unit() -> None:
    coords = np.array([[0, 5], [65534, 131067], [399_999, 123_457]])
    unit, (x, y) = position_codes(coords)
    assert unit == 7
    assert np.abs(np.stack([x, y], 1) * unit - coords).max() <= 3
    assert max(x.max(), y.max()) <= 65534
    assert position_codes(coords[:0])[0] == 1


def test_a_refused_slide_says_why_and_has_nothing(cohort: Cohort) -> None:
    cohort.refuse("bad", "no scale")
    cohort.write_slides()
    _, data = read_call(data_of(cohort, "bad"))
    assert (data["status"], data["reason"]) == ("refused", "no scale")
    assert (data["n_tiles"], data["layers"], data["size_px"], data["mpp"]) == (0, [], None, None)


def test_pictures_say_nothing_of_where_they_are_from(cohort: Cohort) -> None:
    cohort.write_slides()
    folder = data_of(cohort, "a").parent
    for file in folder.glob("*.webp"):
        with Image.open(file) as image:
            assert set(image.info) <= {"loop", "background", "timestamp", "duration"}
            assert not image.getexif()
    text = data_of(cohort, "a").read_text()
    assert str(cohort.folder) not in text
    assert ".png" not in text


def test_a_second_time_gives_the_same_bytes(cohort: Cohort) -> None:
    cohort.write_slides()
    folder = data_of(cohort, "a").parent
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    cohort.write_slides()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first


def test_of_a_pool_no_typical_tiles_but_a_number_for_each(cohort: Cohort, tmp_path: Path) -> None:
    pooled = SlideFiles(
        clusters=str(cohort.file("clusters", "a")), coverage=str(cohort.file("coverage", "a"))
    )
    page = make_page("a", pooled, (), 3, tmp_path)
    data = page.as_dict("picture.webp", {})
    assert data["rows"] == [row for row in range(30) if row % 6]
    assert data["exemplars"] == []
    assert data["notes"] == [
        "no typical tiles: slides are pooled, or bring features without pixels"
    ]
    assert data["size_px"] == (8 * 224, 7 * 224)


@pytest.mark.parametrize(
    ("kind", "text", "note"),
    [
        ("truth", "x\ty\tsubclone\n1\t2\tx\n", "no truth: .*row 2: subclone is 'x'"),
        ("traits", "x\ty\tA\n1\t2\t7\n", "no trait maps: traits: .*A is '7'"),
    ],
)
def test_truth_and_traits_that_cannot_be_read_are_noted(
    cohort: Cohort, tmp_path: Path, kind: str, text: str, note: str
) -> None:
    (tmp_path / "bad.tsv").write_text(text)
    page = make_page("a", files(cohort, **{kind: str(tmp_path / "bad.tsv")}), (), 0, tmp_path)
    assert len(page.notes) == 1
    assert re.match(note, page.notes[0])


def test_truth_and_traits_are_layers(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "truth.tsv").write_text("x\ty\tsubclone\n224\t224\t2\n")
    (tmp_path / "traits.tsv").write_text("x\ty\tA\n224\t224\t1\n")
    more = {"truth": str(tmp_path / "truth.tsv"), "traits": str(tmp_path / "traits.tsv")}
    page = make_page("a", files(cohort, **more), (), 0, tmp_path)
    assert [layer.name for layer in page.layers][-2:] == ["truth", "traits_A"]
