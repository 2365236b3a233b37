"""A region of a file as a slide of its own: a core of a tissue microarray.

Whoever reads it sees what a file would show to which the region was cropped: coordinates begin at
its corner, and what lies around it is white.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from histohet.slides.frame import Frame
from histohet.slides.reader import Pixels, Slide, SlideError, SlideInfo, open_slide

WHITE = 255


class Region:
    """A rectangle of an open slide.

    It has the levels of which its corner and its size are whole pixels, so that each of its pixels
    is one of the file; level 0 always.

    Parameters
    ----------
    file
        The slide that it is a part of, and that stays open as long.
    frame
        Where it lies. It may reach over the edge, and is white there.

    Raises
    ------
    SlideError
        If its centre lies outside the slide.
    """

    def __init__(self, file: Slide, frame: Frame) -> None:
        self.path = file.path
        self._file, self._frame = file, frame
        self._levels = _whole_levels(file.info, frame)
        self.info = replace(
            file.info,
            level_dimensions=tuple(
                (frame.width // shrunk, frame.height // shrunk) for _, shrunk in self._levels
            ),
            bounds=(0, 0, frame.width, frame.height),
            notes=(*file.info.notes, *_beyond_edge(file, frame)),
        )

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Read a part of it, see `Slide.read`."""
        number, shrunk = self._levels[level]
        there = Frame(x, y, width, height).within(*self.info.level_dimensions[level])
        if there == (x, y, width, height):
            return self._of_file(number, shrunk, there)
        out = np.full((height, width, 3), WHITE, np.uint8)
        if there.width and there.height:
            left, top = there.x - x, there.y - y
            place = out[top : top + there.height, left : left + there.width]
            place[:] = self._of_file(number, shrunk, there)
        return out

    def _of_file(self, number: int, shrunk: int, part: Frame) -> Pixels:
        x, y = part.x + self._frame.x // shrunk, part.y + self._frame.y // shrunk
        return self._file.read(number, x, y, part.width, part.height)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


@contextmanager
def open_region(path: str | Path, region: Frame | None) -> Iterator[Slide]:
    """Open a region of a file, without one all of it, for the length of a ``with`` block.

    Raises
    ------
    SlideError
        If the file cannot be opened, or the region lies outside of it.
    """
    with open_slide(path) as file:
        yield file if region is None else Region(file, region)


def qupath_bounds(info: SlideInfo) -> Frame:
    """Return what QuPath shows of a slide.

    QuPath crops a slide to its bounds, and measures from their corner, only if they are smaller
    than the slide in width and height.
    """
    x, y, width, height = info.bounds
    if width != info.width and height != info.height:
        return Frame(x, y, width, height)
    return Frame(0, 0, info.width, info.height)


def _whole_levels(info: SlideInfo, frame: Frame) -> list[tuple[int, int]]:
    """Return the levels on whose pixels a region begins and ends, each with its downsample."""
    shrunk = [round(downsample) for downsample in info.level_downsamples]
    return [
        (number, shrunk[number])
        for number, (width, height) in enumerate(info.level_dimensions)
        # Sides that are no multiple are rounded, up or down, or lose the rest of a pixel twice.
        if abs(info.width / shrunk[number] - width) < 1
        and abs(info.height / shrunk[number] - height) < 1
        and all(edge % shrunk[number] == 0 for edge in frame)
    ]


def _beyond_edge(file: Slide, frame: Frame) -> tuple[str, ...]:
    """Say how much of a region lies beyond the edge of its file, if any of it does."""
    width, height = file.info.width, file.info.height
    centre_x, centre_y = frame.x + frame.width / 2, frame.y + frame.height / 2
    if not (0 <= centre_x < width and 0 <= centre_y < height):
        raise SlideError(
            f"the region {frame} lies outside {file.path}, which has {width} × {height} px: give "
            "x,y,width,height in level-0 px of this file, x and y of the upper left corner"
        )
    inside = frame.within(width, height)
    lost = 1 - inside.width * inside.height / (frame.width * frame.height)
    return (f"{lost:.1%} of the region lie beyond the edge of the file",) if lost else ()
