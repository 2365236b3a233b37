"""Epithelium as a label image: one integer class per pixel, read in windows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil, floor
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image, ImageOps

from histohet.common.arrays import Bools, Floats
from histohet.epithelium.base import WHAT_A_MASK_IS, MaskError
from histohet.slides.frame import Frame
from histohet.slides.picture import CONVERT, PictureError, PictureFile, examine
from histohet.slides.reader import last_line
from histohet.slides.settings import Origin

SIZE_TOLERANCE_PX = 2.0
"""How far a mask's height may be from the slide's height at the mask's scale (METHODS: HETMAP)."""

LARGEST_INDEXED = 2**27
"""Pixels of a label image with a table of colours: it is held in memory."""

OTHERS: dict[Origin, str] = {
    "bounds": "the bounds of the slide",
    "plane": "the file of the slide",
}
"""What a label image may cover besides the slide."""

WHITE_IS_ZERO = 0
"""Value of TIFF's PhotometricInterpretation."""


class LabelImage:
    """A label image at any scale, covering a rectangle of the slide.

    Classes are the numbers that the file stores: of a palette the indices, of fewer than 8 bits the
    numbers before they are spread over grey levels.

    Parameters
    ----------
    path
        TIFF or PNG, one band of 8 or 16 bits.
    classes
        Class ids that are epithelium.
    frame
        What it covers.

    Raises
    ------
    MaskError
        If the file cannot be read, its pixels are no classes, or its proportions differ from those
        of `frame`.
    """

    def __init__(self, path: str | Path, classes: Collection[int], frame: Frame) -> None:
        self.path = path
        file = _examine(Path(path))
        self.notes = file.notes
        self._image = _pixels(file)
        dtype = np.uint8 if self._image.format == "uchar" else np.uint16
        # libvips spreads fewer than 8 bits over 0 to 255.
        spread = 1 if file.bits >= 8 or file.indexed else 255 // (2**file.bits - 1)
        self._stored = (np.arange(np.iinfo(dtype).max + 1) // spread).astype(dtype)
        # Of one bit, 255 is how every program shows a 1.
        wanted = {*classes, 1} if file.bits == 1 and 255 in classes else classes
        self._is_epithelium = np.isin(self._stored, list(wanted))
        self._frame = frame
        size = (self._image.width, self._image.height)
        self.scale, _ = _scale(size, frame)
        if not _fits(size, frame):
            raise MaskError(
                f"mask {path} is {size[0]} × {size[1]}, the slide {frame.width} × {frame.height}: "
                "their proportions differ, so the mask belongs to another slide or is cropped"
            )
        self._region = pyvips.Region.new(self._image)

    def _window(self, left: int, top: int, right: int, bottom: int) -> Bools:
        """Epithelium in a window of mask pixels; outside the mask there is none."""
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(right, self._image.width), min(bottom, self._image.height)
        out = np.zeros((bottom - top, right - left), np.bool_)
        if x0 < x1 and y0 < y1:
            try:
                raw = self._region.fetch(x0, y0, x1 - x0, y1 - y0)
            except pyvips.Error as error:
                raise MaskError(
                    f"mask {self.path}: window at ({x0}, {y0}) cannot be read: {last_line(error)}"
                ) from error
            shown = np.frombuffer(raw, self._stored.dtype).reshape(y1 - y0, x1 - x0)
            out[y0 - top : y1 - top, x0 - left : x1 - left] = self._is_epithelium[shown]
        return out

    def classes(self) -> dict[int, bool]:
        """Classes that occur in the mask, ascending, and whether each is epithelium. Reads it all.

        Raises
        ------
        MaskError
            If a part of the file cannot be read.
        """
        try:
            counts = self._image.hist_find().numpy().ravel()
        except pyvips.Error as error:
            raise MaskError(f"mask {self.path} cannot be read: {last_line(error)}") from error
        return {
            int(self._stored[shown]): bool(self._is_epithelium[shown])
            for shown in np.flatnonzero(counts)
        }

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Share of a square that is epithelium; border pixels count by the area inside."""
        x, y = x - self._frame.x, y - self._frame.y
        columns, column_weights = _overlap(x / self.scale, (x + side_px) / self.scale)
        rows, row_weights = _overlap(y / self.scale, (y + side_px) / self.scale)
        window = self._window(columns[0], rows[0], columns[1], rows[1])
        return float(row_weights @ window @ column_weights)

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Which pixels of a square are epithelium, by the mask pixel under their centre."""
        offsets = (np.arange(out_px) + 0.5) * side_px / out_px
        columns = np.floor((x - self._frame.x + offsets) / self.scale).astype(np.int64)
        rows = np.floor((y - self._frame.y + offsets) / self.scale).astype(np.int64)
        window = self._window(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        found: Bools = window[rows - rows[0]][:, columns - columns[0]]
        return found


def frame_of_labels(path: str | Path, frames: Mapping[Origin, Frame]) -> Frame:
    """Return what a label image covers if nobody says it: all of the slide.

    Raises
    ------
    MaskError
        If it cannot be read, or is as large as the bounds or the file of the slide, and not as it.
    """
    slide = frames["region"]
    others = {origin: frame for origin, frame in frames.items() if frame != slide}
    if not others:
        return slide
    image = _pixels(_examine(Path(path)))
    size = (image.width, image.height)
    if _covers(size, slide):
        return slide
    for origin, other in others.items():
        if _covers(size, other):
            own = "region" if frames["plane"] != slide else "plane"
            raise MaskError(
                f"mask {path} is {size[0]} × {size[1]}, as large as {OTHERS[origin]} "
                f"({other.width} × {other.height} px at {other.x}, {other.y}) and not as all of it "
                f"({slide.width} × {slide.height}): say which it covers with "
                f"epithelium.mask_origin, {origin} or {own}"
            )
    return slide


def _covers(size: tuple[int, int], frame: Frame) -> bool:
    """Whether a mask is a frame, shrunk by a whole number."""
    return _fits(size, frame) and _scale(size, frame)[1]


def _fits(size: tuple[int, int], frame: Frame) -> bool:
    """Whether a mask has the proportions of a frame."""
    return abs(size[1] - frame.height / _scale(size, frame)[0]) < SIZE_TOLERANCE_PX


def _scale(size: tuple[int, int], frame: Frame) -> tuple[float, bool]:
    """Level-0 px per mask pixel, and whether it is a whole number.

    Half of an odd number of pixels is rounded, but the scale of the mask is two all the same.
    """
    scale = frame.width / size[0]
    whole = max(round(scale), 1)
    rounded = all(
        abs(length / whole - mask) < 1
        for length, mask in zip((frame.width, frame.height), size, strict=True)
    )
    return (float(whole), True) if rounded else (scale, False)


def _overlap(start: float, end: float) -> tuple[tuple[int, int], Floats]:
    """Cells that an interval touches, and the share of the interval that falls on each."""
    first, last = floor(start), max(ceil(end), floor(start) + 1)
    edges = np.clip(np.arange(first, last + 1), start, end)
    return (first, last), np.diff(edges) / (end - start)


# Files --------------------------------------------------------------------------------------------


def _examine(path: Path) -> PictureFile:
    """Read the headers of a label image, and refuse those whose numbers are not its classes."""
    try:
        file = examine(path)
    except PictureError as error:
        raise MaskError(f"mask {error}".replace(CONVERT, WHAT_A_MASK_IS)) from error
    if file.lossy:
        raise MaskError(
            f"mask {path} is compressed as JPEG or the like, which changes numbers: save label "
            "images as PNG, or as TIFF with LZW or deflate"
        )
    if file.pages and file.pages[0].photometric == WHITE_IS_ZERO:
        raise MaskError(
            f"mask {path} stores white as zero, so that its numbers can be read in two ways: save "
            "it with black as zero"
        )
    return file


def _pixels(file: PictureFile) -> pyvips.Image:
    """Return a picture of its numbers, upright; they are read when they are asked for."""
    try:
        image = file.open()
    except pyvips.Error as error:
        raise MaskError(f"mask {file.path} cannot be read: {last_line(error)}") from error
    if file.indexed:
        image = _indices(file.path, image.width * image.height)
    if image.bands != 1:
        raise MaskError(
            f"mask {file.path} has {image.bands} bands: one integer class per pixel is needed"
        )
    if image.format not in {"uchar", "ushort"}:
        raise MaskError(f"mask {file.path} has {image.format} pixels: 8 or 16 bit are needed")
    return image


def _indices(path: Path, n_pixels: int) -> pyvips.Image:
    """Return the indices of a picture with a table of colours: libvips gives the colours."""
    if n_pixels > LARGEST_INDEXED:
        raise MaskError(
            f"mask {path} has indexed colours, and more pixels than are read of such: save it "
            "without a table of colours"
        )
    try:
        with Image.open(path) as picture:
            if picture.mode != "P":
                raise MaskError(
                    f"mask {path} has indexed colours of a kind that is not read ({picture.mode}): "
                    "save it without a table of colours"
                )
            return pyvips.Image.new_from_array(np.asarray(ImageOps.exif_transpose(picture)))
    except (OSError, ValueError, SyntaxError, NotImplementedError) as error:
        raise MaskError(
            f"mask {path} has indexed colours that cannot be read ({error}): save it without a "
            "table of colours"
        ) from error
