from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from histohet.tiles.lattice import in_tissue, lattice
from histohet.tiles.settings import TileSpec


def test_paper_tiles_are_224_px_at_20x_and_448_at_40x() -> None:
    spec = TileSpec()
    assert spec.mpp == 0.5
    assert spec.side_px(0.5) == 224
    assert spec.side_px(0.25) == 448
    assert spec.side_px(0.2527) == pytest.approx(443.21, abs=0.01)


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    mpp=st.floats(0.2, 1.0),
    overlap=st.sampled_from([0.0, 10.0, 56.0]),
)
def test_lattice_by_brute_force(width: int, height: int, mpp: float, overlap: float) -> None:
    spec = TileSpec(overlap_um=overlap)
    side, step = 112 / mpp, (112 - overlap) / mpp

    def starts(length: int) -> list[int]:
        found, i = [], 0
        while round(i * step) + side <= length:
            found.append(round(i * step))
            i += 1
        return found

    expected = [(x, y) for y in starts(height) for x in starts(width)]
    found = lattice(width, height, spec, mpp)
    assert found.dtype == np.int64
    assert found.reshape(-1, 2).tolist() == [list(corner) for corner in expected]


def test_pitch_does_not_drift() -> None:
    xs = np.unique(lattice(100_000, 500, TileSpec(), 0.2527)[:, 0])
    exact = np.arange(len(xs)) * 112 / 0.2527
    assert np.abs(xs - exact).max() <= 0.5


def test_four_point_rule() -> None:
    """Tile of side 100 at (0, 0): centre (50, 50), test points at 25 and 75."""
    tile = np.array([[0, 0]])

    def kept(piece: shapely.Polygon) -> bool:
        return bool(in_tissue(tile, 100, [piece])[0])

    assert kept(shapely.box(0, 0, 25, 25))  # touches one point, border included
    assert not kept(shapely.box(0, 0, 24, 24))
    assert not kept(shapely.box(40, 40, 60, 60))  # the centre alone does not count
    assert kept(shapely.box(70, 20, 80, 30))
    around_the_centre = shapely.box(45, 45, 55, 55).exterior
    with_hole = shapely.Polygon(shapely.box(-10, -10, 110, 110).exterior, [around_the_centre])
    assert not kept(with_hole)
    hole_elsewhere = shapely.box(20, 20, 30, 30).exterior
    assert kept(shapely.Polygon(shapely.box(-10, -10, 110, 110).exterior, [hole_elsewhere]))


def test_a_tile_in_the_hole_of_one_piece_may_lie_on_another() -> None:
    ring = shapely.Polygon(
        shapely.box(0, 0, 400, 400).exterior, [shapely.box(100, 100, 300, 300).exterior]
    )
    island = shapely.box(150, 150, 250, 250)
    tile = np.array([[150, 150]])
    assert not in_tissue(tile, 100, [ring])[0]
    assert in_tissue(tile, 100, [ring, island])[0]


def test_no_tissue_keeps_nothing() -> None:
    assert not in_tissue(lattice(1000, 1000, TileSpec(), 0.5), 224, []).any()
    assert in_tissue(np.empty((0, 2), np.int64), 224, [shapely.box(0, 0, 9, 9)]).shape == (0,)
