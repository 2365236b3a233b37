"""Thumbnails, and what is drawn on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from helpers.slidefiles import gradient, write_plain
from histohet.common.provenance import Provenance
from histohet.slides.reader import open_slide
from histohet.slides.thumbnail import (
    GLASS_COLOUR,
    THUMBNAIL_PX,
    TILE_COLOUR,
    TISSUE_COLOUR,
    backdrop,
    draw_tiles,
    placeholder,
    read_thumbnail,
    save_picture,
)

PROVENANCE = Provenance({"k": 8})


@pytest.mark.parametrize(
    ("size", "expected"), [((4000, 2000), (1600, 800)), ((300, 700), (300, 700))]
)
def test_thumbnail_is_bounded(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    with open_slide(write_plain(tmp_path / "a.png", gradient(*size))) as slide:
        picture = read_thumbnail(slide)
    assert picture.shape == (expected[1], expected[0], 3)
    assert max(picture.shape) <= THUMBNAIL_PX


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4000, 2000), (1600, 800)), ((300, 700), (300, 700)), ((10**6, 1), (1600, 1))],
)
def test_a_backdrop_has_the_shape_of_a_thumbnail(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    picture = backdrop(*size)
    assert picture.shape == (expected[1], expected[0], 3)
    assert len(np.unique(picture)) == 1


def test_tiles_and_tissue_are_drawn_where_they_are() -> None:
    white = np.full((100, 120, 3), 255, np.uint8)
    piece = shapely.box(500, 100, 1000, 600)
    picture = draw_tiles(white, 10, [piece], np.array([[100, 200]]), 300)
    assert tuple(picture[20, 25]) == TILE_COLOUR
    assert tuple(picture[50, 10]) == TILE_COLOUR
    assert tuple(picture[35, 25]) == (255, 255, 255)
    assert tuple(picture[30, 50]) == TISSUE_COLOUR
    other = draw_tiles(white, 10, [], np.array([[100, 200]]), 300, GLASS_COLOUR)
    assert tuple(other[20, 25]) == GLASS_COLOUR
    assert (white == 255).all()


def test_pictures_carry_their_provenance(tmp_path: Path) -> None:
    picture = placeholder("refused: " + "too coarse " * 20)
    for name in ("a.png", "b.jpg"):
        save_picture(tmp_path / name, picture, PROVENANCE)
        info = Image.open(tmp_path / name).info
        kept = info.get("Description") or info["comment"].decode()
        assert kept == PROVENANCE.as_json()
