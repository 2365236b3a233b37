"""The grid that scans are brought to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from histohet.ct.grid import Grid, centred_grid, resample

sizes = st.tuples(*[st.integers(2, 60)] * 3)
sides = st.tuples(*[st.floats(0.3, 6)] * 3)


@given(sizes, sides, sides)
def test_grids_share_their_centre_and_cover_the_scan(
    size: tuple[int, ...], spacing: tuple[float, ...], new: tuple[float, ...]
) -> None:
    grid = centred_grid(size, spacing, new)
    for n, side, start, m, step in zip(size, spacing, grid.start, grid.size, new, strict=True):
        assert start + (m - 1) * step / 2 == pytest.approx((n - 1) * side / 2, abs=1e-9)
        assert m * step >= n * side - 1e-6
        assert (m - 1) * step < n * side


@given(sizes, sides)
def test_its_own_spacing_is_its_own_grid(size: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    grid = centred_grid(size, spacing, spacing)
    assert grid.size == size
    assert grid.start == (0, 0, 0)


def test_its_own_spacing_leaves_every_voxel() -> None:
    spacing = (0.9765620231628418, 0.9765620231628418, 3.269999980926513)
    voxels = np.random.default_rng(0).integers(-1000, 3000, (37, 30, 28))
    found = resample(voxels, spacing, centred_grid((28, 30, 37), spacing, spacing))
    np.testing.assert_array_equal(np.rint(found), voxels)


def places(grid: Grid, spacing: tuple[float, ...]) -> np.ndarray:
    """Where the voxels of a grid lie among those of a scan, (3, Z, Y, X) in its indices."""
    axes = [
        (start + np.arange(n) * new) / side
        for start, n, new, side in zip(grid.start, grid.size, grid.spacing, spacing, strict=True)
    ]
    return np.array(np.meshgrid(*axes[::-1], indexing="ij"))


@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("bspline", 3)])
def test_interpolation_is_that_of_scipy(interpolation: str, order: int) -> None:
    """`scipy.ndimage`: splines of order 1 and 3, mirrored at the edge, which a scan has too."""
    rng = np.random.default_rng(2)
    voxels, spacing = rng.normal(0, 300, (18, 22, 20)), (0.9, 1.1, 2.5)
    whole = centred_grid((20, 22, 18), spacing, (1.3, 1.3, 1.3))
    grid = whole.around((2, 2, 3), (14, 20, 38))
    found = resample(voxels, spacing, grid, interpolation)
    where = places(grid, spacing)
    expected = ndimage.map_coordinates(voxels, where, order=order, mode="mirror")
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_interpolation_is_that_of_z_rad() -> None:
    image = pytest.importorskip("zrad.image", reason="make .venv/z-rad.txt")
    preprocessing = pytest.importorskip("zrad.preprocessing")
    rng = np.random.default_rng(3)
    voxels, spacing = rng.normal(0, 300, (12, 20, 24)), (1.0, 1.5, 3.0)
    axes = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    theirs = image.Image(
        array=voxels,
        origin=(0, 0, 0),
        spacing=np.array(spacing),
        direction=axes,
        shape=(24, 20, 12),
    )
    grid = centred_grid((24, 20, 12), spacing, (2.0, 2.0, 2.0))
    for method in ("linear", "bspline"):
        expected = preprocessing.ImageResampler((2.0, 2.0, 2.0), method=method).apply(theirs).array
        found = resample(voxels, spacing, grid, method)
        # Z-Rad puts 0 where its grid leaves the scan, half a voxel at most.
        inside = (slice(1, -1),) * 3
        np.testing.assert_allclose(found[inside], expected[inside], atol=2e-3)


def test_a_spline_goes_through_every_voxel() -> None:
    voxels, spacing = np.random.default_rng(4).normal(0, 300, (9, 10, 11)), (0.7, 0.7, 3.3)
    found = resample(voxels, spacing, centred_grid((11, 10, 9), spacing, spacing), "bspline")
    np.testing.assert_allclose(found, voxels, atol=1e-3)


def test_a_ramp_stays_a_ramp() -> None:
    spacing, new = (1.0, 1.5, 3.0), (2.0, 0.7, 1.3)
    z, y, x = np.meshgrid(*(np.arange(n) for n in (12, 20, 30)), indexing="ij")
    ramp = 2 * x * spacing[0] - 3 * y * spacing[1] + 5 * z * spacing[2]
    grid = centred_grid((30, 20, 12), spacing, new).around((3, 3, 3), (25, 25, 30))
    w, v, u = np.meshgrid(
        *(
            s + np.arange(n) * d
            for s, n, d in zip(*(reversed(g) for g in (grid.start, grid.size, new)), strict=True)
        ),
        indexing="ij",
    )
    np.testing.assert_allclose(resample(ramp, spacing, grid), 2 * u - 3 * v + 5 * w, atol=1e-4)


def test_a_box_has_the_voxels_of_the_whole_grid() -> None:
    voxels = np.random.default_rng(1).normal(size=(20, 24, 28))
    whole = centred_grid((28, 24, 20), (1, 1, 2.5), (1.7, 1.7, 1.7))
    box = whole.around((4.2, 5.0, 11), (18.3, 14, 500))
    everything, part = (resample(voxels, (1, 1, 2.5), grid) for grid in (whole, box))
    first = [round((b - a) / 1.7) for a, b in zip(whole.start, box.start, strict=True)]
    where = tuple(slice(a, a + n) for a, n in zip(first[::-1], box.size[::-1], strict=True))
    np.testing.assert_allclose(everything[where], part, atol=1e-6)
    assert box.size[2] + first[2] == whole.size[2]


@pytest.mark.parametrize("side", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 0.8, 2.0)])
def test_the_volume_and_centre_of_a_ball_stay(side: float, spacing: tuple[float, ...]) -> None:
    size = tuple(int(60 / one) for one in spacing)
    axes = [(np.arange(n) - (n - 1) / 2) * one for n, one in zip(size, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = (x**2 + y**2 + z**2 <= 20**2).T
    grid = centred_grid(size, spacing, (side,) * 3)
    found = resample(inside, spacing, grid) >= 0.5 - 1e-6
    assert found.sum() * side**3 == pytest.approx(inside.sum() * np.prod(spacing), rel=0.01 * side)
    centre = [
        start + side * index.mean()
        for start, index in zip(grid.start, reversed(np.nonzero(found)), strict=True)
    ]
    middle = [(n - 1) / 2 * one for n, one in zip(size, spacing, strict=True)]
    np.testing.assert_allclose(centre, middle, atol=1e-6)
