"""Tiles as Inception sees them: the published rule of background, what is kept of a slide."""

from __future__ import annotations

import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.slidefiles import break_tiff_tiles, write_aperio, write_plain
from helpers.tiletables import tile_table
from histohet.common.outcome import OK, Outcome, SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.encoders.encode import TooManyUnreadableError
from histohet.slides.frame import Frame
from histohet.tiles.file import TileTable, read_tiles, tile_attributes
from histohet.tiles.lattice import lattice
from histohet.tiles.settings import TileSpec
from histohet.traits.pictures import (
    background_share,
    cut_tiles,
    no_pictures,
    read_picture,
    tile_set,
    write_pictures,
)

SIDE = 224


def test_background_is_counted_by_channel() -> None:
    tile = np.full((4, 4, 3), 220, np.uint8)
    assert background_share(tile) == 0
    tile[:2, :, 0] = 221
    assert background_share(tile) == pytest.approx(1 / 6)
    tile[..., 1:] = 255
    assert background_share(tile) == pytest.approx(5 / 6)
    counted = sum(value > 220 for value in tile.ravel().tolist())
    assert background_share(tile) == counted / tile.size


@pytest.mark.real
def test_no_published_tile_is_background(real_data: Path) -> None:
    """All 51 were kept by the original; none of them comes near to being left out."""
    with tarfile.open(real_data / "traits/tiles_TCGA-C8-A1HN_8x8.tar") as archive:
        read = (archive.extractfile(member) for member in archive.getmembers())
        tiles = [np.asarray(Image.open(BytesIO(file.read()))) for file in read if file]
    assert len(tiles) == 51
    assert {tile.shape for tile in tiles} == {(512, 512, 3)}
    shares = np.array([background_share(tile) for tile in tiles])
    assert shares.max() < 0.5
    assert shares.max() == pytest.approx(0.3235, abs=1e-3)


@pytest.mark.real
def test_of_a_real_slide_glass_is_left_out_and_published_tiles_stay(real_data: Path) -> None:
    """It is put together from published tiles, about a third of its places being empty."""
    path, size = real_data / "slides/TCGA-C8-A1HN_part.tif", (18 * 512, 22 * 512)
    spec = TileSpec(tile_um=256, tile_px=512)
    attributes = tile_attributes("a", spec, 0.5, size, "")
    tiles = TileTable(lattice(*size, spec, 0.5), attributes, OK)
    shares = cut_tiles(str(path), tiles, 1.01, 0, 0).background
    assert len(shares) == 396
    kept = shares < 0.5
    assert kept.sum() == 274
    assert shares[~kept].min() > 0.99


def slide(folder: Path) -> Path:
    """A slide of 3 x 2 tiles: noise, but for glass in the second and a rim in the fourth."""
    image = np.random.default_rng(1).integers(40, 200, (2 * SIDE, 3 * SIDE, 3), np.uint8)
    image[:SIDE, SIDE : 2 * SIDE] = 240
    image[SIDE:, : SIDE // 2 - 2] = 240
    return write_aperio(folder / "a.svs", image, 0.5, 20)


def places() -> np.ndarray:
    return np.array([[x, y] for y in (0, SIDE) for x in (0, SIDE, 2 * SIDE)])


def test_a_region_of_a_file_has_the_tiles_of_its_own_corner(tmp_path: Path) -> None:
    region = Frame(SIDE, 0, 2 * SIDE, 2 * SIDE)
    inside = [[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]
    file = str(slide(tmp_path))
    tiles = tile_table(np.array(inside), 0.5, (2 * SIDE, 2 * SIDE))
    found = cut_tiles(file, tiles, 1.01, 0, 0, region)
    whole = cut_tiles(file, tile_table(places(), 0.5, (3 * SIDE, 2 * SIDE)), 1.01, 0, 0)
    assert found.jpegs == [whole.jpegs[row] for row in (1, 2, 4, 5)]


@pytest.mark.parametrize("workers", [0, 2])
def test_tiles_keep_their_places_and_looks(tmp_path: Path, workers: int) -> None:
    tiles = tile_table(places(), 0.5, (3 * SIDE, 2 * SIDE))
    found = cut_tiles(str(slide(tmp_path)), tiles, 0.5, 0, workers)
    np.testing.assert_array_equal(found.tiles.coords, places()[[0, 2, 3, 4, 5]])
    assert found.background[2] == pytest.approx((SIDE // 2 - 2) / SIDE)
    write_pictures(tmp_path / "t.h5", found, Provenance())
    again = read_tiles(tmp_path / "t.h5")
    np.testing.assert_array_equal(again.coords, found.tiles.coords)
    image = np.asarray(Image.open(BytesIO(found.jpegs[1])))
    np.testing.assert_array_equal(read_picture(tmp_path / "t.h5", 1), image)
    rim = read_picture(tmp_path / "t.h5", 2).astype(int)
    assert np.abs(rim[:, : SIDE // 2 - 16] - 240).max() < 12
    # In any order, of several slides.
    several = tile_set([str(tmp_path / "t.h5")] * 2, [5, 5])
    with ThreadPoolExecutor(2) as readers:
        first, second = several.batches([np.array([7, 2]), np.array([0])], readers)
    np.testing.assert_array_equal(first, [several.read(2), several.read(2)])
    assert second.shape == (1, SIDE, SIDE, 3)


def test_a_slide_without_tiles_says_why(tmp_path: Path) -> None:
    white = write_plain(tmp_path / "white.png", np.full((SIDE, SIDE, 3), 250, np.uint8))
    tiles = tile_table(np.array([[0, 0]]), 0.5, (SIDE, SIDE))
    with pytest.raises(SlideLost, match="all 1 tiles on tissue are background"):
        cut_tiles(str(white), tiles, 0.5, 0, 0)
    lost = Outcome(Status.NO_TISSUE, "white")
    with pytest.raises(SlideLost, match="white"):
        cut_tiles("nowhere", tile_table(places()[:0], 0.5, (9, 9), outcome=lost), 0.5, 0, 0)
    write_pictures(tmp_path / "t.h5", no_pictures(tiles, lost), Provenance())
    again = read_tiles(tmp_path / "t.h5")
    assert (again.outcome, len(again.coords)) == (lost, 0)


def test_tiles_that_cannot_be_decoded_are_left_out_if_they_are_few(tmp_path: Path) -> None:
    path = slide(tmp_path)
    break_tiff_tiles(path, [0])
    tiles = tile_table(places(), 0.5, (3 * SIDE, 2 * SIDE))
    found = cut_tiles(str(path), tiles, 0.5, 0.2, 0)
    np.testing.assert_array_equal(found.tiles.coords, places()[[2, 3, 4, 5]])
    assert found.tiles.outcome.reason == "1 of 6 tiles cannot be decoded and are left out"
    with pytest.raises(TooManyUnreadableError, match=r"more than 0.1 of 6 tiles"):
        cut_tiles(str(path), tiles, 0.5, 0.1, 0)
