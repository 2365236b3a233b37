"""Rectangles of slides, and how sheets write them."""

from __future__ import annotations

import re
from typing import NamedTuple

SEPARATORS = re.compile(r"\s*[,;]\s*|\s+")
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,9}")


class Frame(NamedTuple):
    """A rectangle of a slide, level-0 px."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def within(self, width: int, height: int) -> Frame:
        """Return the part that lies in a picture of this size; it may have no area."""
        left, right = (min(max(edge, 0), width) for edge in (self.x, self.x + self.width))
        top, bottom = (min(max(edge, 0), height) for edge in (self.y, self.y + self.height))
        return Frame(left, top, right - left, bottom - top)


def read_frame(text: str) -> Frame:
    """Read ``x,y,width,height``, whole level-0 px; spaces and semicolons may stand for commas.

    Raises
    ------
    ValueError
        If it is anything else, or has no area; the message says what is needed.
    """
    cells = SEPARATORS.split(text.strip())
    if len(cells) != 4 or not all(map(WHOLE_NUMBER.fullmatch, cells)):
        raise ValueError(
            f"'{text}' is not x,y,width,height: four whole numbers, in level-0 px of the file"
        )
    frame = Frame(*map(int, cells))
    if frame.width < 1 or frame.height < 1:
        raise ValueError(f"'{text}' has no area: its width and height must be at least 1 px")
    return frame
