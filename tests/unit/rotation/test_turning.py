from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.encoders import ColourBlocks, made
from histohet.common.arrays import UInt8
from histohet.encoders.base import SymmetryAverage
from histohet.rotation.turning import (
    TurningEncoder,
    View,
    row_of_ceiling,
    show,
    turn,
    views_of,
    window,
)

ANGLES = (0, 30, 45, 60, 90, 120, 180, 270, 330)


@pytest.fixture(scope="module")
def tiles() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)


def smooth_tiles(side: int) -> UInt8:
    """Tiles whose colours change slowly, by a formula that can be turned exactly."""
    return np.stack([of_formula(side, 0.0)])


def of_formula(side: int, angle: float) -> UInt8:
    """A pattern, drawn turned by an angle instead of turned when it is drawn."""
    offsets = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(offsets, offsets)
    turned = np.deg2rad(angle)
    # The point that lies at (x, y) afterwards; y points down.
    back_x = x * np.cos(turned) - y * np.sin(turned)
    back_y = x * np.sin(turned) + y * np.cos(turned)
    waves = (np.sin(back_x / 5), np.cos(back_y / 7), np.sin((back_x + 2 * back_y) / 9))
    return np.stack([np.rint(127 + 100 * wave) for wave in waves], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("quarters", range(4))
def test_right_angles_only_exchange_pixels(tiles: UInt8, quarters: int) -> None:
    expected = np.array([np.rot90(tile, quarters) for tile in tiles])
    np.testing.assert_array_equal(turn(tiles, 90.0 * quarters), expected)
    shown = show(tiles, View(90.0 * quarters))
    np.testing.assert_array_equal(
        shown, np.rot90(show(tiles, View(0)), quarters, axes=(1, 2)), strict=True
    )


@pytest.mark.parametrize("angle", [7.5, 30, 45, 100, 315])
def test_a_turned_tile_is_what_turned_tissue_looks_like(angle: float) -> None:
    side = 96
    found, expected = turn(smooth_tiles(side), angle)[0], of_formula(side, angle)
    seen = window(side)
    error = np.abs(found.astype(int) - expected)[seen]
    assert error.mean() < 0.6
    assert error.max() <= 3


@given(st.sampled_from([30.0, 45.0, 77.0]), st.integers(0, 3))
def test_angles_a_right_angle_apart_are_interpolated_alike(angle: float, quarters: int) -> None:
    """So the mean over all turns by 90° is the same, to the bit."""
    tiles = np.random.default_rng(quarters).integers(0, 256, (1, 20, 20, 3), dtype=np.uint8)
    further = turn(tiles, (angle + 90 * quarters) % 360)
    at_angle = np.rot90(turn(tiles, angle), (angle + 90 * quarters) % 360 // 90, axes=(1, 2))
    np.testing.assert_array_equal(further, at_angle)


@pytest.mark.parametrize("side", [16, 17, 64])
def test_the_window_is_the_same_at_every_angle(side: int) -> None:
    disc = window(side)
    for quarters in range(4):
        np.testing.assert_array_equal(disc, np.rot90(disc, quarters))
    np.testing.assert_array_equal(disc, disc[:, ::-1])
    area = np.pi * (side / 2 - 2.5) ** 2
    assert disc.sum() == pytest.approx(area, rel=0.15)
    # Cubic interpolation reaches two pixels further, and finds them in the tile.
    rows, columns = np.nonzero(disc)
    assert min(rows.min(), columns.min()) >= 2
    assert max(rows.max(), columns.max()) <= side - 3


def test_what_lies_outside_of_the_disc_is_never_seen(tiles: UInt8) -> None:
    other = tiles.copy()
    corners = np.hypot(*np.meshgrid(*[np.arange(48) - 23.5] * 2)) > 24
    other[:, corners] = 255 - other[:, corners]
    for angle in ANGLES:
        np.testing.assert_array_equal(show(tiles, View(angle)), show(other, View(angle)))
    assert not show(tiles, View(45))[:, ~window(48)].any()


def test_views_are_the_angles_and_each_way_back_once() -> None:
    views = views_of([0, 30, 90, 120, 315])
    assert views == (
        *map(View, (0, 30, 90, 120, 315)),
        View(30, back=True),
        View(45, back=True),
    )
    assert [row_of_ceiling(views, angle) for angle in (0, 30, 90, 120, 315)] == [0, 5, 0, 5, 6]
    assert views_of([90.0, 180.0]) == (View(0), View(90), View(180))


def test_turned_back_a_tile_is_blurred_and_nothing_else() -> None:
    tiles = smooth_tiles(96)
    back, seen = show(tiles, View(30, back=True)), window(96)
    assert np.abs(back.astype(int) - tiles)[:, seen].mean() < 1
    noise = np.random.default_rng(1).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    assert show(noise, View(30, back=True))[:, seen].std() < 0.9 * noise[:, seen].std()


def test_an_embedding_is_that_of_every_view(tiles: UInt8) -> None:
    encoder = TurningEncoder(ColourBlocks(), [0, 30, 90])
    vectors = encoder.encode(tiles)
    assert vectors.shape == (3, encoder.width) == (3, 4 * 48)
    views = [View(0), View(30), View(90), View(30, back=True)]
    for number, view in enumerate(views):
        np.testing.assert_array_equal(
            vectors[:, 48 * number : 48 * (number + 1)], ColourBlocks().encode(show(tiles, view))
        )


def test_with_d4_right_angles_are_the_same_to_the_bit(tiles: UInt8) -> None:
    encoder = TurningEncoder(SymmetryAverage(ColourBlocks()), [0, 90, 180, 270, 30, 120])
    at_rest, first, second, third, oblique, further, _ = np.split(encoder.encode(tiles), 7, axis=1)
    for turned in (first, second, third):
        np.testing.assert_array_equal(turned, at_rest)
    np.testing.assert_array_equal(further, oblique)
    assert not np.array_equal(oblique, at_rest)


@pytest.mark.real
def test_stain_texture_hardly_depends_on_right_angles(real_data: Path) -> None:
    """Not to the bit: nuclei are found on a lattice of pixels that is not turned with the tile."""
    core = cv2.imread(str(real_data / "cores/gleason2019/slide001_core059.png"))
    tiles = np.stack(np.split(core[400:464, 400:848, ::-1], 7, axis=1))
    encoder = TurningEncoder(made({"name": "stain_texture"}, 64), [0, 90])
    at_rest, turned = np.split(encoder.encode(tiles), 2, axis=1)
    spread = np.linalg.norm(at_rest - at_rest.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(turned - at_rest, axis=1).mean() < 0.1 * spread
