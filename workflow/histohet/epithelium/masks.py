"""Where the epithelium is: label images and polygons, read tile by tile.

Both kinds answer two questions about a square of the slide: what share of it is epithelium, and
which of its pixels are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from histohet.common.arrays import Bools
from histohet.epithelium.base import EpitheliumMask, MaskRules
from histohet.epithelium.labels import LabelImage, frame_of_labels
from histohet.epithelium.polygons import read_polygons
from histohet.slides.files import is_geojson
from histohet.slides.frame import Frame
from histohet.slides.reader import Pixels
from histohet.slides.settings import Origin

BLOCK_PX = 64
"""Side of the part of a picture that `overview` reads at once."""


class WholeTissue:
    """Every tile is epithelium through and through: no mask is known or wanted."""

    notes: tuple[str, ...] = ()

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Return 1."""
        return 1.0

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Return all true."""
        return np.ones((out_px, out_px), np.bool_)


def frame_of_mask(path: str | Path, origin: Origin | None, frames: Mapping[Origin, Frame]) -> Frame:
    """Return the part of a slide that a mask covers.

    Parameters
    ----------
    origin
        What the user says. If nothing, polygons are measured from the bounds of the file, as
        QuPath does, and label images cover all of the slide.
    frames
        See `SlideRecord.frames`.

    Raises
    ------
    MaskError
        If nobody says it, and a label image is as large as the bounds alone.
    """
    if origin is None:
        return frames["bounds"] if is_geojson(path) else frame_of_labels(path, frames)
    return frames[origin]


def open_mask(path: str | Path | None, rules: MaskRules, frame: Frame) -> EpitheliumMask:
    """Open a mask of either kind, told apart by the suffix; without a path all tissue counts.

    Parameters
    ----------
    frame
        See `frame_of_mask`.

    Raises
    ------
    MaskError
        If the mask cannot be used for this slide.
    """
    if path is None:
        return WholeTissue()
    if is_geojson(path):
        offset = (frame.x, frame.y)
        return read_polygons(path, rules.class_names, offset, rules.excluded_names)
    return LabelImage(path, rules.classes, frame)


def append_mask(tile: Pixels, inside: Bools) -> Pixels:
    """Add a mask, bool (S, S), to a tile as a fourth channel: 255 inside, 0 outside."""
    return np.dstack([tile, inside.astype(np.uint8) * np.uint8(255)])


def overview(mask: EpitheliumMask, shape: tuple[int, int], px: float) -> Bools:
    """Return which pixels of a small picture of a slide are epithelium at their centre.

    It is read in blocks, so that a mask as large as the slide needs no more memory.

    Parameters
    ----------
    shape
        (height, width) of the picture.
    px
        Level-0 px per pixel of it.

    Raises
    ------
    MaskError
        If a part of the mask cannot be read.
    """
    found = np.zeros(shape, np.bool_)
    for top in range(0, shape[0], BLOCK_PX):
        for left in range(0, shape[1], BLOCK_PX):
            part = found[top : top + BLOCK_PX, left : left + BLOCK_PX]
            block = mask.pixels(left * px, top * px, BLOCK_PX * px, BLOCK_PX)
            part[:] = block[: part.shape[0], : part.shape[1]]
    return found


def apply_mask(tile: Pixels, inside: Bools, colour: tuple[int, int, int]) -> Pixels:
    """Give one colour to the pixels of a tile that are outside the epithelium.

    Parameters
    ----------
    tile
        uint8 (S, S, 3).
    inside
        bool (S, S).
    colour
        RGB; HETMAP takes black.
    """
    # Rows of bytes: NumPy is slow on a last axis of three.
    rows, columns, _ = tile.shape
    kept = np.repeat(inside, 3, axis=1)
    filled = np.tile(np.array(colour, np.uint8), columns)
    return np.where(kept, tile.reshape(rows, -1), filled).reshape(tile.shape)
