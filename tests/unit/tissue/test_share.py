"""Share of tissue of a tile: planted shares come back, ink is none, 0 keeps every tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.pictures import GLASS, INKS, expose, section
from helpers.slidefiles import write_plain
from helpers.tiletables import tile_table
from histohet.common.arrays import Float32, Floats, UInt8
from histohet.common.outcome import OK, Status
from histohet.slides.reader import Slide, SlideError, open_slide
from histohet.slides.sampling import read_tile
from histohet.tiles.file import TileTable, lay_tiles, tile_attributes
from histohet.tiles.lattice import in_tissue, lattice
from histohet.tiles.settings import TileSpec
from histohet.tissue.segmentation import segment_tissue
from histohet.tissue.settings import TISSUE_PRESETS
from histohet.tissue.share import leave_out_glass, tissue_shares

MPP, SIDE = 0.5, 224
"""A tile of 112 µm is 224 px; its share is measured on 28 × 28 pixels of 8 × 8."""

WHITE = (GLASS, GLASS, GLASS)
PINK = expose(np.array([0.1, 0.4, 0.2]))


def in_a_row(*pictures: UInt8) -> UInt8:
    return np.concatenate(pictures, axis=1)


def glass() -> UInt8:
    return np.full((SIDE, SIDE, 3), GLASS, np.uint8)


def shares_of(path: Path, picture: UInt8, *, with_ink: bool = False) -> Float32:
    height, width, _ = picture.shape
    coords = lattice(width, height, TileSpec(), MPP)
    with open_slide(write_plain(path, picture)) as slide:
        tiles = tile_table(coords, MPP, (width, height))
        return tissue_shares(slide, tiles, WHITE, with_ink=with_ink)


def test_planted_shares_come_back(tmp_path: Path) -> None:
    half, quarter, whole = glass(), glass(), glass()
    half[:, :112] = PINK
    quarter[:112, 112:] = PINK
    whole[:] = PINK
    found = shares_of(tmp_path / "a.png", in_a_row(glass(), quarter, half, whole))
    np.testing.assert_array_equal(found, np.float32([0, 0.25, 0.5, 1]))


def test_the_walls_of_fat_cells_are_tissue_and_their_content_is_not(tmp_path: Path) -> None:
    """A wall of 4 µm every 48 µm, both ways: 1 - (11 / 12)² of the area and more of the pixels."""
    fat = glass()
    for start in range(0, SIDE, 96):
        fat[start : start + 8] = fat[:, start : start + 8] = PINK
    # Walls at 0, 96 and 192 px: 3 of 28 pixels each way.
    expected = 1 - (25 / 28) ** 2
    assert shares_of(tmp_path / "a.png", fat) == pytest.approx([expected])


@pytest.mark.parametrize("pen", sorted(INKS))
def test_ink_is_no_tissue_unless_it_is_taken_for_it(tmp_path: Path, pen: str) -> None:
    stroke = glass()
    stroke[:56] = PINK
    stroke[56:] = expose(np.array(INKS[pen]))
    assert shares_of(tmp_path / "a.png", stroke) == pytest.approx([0.25])
    assert shares_of(tmp_path / "b.png", stroke, with_ink=True) == pytest.approx([1])


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_slide_has_the_same_shares(tmp_path: Path, turn: int) -> None:
    picture = section(4 * SIDE, 90)
    upright = shares_of(tmp_path / "a.png", picture)
    turned = shares_of(tmp_path / "b.png", np.ascontiguousarray(np.rot90(picture, turn)))
    assert upright.min() < 0.6 < 0.99 < upright.max()
    np.testing.assert_array_equal(
        turned.reshape(4, 4), np.rot90(upright.reshape(4, 4), turn, axes=(0, 1))
    )


def test_glass_is_told_by_the_white_of_the_slide(tmp_path: Path) -> None:
    hazy = np.full((SIDE, SIDE, 3), (221, 208, 224), np.uint8)
    tiles = tile_table(np.array([[0, 0]]), MPP, (SIDE, SIDE))
    with open_slide(write_plain(tmp_path / "a.png", hazy)) as slide:
        assert tissue_shares(slide, tiles, (221, 208, 224)) == [0]
        assert tissue_shares(slide, tiles, (255, 255, 255)) == [1]


class _Torn:
    """A slide whose left half cannot be decoded."""

    def __init__(self, slide: Slide) -> None:
        self.info = slide.info
        self._slide = slide

    def read(self, level: int, x: int, y: int, width: int, height: int) -> UInt8:
        if x < SIDE:
            raise SlideError("torn.svs cannot be read")
        return self._slide.read(level, x, y, width, height)

    def close(self) -> None:
        self._slide.close()


def test_a_tile_that_cannot_be_read_is_kept_and_decided_where_it_is_encoded(
    tmp_path: Path,
) -> None:
    coords = np.array([[0, 0], [SIDE, 0]])
    tiles = tile_table(coords, MPP, (2 * SIDE, SIDE))
    with open_slide(write_plain(tmp_path / "a.png", in_a_row(glass(), glass()))) as slide:
        shares = tissue_shares(_Torn(slide), tiles, WHITE)
    np.testing.assert_array_equal(shares, np.float32([np.nan, 0]))
    found = leave_out_glass(tiles, shares, 0.25)
    np.testing.assert_array_equal(found.tiles.coords, [[0, 0]])


def row_of(n: int) -> TileTable:
    return tile_table(np.stack([np.arange(n) * SIDE, np.zeros(n, np.int64)], axis=1), MPP, (1, 1))


UNIT = st.floats(0, 1, width=32)


@given(st.lists(UNIT, min_size=1, max_size=30), UNIT, UNIT)
def test_a_lower_limit_keeps_no_less_and_no_tile_is_lost(
    shares: list[float], one: float, other: float
) -> None:
    tiles, column = row_of(len(shares)), np.array(shares, np.float32)
    low, high = (leave_out_glass(tiles, column, least) for least in sorted((one, other)))
    kept = [set(map(tuple, found.tiles.coords.tolist())) for found in (low, high)]
    assert kept[1] <= kept[0]
    for found in (low, high):
        assert found.tiles.n_glass == len(found.glass)
        both = np.concatenate([found.tiles.coords, found.glass])
        np.testing.assert_array_equal(both[np.argsort(both[:, 0])], tiles.coords)
        assert (np.diff(found.tiles.coords[:, 0]) > 0).all()
        assert len(found.shares) == len(found.tiles.coords)
    assert (low.shares >= min(one, other)).all()


def test_rim_is_partly_glass_and_not_surrounded() -> None:
    # A hole of glass at (2, 2), holes of fat at (5, 5): both have tiles that are half tissue.
    coords = np.indices((9, 9)).reshape(2, -1).T * SIDE
    x, y = coords.T // SIDE
    shares = np.ones(81, np.float32)
    shares[(x == 2) & (y == 2)] = 0
    half = ((x == 3) & (y == 2)) | ((x == 5) & (y == 5)) | ((x == 0) & (y == 7))
    shares[half] = 0.5
    found = leave_out_glass(tile_table(coords, MPP, (1, 1)), shares, 0.25, 0.75)
    assert found.tiles.at_rim is not None
    assert found.tiles.coords[found.tiles.at_rim].tolist() == [[0, 7 * SIDE], [3 * SIDE, 2 * SIDE]]
    for limit in (0.0, 0.5):
        found = leave_out_glass(tile_table(coords, MPP, (1, 1)), shares, 0.25, limit)
        assert found.tiles.at_rim is not None
        assert not found.tiles.at_rim.any()


def test_rim_is_where_glass_lies_beside_a_tile_kept_or_not() -> None:
    """Whatever is left out as glass, and for tiles that overlap: the tile beside is the second."""
    at_rim = [0, 7 * SIDE], [3 * SIDE, 2 * SIDE]
    coords = np.indices((9, 9)).reshape(2, -1).T * SIDE
    x, y = coords.T // SIDE
    shares = np.ones(81, np.float32)
    shares[(x == 2) & (y == 2)] = 0.1
    shares[((x == 3) & (y == 2)) | ((x == 5) & (y == 5)) | ((x == 0) & (y == 7))] = 0.5
    for least in (0.0, 0.25, 0.4):
        tiles = leave_out_glass(tile_table(coords, MPP, (1, 1)), shares, least, 0.75).tiles
        assert tiles.at_rim is not None
        found = tiles.coords[tiles.at_rim & (shares[shares >= least] > 0.25)].tolist()
        assert found == list(at_rim)
    half = coords // 2
    spec = TileSpec(overlap_um=TileSpec().tile_um / 2)
    overlapping = TileTable(half, tile_attributes("a", spec, MPP, (1, 1), ""), OK)
    tiles = leave_out_glass(overlapping, shares, 0.25, 0.75).tiles
    assert tiles.at_rim is not None
    # (5, 5) is three places from the edge, and none of the 24 around it is glass.
    assert tiles.coords[tiles.at_rim].tolist() == [[0, 7 * SIDE // 2], [3 * SIDE // 2, SIDE]]
    shares[(x == 5) & (y == 7)] = 0
    tiles = leave_out_glass(overlapping, shares, 0.25, 0.75).tiles
    assert tiles.at_rim is not None
    assert [5 * SIDE // 2, 5 * SIDE // 2] in tiles.coords[tiles.at_rim].tolist()


@given(st.lists(UNIT, max_size=30))
def test_no_limit_keeps_every_tile(shares: list[float]) -> None:
    found = leave_out_glass(row_of(len(shares)), np.array(shares, np.float32), 0)
    np.testing.assert_array_equal(found.tiles.coords, row_of(len(shares)).coords)
    assert (found.tiles.n_glass, found.tiles.outcome) == (0, OK)


def test_a_slide_of_glass_has_no_tiles_and_says_why() -> None:
    found = leave_out_glass(row_of(3), np.float32([0, 0.1, 0.2]), 0.25)
    assert found.tiles.outcome.status is Status.NO_TILES
    assert found.tiles.outcome.reason == (
        "each of 3 tiles that touch tissue is less than 25% tissue (tiles.min_tissue_share)"
    )


@pytest.mark.real
def test_holes_of_a_real_section_are_glass_and_its_tissue_is_not(real_data: Path) -> None:
    """Every tile of pure glass goes, and nearly none that is mostly dark at full resolution."""
    with open_slide(real_data / "slides" / "TCGA-C8-A1HN_part.tif") as slide:
        tissue = segment_tissue(slide, MPP, TISSUE_PRESETS["tcga"])
        size = (slide.info.width, slide.info.height)
        tiles = lay_tiles("a", TileSpec(), MPP, size, tissue.pieces, "tiles")
        shares = tissue_shares(slide, tiles, tissue.white)
        dark = np.array([_dark(slide, *corner) for corner in tiles.coords.tolist()])
    expected = in_tissue(lattice(*size, TileSpec(), MPP), tiles.side_px, tissue.pieces).sum()
    assert len(leave_out_glass(tiles, shares, 0).tiles.coords) == expected
    is_glass = shares < 0.25
    assert is_glass[dark < 0.02].all()
    assert 0.05 < is_glass.mean() < 0.2
    assert not is_glass[dark > 0.4].any()


def _dark(slide: Slide, x: int, y: int) -> Floats:
    """Share of a tile's pixels that are clearly darker than glass, at 2 µm per pixel."""
    return (read_tile(slide, x, y, SIDE, 56).min(axis=2) < 215).mean()
