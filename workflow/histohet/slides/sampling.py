"""Reading parts of a slide at an exact scale, from the coarsest level that is fine enough."""

from __future__ import annotations

from enum import StrEnum
from math import ceil, floor

import numpy as np
from PIL import Image

from histohet.slides.reader import Pixels, Slide

STRIP_PX = 32_000_000
"""Most pixels that `read_overview` holds at once, 14 bytes each: about 450 MB."""


class Resampling(StrEnum):
    """Filter that brings pixels of the slide to the scale of a tile.

    All but ``nearest`` are antialiased: they weigh every source pixel of a result pixel.
    """

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"

    def resize(
        self,
        pixels: Pixels,
        size: tuple[int, int],
        box: tuple[float, float, float, float] | None = None,
    ) -> Pixels:
        """Resample uint8 (h, w, 3), or the part (left, top, right, bottom), to (width, height)."""
        method = Image.Resampling[self.name]
        return np.asarray(Image.fromarray(pixels).resize(size, method, box=box))


def read_tile(
    slide: Slide,
    x: int,
    y: int,
    side_px: float,
    out_px: int,
    resampling: Resampling = Resampling.BILINEAR,
) -> Pixels:
    """Read a square of the slide, resampled to an exact physical scale; see `read_rectangle`.

    Parameters
    ----------
    x, y
        Top-left corner, level-0 px.
    side_px
        Side in level-0 px, may be fractional: 112 µm at 0.2527 mpp are 443.2 px, not 443.
    out_px
        Side of the result in pixels.

    Returns
    -------
    uint8 (out_px, out_px, 3)
    """
    return read_rectangle(slide, x, y, side_px / out_px, (out_px, out_px), resampling)


def read_rectangle(
    slide: Slide,
    x: float,
    y: float,
    downsample: float,
    size: tuple[int, int],
    resampling: Resampling = Resampling.BILINEAR,
) -> Pixels:
    """Read a rectangle of the slide at an exact scale.

    It is read from the coarsest level that is still fine enough and resampled from its exact,
    usually fractional, corners.

    Parameters
    ----------
    x, y
        Top-left corner, level-0 px, may be fractional or outside the slide (white there).
    downsample
        Level-0 px per pixel of the result.
    size
        (width, height) of the result.

    Returns
    -------
    uint8 (height, width, 3)
    """
    level = slide.info.best_level(downsample)
    of_level = slide.info.level_downsamples[level]
    left, top = x / of_level, y / of_level
    width, height = (side * downsample / of_level for side in size)
    column, row = floor(left), floor(top)
    if (left, top, width, height) == (column, row, *size):
        # Whole pixels at their own scale; one pixel more could fail to decode.
        return slide.read(level, column, row, *size)
    pixels = slide.read(level, column, row, ceil(width) + 1, ceil(height) + 1)
    box = (left - column, top - row, left - column + width, top - row + height)
    return resampling.resize(pixels, size, box)


def read_overview(slide: Slide, downsample: float) -> Pixels:
    """Read the whole slide at a coarse scale, in strips, so that single-level giants fit in memory.

    Parameters
    ----------
    downsample
        Level-0 pixels per pixel of the result. Rounded so that the result has whole pixels.

    Returns
    -------
    uint8 (round(height / downsample), round(width / downsample), 3)
        Area-averaged, the same whatever the size of the strips.
    """
    info = slide.info
    out_width = max(1, round(info.width / downsample))
    out_height = max(1, round(info.height / downsample))
    level = info.best_level(downsample)
    width, height = info.level_dimensions[level]
    if (width, height) == (out_width, out_height):
        return slide.read(level, 0, 0, width, height)
    out = np.empty((out_height, out_width, 3), np.uint8)
    source_rows = height / out_height
    rows = max(1, int(STRIP_PX / width / source_rows))
    for first in range(0, out_height, rows):
        last = min(first + rows, out_height)
        top, bottom = first * source_rows, last * source_rows
        row = floor(top)
        strip = slide.read(level, 0, row, width, min(ceil(bottom), height) - row)
        out[first:last] = np.asarray(
            Image.fromarray(strip).resize(
                (out_width, last - first),
                Image.Resampling.BOX,
                box=(0, top - row, width, min(bottom - row, strip.shape[0])),
            )
        )
    return out
