"""Cores of an array: where they lie, in which row and column, and whose they are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from histohet.common.outcome import SlideLost
from histohet.slides.frame import Frame

Kind = Literal["tissue", "control", "empty"]
KINDS: tuple[Kind, ...] = ("tissue", "control", "empty")
"""What a place of an array holds by its map; only cores of tissue become slides."""

ALIGNED_PX = 64
"""Regions begin and end on multiples of it, which most pyramids have as whole pixels."""

ROOM = 1.1
"""Side of a region over the diameter of its core, which is rarely quite round."""

NAME = re.compile(r"([A-Za-z]{1,2}|\d{1,3})[-\s_]*([A-Za-z]{1,2}|\d{1,3})")

LETTERS = len(ascii_uppercase)

MOST = LETTERS * (LETTERS + 1)
"""Rows, and columns, that there may be: A to ZZ. Blocks have some 30."""

CLOSEST = 0.8
"""Least distance of two cores, in diameters: they may touch, and the discs may overlap a little."""


class ArrayError(SlideLost):
    """An array cannot be taken apart, or what is said of it contradicts it; says what to do."""


@dataclass(frozen=True)
class Core:
    """A core, or a place where one is missing.

    Attributes
    ----------
    row, column
        From 0 on; rows are lettered from the top, columns numbered from the left.
    x, y
        Centre, level-0 px of the file.
    missing
        Whether there is nothing to see.
    patient
        Whose it is, if known.
    kind
        What it is by the map.
    """

    row: int
    column: int
    x: float
    y: float
    missing: bool = False
    patient: str | None = None
    kind: Kind = "tissue"

    @property
    def place(self) -> tuple[int, int]:
        """Row and column."""
        return self.row, self.column

    @property
    def name(self) -> str:
        """Row and column as QuPath writes them: ``A-1``."""
        return f"{row_name(self.row)}-{self.column + 1}"

    def region(self, diameter_px: float) -> Frame:
        """Return the square around it, on multiples of `ALIGNED_PX`."""
        blocks = -(-ROOM * diameter_px // ALIGNED_PX)
        side = int(blocks) * ALIGNED_PX
        x, y = (round((at - side / 2) / ALIGNED_PX) * ALIGNED_PX for at in (self.x, self.y))
        return Frame(x, y, side, side)


def row_name(row: int) -> str:
    """Return the letters of a row: 0 is A, 26 AA."""
    rest, last = divmod(row, LETTERS)
    return (row_name(rest - 1) if rest else "") + ascii_uppercase[last]


def row_number(name: str) -> int:
    """Return the row of its letters, or of its number from 1 on.

    Raises
    ------
    ValueError
        If it is neither.
    """
    text = name.strip().upper()
    if text.isdecimal():
        return column_number(text)
    number = 0
    for letter in text:
        number = number * LETTERS + ascii_uppercase.index(letter) + 1
    if not text or number > MOST:
        raise ValueError(name)
    return number - 1


def column_number(name: str) -> int:
    """Return the column of its number from 1 on.

    Raises
    ------
    ValueError
        If it is none.
    """
    number = int(name)
    if not 1 <= number <= MOST:
        raise ValueError(name)
    return number - 1


def place_of(name: str) -> tuple[int, int]:
    """Return row and column, from 0 on, of a name such as ``A-1``, ``1-A`` or ``2-1``.

    Letters are rows, numbers columns; of two numbers the first is the row.

    Raises
    ------
    ValueError
        If it is no such name.
    """
    parts = NAME.fullmatch(name.strip())
    if parts is None:
        raise ValueError(name)
    first, second = parts.groups()
    if first.isdecimal() and not second.isdecimal():
        first, second = second, first
    return row_number(first), column_number(second)


def check_places(cores: Iterable[Core], where: str) -> None:
    """Check that no two cores share a place.

    Parameters
    ----------
    where
        What the message begins with: where they were read.

    Raises
    ------
    ArrayError
        If two do; names it.
    """
    seen: set[tuple[int, int]] = set()
    for core in cores:
        if core.place in seen:
            raise ArrayError(f"{where}: two cores are called {core.name}: give each its own place")
        seen.add(core.place)


def overlaps(cores: Iterable[Core], diameter_px: float) -> list[str]:
    """Say which cores lie closer than `CLOSEST` of their diameter."""
    there = sorted((core for core in cores if not core.missing), key=lambda core: core.x)
    least = CLOSEST * diameter_px
    found = []
    for number, core in enumerate(there):
        for other in there[number + 1 :]:
            if other.x - core.x >= least:
                break
            if math.hypot(other.x - core.x, other.y - core.y) < least:
                found.append(f"{core.name} and {other.name}")
    return found
