"""Tumour attention: files of it, and the score that a tile has from the attention around it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histohet.common.arrays import Floats
from histohet.common.files import write_text
from histohet.common.sheets import number_of, read_rows
from histohet.tiles.lattice import LARGEST_PX, first_of_each, outside
from histohet.tiles.neighbours import nearest

CLOSEST_PITCH = 0.45
"""Attention tiles may overlap by half; a smaller pitch, in tiles, is that of another level."""

ATTENTION_COLUMNS = ("x_coord", "y_coord", "attention_value")


def read_attention(path: str | Path) -> tuple[npt.NDArray[np.int64], Floats]:
    """Read tumour attention per tile, as CHIEF's users write it.

    Parameters
    ----------
    path
        CSV with the columns ``x_coord``, ``y_coord`` (top-left corner, level-0 pixels) and
        ``attention_value`` (raw score); other columns are ignored.

    Returns
    -------
    xy : ndarray
        (M, 2) int64; each position once.
    values : ndarray
        (M,) float64.

    Raises
    ------
    ValueError
        If a column is missing, there are no rows, a value is not a finite number (a whole one for
        coordinates), or a position stands twice with different values; the message names file and
        line, or the position.
    """
    header, rows = read_rows(path)
    missing = [column for column in ATTENTION_COLUMNS if column not in header]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}; it needs {', '.join(ATTENTION_COLUMNS)}"
        )
    if not rows:
        raise ValueError(f"{path} has no rows")
    x, y, value = ATTENTION_COLUMNS
    xy = [
        [_number(cells[column], f"{path}, line {line}: {column}", whole=True) for column in (x, y)]
        for line, cells in rows
    ]
    values = [_number(cells[value], f"{path}, line {line}: {value}") for line, cells in rows]
    coords, attention = np.array(xy, np.int64), np.array(values)
    try:
        once = first_of_each(coords, attention)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return coords[once], attention[once]


def read_attention_of(
    path: str | Path, size: tuple[int, int] | None
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Read the attention of a slide as `read_attention` does.

    Parameters
    ----------
    size
        (width, height) of level 0; None if it is not known.

    Raises
    ------
    ValueError
        If it cannot be read, or lies outside the slide.
    """
    xy, values = read_attention(path)
    if problem := outside(xy, size):
        raise ValueError(f"{path}: {problem}")
    return xy, values


def write_attention(
    path: str | Path,
    xy: npt.NDArray[np.integer],
    values: npt.NDArray[np.floating],
) -> None:
    """Write tumour attention per tile as `read_attention` reads it, row by row from the top.

    Parameters
    ----------
    xy
        (M, 2) top-left corners, level-0 pixels.
    values
        (M,) raw attention, written with 9 significant digits.

    Raises
    ------
    ValueError
        If lengths differ or a value is not finite.
    """
    if len(values) != len(xy):
        raise ValueError(f"{len(values)} attention values for {len(xy)} positions")
    if not np.isfinite(values).all():
        raise ValueError("attention that is not finite cannot be written")
    x, y = np.asarray(xy).reshape(-1, 2).T
    sequence = np.lexsort((x, y))
    lines = [",".join(ATTENTION_COLUMNS)]
    lines += [f"{x[tile]},{y[tile]},{values[tile]:.9g}" for tile in sequence.tolist()]
    write_text(path, "\n".join(lines) + "\n")


def tile_scores(
    tile_xy: npt.NDArray[np.integer],
    tile_side_px: float,
    attention_xy: npt.NDArray[np.integer],
    attention_side_px: float,
    values: npt.NDArray[np.floating],
    neighbours: int = 4,
) -> npt.NDArray[np.float32]:
    """Return the tumour score of each tile: the mean of its nearest attention tiles.

    Nearest are those whose centres are. HETMAP compares the top-left corners, which shifts the two
    grids by half the difference of their tile sizes.

    Parameters
    ----------
    tile_xy, attention_xy
        (N, 2) and (M, 2) integer top-left corners, level-0 pixels.
    tile_side_px, attention_side_px
        Sides of the two kinds of tiles in level-0 pixels (rounded to whole ones here).
    values
        (M,) attention.
    neighbours
        How many attention tiles are averaged; all if there are fewer.

    Returns
    -------
    ndarray
        (N,) float32.

    Raises
    ------
    ValueError
        If there is no attention, shapes disagree, attention tiles overlap by more than half, or
        most tiles lie far from all attention, which means that the coordinates are of another slide
        or another level.
    """
    if not len(values) or len(values) != len(attention_xy):
        raise ValueError(f"{len(values)} attention values for {len(attention_xy)} positions")
    pitch_px = _pitch(attention_xy)
    if pitch_px < CLOSEST_PITCH * attention_side_px:
        raise ValueError(
            f"attention tiles are {attention_side_px:.4g} px wide (tumour.attention_tile_um) and "
            f"{pitch_px:.4g} px apart: coordinates that are no level-0 pixels, or a wrong width"
        )
    # Twice the coordinates, so that centres are integers too and ties are exact.
    tiles = 2 * np.asarray(tile_xy) + round(tile_side_px)
    attention = 2 * np.asarray(attention_xy) + round(attention_side_px)
    near = nearest(attention, tiles, min(neighbours, len(values)))
    distance_px = np.hypot(*(tiles - attention[near[:, 0]]).T) / 2
    far = int((distance_px > 4 * attention_side_px).sum())
    if 2 * far > len(tiles):
        raise ValueError(
            f"{far} of {len(tiles)} tiles are more than four attention tiles away from any"
            " attention: the coordinates are not level-0 pixels of this slide"
        )
    scores: npt.NDArray[np.float32] = values[near].mean(axis=1, dtype=np.float64).astype(np.float32)
    return scores


def _pitch(xy: npt.NDArray[np.integer]) -> float:
    """Return the median distance of a tile to its nearest other, along the axes; inf for one."""
    places = np.unique(xy, axis=0)
    if len(places) < 2:
        return math.inf
    return float(np.median(cKDTree(places).query(places, 2, p=np.inf)[0][:, 1]))


def _number(text: str, place: str, whole: bool = False) -> float:
    try:
        value = number_of(text)
    except ValueError:
        value = math.nan
    fits = abs(value) < LARGEST_PX and value == round(value) if whole else math.isfinite(value)
    if not fits:
        wanted = "a whole number of pixels" if whole else "a finite number"
        raise ValueError(f"{place} is {repr(text) if text else 'empty'}, not {wanted}")
    return value
