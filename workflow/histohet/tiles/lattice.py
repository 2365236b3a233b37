"""Tiles: squares of a fixed physical size on one lattice per slide."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import shapely

from histohet.common.arrays import Bools, Ints
from histohet.tiles.settings import TileSpec

Coords = Ints

LARGEST_PX = 1e8
"""No slide reaches that far: a larger coordinate is no level-0 pixel."""

ROUNDING = 1e-6
"""A side is a multiple of the pitch but for this."""


def outside(coords: Coords, size: tuple[int, int] | None) -> str | None:
    """Say which corners lie outside a slide, None if none does.

    Tiles at the edge may reach beyond it: all tools pad.

    Parameters
    ----------
    coords
        int64 (N, 2), level-0 px.
    size
        (width, height) of level 0; None if it is not known.
    """
    is_outside = (coords < 0).any(axis=1)
    if size is not None:
        is_outside |= (coords >= np.array(size)).any(axis=1)
    if not is_outside.any():
        return None
    x, y = coords[is_outside][0].tolist()
    of = "" if size is None else f" of {size[0]} × {size[1]} px"
    return (
        f"{is_outside.sum()} of {len(coords)} tiles lie outside the slide{of}, the first at "
        f"({x}, {y}): coordinates of another slide or level"
    )


def first_of_each(coords: npt.NDArray[np.number], values: npt.NDArray[np.generic]) -> Ints:
    """Return the rows of different positions, the first of each, in the order of the file.

    Parameters
    ----------
    coords
        (N, 2) positions.
    values
        (N, ...) what is known of each.

    Raises
    ------
    ValueError
        If a position stands twice with different values; the message names it.
    """
    _, first, place = np.unique(coords, axis=0, return_index=True, return_inverse=True)
    differs = values != values[first[place.ravel()]]
    if differs.any():
        row = int(np.flatnonzero(differs.reshape(len(coords), -1).any(axis=1))[0])
        x, y = coords[row].tolist()
        raise ValueError(f"({x:g}, {y:g}) stands twice, with different values")
    return np.sort(first).astype(np.int64)


def lattice(width: int, height: int, spec: TileSpec, mpp: float) -> Coords:
    """Top-left corners of all tiles that lie wholly inside a slide.

    The lattice starts at (0, 0). Corners are rounded to whole pixels one by one, so the pitch stays
    exact over the whole slide (a rounded pitch would drift by a tile over 200 of them).

    Returns
    -------
    int64 (N, 2)
        (x, y), level-0 px, row by row.
    """
    side, step = spec.side_px(mpp), spec.step_px(mpp)

    def corners(length: int) -> Ints:
        count = int((length - side) / step) + 2 if length >= side else 0
        starts: Ints = np.rint(np.arange(count) * step).astype(np.int64)
        return starts[starts + side <= length]

    ys, xs = np.meshgrid(corners(height), corners(width), indexing="ij")
    return np.stack([xs.ravel(), ys.ravel()], axis=1)


def places(coords: Coords, pitch_px: float) -> Ints:
    """Return the place of each corner in the `lattice`, int64 (N, 2): column, row."""
    return np.rint(coords / pitch_px).astype(np.int64)


def by_block(coords: Coords, pitch_px: float, kept: int) -> Coords:
    """Return the corners of a lattice block by block, blocks and the tiles in each row by row.

    Parameters
    ----------
    pitch_px
        Distance between neighbouring tiles, level-0 px.
    kept
        Tiles along the side of a block that it gives; the first begins at (0, 0).
    """
    column, row = places(coords, pitch_px).T
    return coords[np.lexsort((column, row, column // kept, row // kept))]


def surrounded(coords: Coords, is_tissue: Bools, pitch_px: float, side_px: float) -> Bools:
    """Return which tiles (N,) of a lattice have tissue on every side.

    Parameters
    ----------
    coords
        int64 (N, 2) corners, each its own place of the lattice, level-0 px.
    is_tissue
        (N,) which of them are tissue; where no tile is, there is none.
    pitch_px, side_px
        Distance between neighbouring tiles, and their side, level-0 px: where tiles overlap, those
        that lie beside one are several places away.
    """
    if not len(coords):
        return np.empty(0, np.bool_)
    around = math.ceil(side_px / pitch_px - ROUNDING)
    column, row = (np.rint((coords - coords.min(axis=0)) / pitch_px).astype(np.int64)).T
    there = np.zeros((row.max() + 2 * around + 1, column.max() + 2 * around + 1), np.bool_)
    there[row + around, column + around] = is_tissue
    windows = np.lib.stride_tricks.sliding_window_view(there, (2 * around + 1, 2 * around + 1))
    inside: Bools = windows[row, column].all(axis=(1, 2))
    return inside


def in_tissue(coords: Coords, side_px: float, pieces: list[shapely.Polygon]) -> Bools:
    """Which tiles lie on tissue, by CLAM's ``four_pt`` rule.

    A tile is kept if any of the four points a quarter of its side away from its centre (diagonally)
    lies in a piece of tissue or on its border, and the centre is not in a hole of that piece.

    Parameters
    ----------
    coords
        int64 (N, 2), level-0 px.
    side_px
        Side of a tile, level-0 px.
    pieces
        Tissue polygons in level-0 px.

    Returns
    -------
    bool (N,)
    """
    centres = coords + side_px / 2
    quarter = side_px / 4
    keep = np.zeros(len(coords), np.bool_)
    for piece in pieces:
        outline = shapely.Polygon(piece.exterior)
        shapely.prepare(outline)
        near = np.zeros(len(coords), np.bool_)
        for dx, dy in ((-1, -1), (1, 1), (1, -1), (-1, 1)):
            x, y = (centres + quarter * np.array([dx, dy])).T
            near |= shapely.intersects_xy(outline, x, y)
        for hole in piece.interiors:
            inside = shapely.Polygon(hole)
            shapely.prepare(inside)
            near &= ~shapely.contains_xy(inside, *centres.T)
        keep |= near
    return keep
