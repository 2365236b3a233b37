from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.featurefiles import stamp_grid, write_clam, write_trident
from histohet.features.imported.layouts import (
    FeatureFileError,
    FeatureSource,
    TileFacts,
    TilePositions,
    read_source,
    read_tile_positions,
)
from histohet.features.imported.placement import check_tile_size, imported_tile_table, place_tiles
from histohet.tiles.settings import TileSpec

TRIDENT = TileFacts(side_px=512, tile_px=256, overlap=0.0, magnification=40, size=(20000, 20000))


def grid(columns: int, n_rows: int, step: int, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
    ys, xs = np.mgrid[0:n_rows, 0:columns]
    return np.stack([xs.ravel() * step + origin[0], ys.ravel() * step + origin[1]], axis=1)


def source(positions: np.ndarray, facts: TileFacts = TRIDENT, layout: str = "TRIDENT"):
    return FeatureSource("a.h5", layout, "/features", 4, "uni", positions.astype(float), facts)


def stamp(positions: np.ndarray, side_um: float = 256.0) -> FeatureSource:
    positions = positions.astype(np.float32)
    return source(positions, TileFacts(side_um=side_um, tile_px=224), "STAMP")


def clam(positions: np.ndarray, side_px: float = 512) -> tuple[FeatureSource, TilePositions]:
    facts = TileFacts(side_px=side_px, tile_px=int(side_px))
    return source(positions, TileFacts(), "CLAM"), TilePositions("c.h5", positions, facts)


def test_trident_tiles_come_row_by_row_and_remember_their_row() -> None:
    shuffled = np.random.default_rng(0).permutation(grid(5, 4, 512))
    placed = place_tiles(source(shuffled), 0.25)
    np.testing.assert_array_equal(placed.coords, grid(5, 4, 512))
    np.testing.assert_array_equal(shuffled[placed.source_row], placed.coords)
    assert (placed.side_px, placed.pitch_px, placed.tile_px) == (512, 512, 256)
    assert (placed.size, placed.notes) == ((20000, 20000), ())


def test_overlap_of_trident_shortens_the_pitch() -> None:
    facts = replace(TRIDENT, overlap=64 / 256)
    placed = place_tiles(source(grid(5, 4, 384), facts), 0.25)
    assert (placed.side_px, placed.pitch_px) == (512, 384)
    with pytest.raises(FeatureFileError, match="tiles lie 512 px apart, 384 are expected"):
        place_tiles(source(grid(5, 4, 512), facts), 0.25)


@pytest.mark.parametrize("step", [128, 256, 511 - 1, 1024])
def test_positions_of_another_level_are_refused(step: int) -> None:
    with pytest.raises(FeatureFileError, match=f"{step} px apart, 512 are expected"):
        place_tiles(source(grid(6, 6, step)), 0.25)


def test_few_scattered_tiles_need_not_be_neighbours() -> None:
    scattered = np.array([[0, 0], [2048, 0], [0, 5120], [1024, 5120]])
    assert place_tiles(source(scattered), 0.25).pitch_px == 512
    alone = place_tiles(source(np.array([[512, 1024]])), 0.25)
    assert (alone.pitch_px, len(alone.coords)) == (512, 1)


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("value", [-1, 20000])
def test_tiles_outside_the_slide_are_refused(column: int, value: int) -> None:
    coords = grid(5, 4, 512)
    coords[7, column] = value
    with pytest.raises(FeatureFileError, match="1 of 20 tiles lie outside the slide of 20000 × 20"):
        place_tiles(source(coords), 0.25)
    unknown = source(coords, replace(TRIDENT, size=None))
    if value < 0:
        with pytest.raises(FeatureFileError, match="outside the slide, the first at"):
            place_tiles(unknown, 0.25)


def test_a_tile_may_reach_over_the_edge() -> None:
    """TRIDENT, CLAM and STAMP all pad the last tile of a row."""
    assert len(place_tiles(source(grid(3, 3, 512)), 0.25, size=(20000, 20000)).coords) == 9
    edge = source(grid(3, 3, 512), replace(TRIDENT, size=(1025, 1025)))
    assert len(place_tiles(edge, 0.25).coords) == 9


def test_another_slide_is_recognised_by_its_size() -> None:
    with pytest.raises(FeatureFileError, match="slide of 20000 × 20000 px, this one has 500"):
        place_tiles(source(grid(3, 3, 512)), 0.25, size=(500, 400))


@pytest.mark.parametrize(("mpp", "fits"), [(0.25, True), (0.29, True), (0.31, True), (0.5, False)])
def test_magnification_must_go_with_mpp(mpp: float, fits: bool) -> None:
    """TRIDENT calls 0.2 to 0.3 µm per pixel 40x; 5 % are left for another reading of the file."""
    if fits:
        place_tiles(source(grid(3, 3, 512)), mpp)
    else:
        with pytest.raises(FeatureFileError, match=r"40x .* contradicts 0.5 µm per pixel"):
            place_tiles(source(grid(3, 3, 512)), mpp)


def test_fractional_positions_in_pixels_are_refused() -> None:
    with pytest.raises(FeatureFileError, match="not whole numbers"):
        place_tiles(source(grid(3, 3, 512) + 0.5), 0.25)


def test_clam_needs_its_tiles_or_the_sheet() -> None:
    features, tiles = clam(grid(4, 3, 512, (37, 1201)))
    with pytest.raises(FeatureFileError, match="does not say how large its tiles are"):
        place_tiles(features, 0.25)
    by_file = place_tiles(features, 0.25, tiles=tiles)
    by_sheet = place_tiles(features, 0.25, side_px=512)
    for placed in (by_file, by_sheet):
        assert (placed.side_px, placed.pitch_px, placed.tile_px) == (512, 512, 512)
    with pytest.raises(FeatureFileError, match="512 px in the tiles file, 256 px in the sheet"):
        place_tiles(features, 0.25, tiles=tiles, side_px=256)


def test_clam_tiles_of_another_run_are_refused() -> None:
    features, tiles = clam(grid(4, 3, 512))
    with pytest.raises(FeatureFileError, match=r"12 tiles, c\.h5 has 11: .* the same run"):
        place_tiles(features, 0.25, tiles=replace(tiles, positions=tiles.positions[1:]))
    swapped = tiles.positions.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    with pytest.raises(FeatureFileError, match="differ from tile 3 on"):
        place_tiles(features, 0.25, tiles=replace(tiles, positions=swapped))
    with pytest.raises(FeatureFileError, match="leave the column `tiles` empty"):
        place_tiles(stamp(grid(2, 2, 1024) * 0.25), 0.25, tiles=tiles)


def test_step_of_clam_is_found_where_no_file_tells_it() -> None:
    """CLAM's ``--step_size`` is recorded nowhere."""
    features, tiles = clam(grid(6, 6, 256))
    assert place_tiles(features, 0.25, tiles=tiles).pitch_px == 256
    features, tiles = clam(grid(6, 6, 700))
    with pytest.raises(FeatureFileError, match="tiles lie 700 px apart, 512 are expected"):
        place_tiles(features, 0.25, tiles=tiles)


def test_clam_lattices_may_overlap_at_their_borders_and_repeat_tiles() -> None:
    one, other = grid(10, 10, 512), grid(10, 10, 512, (10 * 512 - 100, 77))
    repeated = one[[5, 17]]
    features, tiles = clam(np.concatenate([one, other, repeated]))
    placed = place_tiles(features, 0.25, tiles=tiles)
    assert placed.pitch_px == 512
    assert len(placed.coords) == 200
    assert not {200, 201} & set(placed.source_row.tolist())
    assert placed.notes[0].startswith("2 of 202 tiles stand twice")
    # The tenth column of the one reaches 100 px into the first of the other.
    assert placed.notes[1] == "20 of 200 tiles overlap tiles of another lattice"


def test_too_much_overlap_is_no_lattice() -> None:
    features, tiles = clam(np.concatenate([grid(10, 10, 512), grid(10, 10, 512, (100, 77))]))
    with pytest.raises(FeatureFileError, match="200 of 200 tiles overlap others irregularly"):
        place_tiles(features, 0.25, tiles=tiles)


@pytest.mark.real
def test_clam_lattices_of_a_real_slide(real_data: Path) -> None:
    tiles = read_tile_positions(real_data / "interop" / "clam_coords_TCGA-2V-A95S.h5")
    features = source(tiles.positions, TileFacts(), "CLAM")
    placed = place_tiles(features, 0.25, tiles=tiles, size=(39839, 45988))
    assert (len(placed.coords), placed.pitch_px, placed.notes) == (1481, 512, ())


@pytest.mark.parametrize("mpp", [0.25, 0.2527, 0.499, 0.5, 0.2201])
@pytest.mark.parametrize("side_um", [256.0, 112.0, 224.0])
def test_stamp_positions_become_the_pixels_it_read(mpp: float, side_um: float) -> None:
    um, px = stamp_grid((14, 9), mpp, side_um)
    order = np.random.default_rng(3).permutation(len(um))
    placed = place_tiles(stamp(um[order], side_um), mpp)
    expected = px[np.lexsort((px[:, 0], px[:, 1]))]
    np.testing.assert_array_equal(placed.coords, expected)
    np.testing.assert_array_equal(px[order][placed.source_row], expected)
    assert placed.side_px == placed.pitch_px == np.ceil(side_um / mpp)


@given(st.integers(0, 2**32 - 1), st.floats(0.15, 1.2), st.sampled_from([112.0, 128.0, 256.0]))
@settings(max_examples=60, deadline=None)
def test_any_stamp_grid_is_found_also_with_a_last_digit_less(
    seed: int, mpp: float, side_um: float
) -> None:
    rng = np.random.default_rng(seed)
    um, px = stamp_grid((12, 12), mpp, side_um)
    some = rng.permutation(len(um))[: rng.integers(1, len(um) + 1)]
    placed = place_tiles(stamp(um[some], side_um), mpp * (1 + rng.choice([-1, 0, 1]) * 1e-6))
    np.testing.assert_array_equal(px[some][placed.source_row], placed.coords)


@pytest.mark.parametrize("factor", [0.9, 0.95, 0.99, 1.05, 1.1])
@pytest.mark.parametrize("side_um", [256.0, 112.0])
def test_stamp_positions_tell_most_wrong_scales(factor: float, side_um: float) -> None:
    um, _ = stamp_grid((80, 20), 0.2527, side_um)
    with pytest.raises(FeatureFileError, match="give the mpp that STAMP was run with"):
        place_tiles(stamp(um, side_um), 0.2527 * factor)


def test_a_wrong_scale_that_stamp_cannot_tell_leaves_the_micrometres_right() -> None:
    um, px = stamp_grid((30, 20), 0.2527, 256.0)
    placed = place_tiles(stamp(um), 2 * 0.2527)
    np.testing.assert_allclose(placed.coords * 2, px, atol=1)
    assert placed.pitch_px * 2 == pytest.approx(1014, abs=1)


def test_stamp_took_the_scale_of_the_x_axis() -> None:
    um, px = stamp_grid((80, 20), 0.22066, 256.0)
    placed = place_tiles(stamp(um), (0.22066 + 0.22070) / 2)
    np.testing.assert_array_equal(placed.coords, px)


def test_tile_size_and_distance_must_be_the_configured_ones() -> None:
    placed = place_tiles(source(grid(5, 4, 512)), 0.25)
    check_tile_size("a.h5", placed, 0.25, TileSpec(tile_um=128), 0.1)
    check_tile_size("a.h5", placed, 0.25, TileSpec(tile_um=117), 0.1)
    with pytest.raises(FeatureFileError, match=r"128 µm wide and 128 .* wants 112 and 112"):
        check_tile_size("a.h5", placed, 0.25, TileSpec(), 0.1)
    with pytest.raises(FeatureFileError, match=r"128 µm apart, .* wants 128 and 64"):
        check_tile_size("a.h5", placed, 0.25, TileSpec(tile_um=128, overlap_um=64), 0.1)
    nothing = place_tiles(source(np.empty((0, 2))), 0.25)
    check_tile_size("a.h5", nothing, 0.25, TileSpec(), 0.1)


def test_tile_table_has_the_exact_scale_and_a_size() -> None:
    features = source(grid(5, 4, 443), replace(TRIDENT, side_px=112 / 0.2527))
    placed = place_tiles(features, 0.2527)
    table = imported_tile_table("a", features, placed, 0.2527, "folder")
    assert table.outcome.ok
    assert table.spec == TileSpec(tile_px=256)
    assert table.side_px == table.pitch_px == pytest.approx(112 / 0.2527)
    assert table.attributes["tiles_from"] == "features of TRIDENT"
    assert (table.attributes["level0_width"], table.attributes["patch_size_level0"]) == (20000, 443)
    unknown = place_tiles(source(grid(5, 4, 512), replace(TRIDENT, size=None)), 0.25)
    reach = imported_tile_table("a", features, unknown, 0.25, "folder").attributes
    assert (reach["level0_width"], reach["level0_height"]) == (5 * 512, 4 * 512)


def test_no_tiles_is_an_outcome(tmp_path: Path) -> None:
    path = write_trident(tmp_path / "a.h5", np.empty((0, 4), np.float32), np.empty((0, 2)))
    features = read_source(path)
    table = imported_tile_table("a", features, place_tiles(features, 0.25), 0.25, "folder")
    assert table.outcome.status == "no_tiles"
    assert "holds no tile" in table.outcome.reason


def test_clam_files_together(tmp_path: Path) -> None:
    coords = grid(7, 5, 256, (11, 13))
    features, patches = write_clam(
        tmp_path, "a", np.zeros((35, 3)), coords, patch_size=256, size=(5000, 5000)
    )
    placed = place_tiles(
        read_source(features), 0.5, tiles=read_tile_positions(patches), size=(5000, 5000)
    )
    np.testing.assert_array_equal(placed.coords, coords)


def test_sparse_tiles_of_a_large_slide_keep_their_pitch() -> None:
    """A tenth of the tiles: most steps are several pitches, some are one."""
    everything = grid(38, 38, 512)
    some = everything[np.random.default_rng(5).permutation(len(everything))[:140]]
    assert place_tiles(source(some), 0.25).pitch_px == 512
