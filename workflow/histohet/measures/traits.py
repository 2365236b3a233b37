"""Binary trait maps (PathoMCH): which tiles of a slide show which trait."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from histohet.common.arrays import Bools
from histohet.common.settings import by_value
from histohet.common.sheets import number_of, read_table
from histohet.tiles.lattice import LARGEST_PX, first_of_each

POSITION_COLUMNS = ("x", "y")


def read_traits(path: str | Path) -> tuple[list[str], Bools]:
    """Read trait maps: one row per tile, columns ``x``, ``y`` (level-0 px) and one per trait.

    The tiles are the trait model's own; they need not be ours.

    Returns
    -------
    names
        Traits, in the order of the file.
    traits
        bool (N, T); each tile once.

    Raises
    ------
    ValueError
        If there is no trait column or no row, a value is neither 0 nor 1, a position is none, or
        stands twice with different traits; names file and row, or the position.
    """
    header, rows = read_table(path, "trait maps")
    missing = [name for name in POSITION_COLUMNS if name not in header]
    names = [name for name in header if name not in POSITION_COLUMNS]
    if missing or not names:
        raise ValueError(f"{path}: columns x, y and at least one trait are needed, not {header}")
    if not rows:
        raise ValueError(f"{path} has no rows")
    places = np.empty((len(rows), 2))
    for index, (number, cells) in enumerate(rows):
        wrong = [name for name in names if by_value(cells[name]) not in {"0", "1"}]
        if wrong:
            raise ValueError(
                f"{path}, row {number}: {wrong[0]} is '{cells[wrong[0]]}', it must be 0 or 1"
            )
        for axis, name in enumerate(POSITION_COLUMNS):
            places[index, axis] = _position(cells[name], f"{path}, row {number}: {name}")
    traits = np.array([[by_value(cells[name]) == "1" for name in names] for _, cells in rows])
    try:
        return names, traits[first_of_each(places, traits)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _position(text: str, where: str) -> float:
    try:
        value = number_of(text)
    except ValueError:
        value = math.nan
    if not abs(value) < LARGEST_PX:
        raise ValueError(f"{where} is '{text}', not a position on a slide")
    return value
