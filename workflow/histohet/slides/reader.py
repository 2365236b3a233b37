"""Reading slides: one small interface over OpenSlide formats and over plain images.

OpenSlide reads the scanner formats and DICOM; libvips reads plain TIFF, PNG and JPEG. Callers see a
`Slide` and never learn which of the two is behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from pathlib import Path
from typing import Protocol

import numpy as np
import openslide
import pyvips
from PIL import Image

from histohet.common.arrays import UInt8
from histohet.common.files import why_no_file
from histohet.common.outcome import SlideLost, Status
from histohet.slides.files import MIRAX

Pixels = UInt8

STRIP_PX = 32_000_000
"""Most pixels that `read_overview` holds at once, 14 bytes each: about 450 MB."""

LEVEL_TOLERANCE = 0.01
"""A level up to 1 % coarser than asked for is still read: downsamples of real files are rounded."""


class SlideError(SlideLost):
    """A slide, or a region of it, cannot be read. The message names the file."""

    status = Status.UNREADABLE


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


@dataclass(frozen=True)
class SlideInfo:
    """What a slide file says about itself.

    Attributes
    ----------
    format
        OpenSlide vendor, or the kind of plain image (``jpeg``, ``png``, ``tiff``).
    level_dimensions
        (width, height) of each pyramid level, level 0 first.
    mpp_x, mpp_y
        Micrometres per pixel of level 0, or None if the file does not say.
    objective_power
        Magnification of the objective, or None.
    bounds
        Scanned area (x, y, width, height) in level-0 px; the whole slide if the file has none.
    """

    format: str
    level_dimensions: tuple[tuple[int, int], ...]
    mpp_x: float | None
    mpp_y: float | None
    objective_power: float | None
    bounds: tuple[int, int, int, int]

    @property
    def width(self) -> int:
        """Width of level 0 in pixels."""
        return self.level_dimensions[0][0]

    @property
    def height(self) -> int:
        """Height of level 0 in pixels."""
        return self.level_dimensions[0][1]

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Level-0 pixels per pixel of each level (mean of both axes)."""
        return tuple(
            (self.width / width + self.height / height) / 2
            for width, height in self.level_dimensions
        )

    def best_level(self, downsample: float) -> int:
        """Return the coarsest level that is not coarser than `downsample`."""
        limit = downsample * (1 + LEVEL_TOLERANCE)
        return max(i for i, d in enumerate(self.level_downsamples) if i == 0 or d <= limit)


class Slide(Protocol):
    """An open slide."""

    path: Path
    info: SlideInfo

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Read a region.

        Parameters
        ----------
        level
            Pyramid level.
        x, y
            Top-left corner, in pixels *of that level*.
        width, height
            Size in pixels of that level.

        Returns
        -------
        uint8 (height, width, 3)
            RGB. What the slide does not cover is white.

        Raises
        ------
        SlideError
            If the file cannot be decoded there.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class _ScannerSlide:
    """A slide in a format that OpenSlide knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = self._open()
        properties = self._handle.properties
        width, height = self._handle.dimensions
        bounds = [
            properties.get(f"openslide.bounds-{name}") for name in ("x", "y", "width", "height")
        ]
        self.info = SlideInfo(
            format=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
            level_dimensions=self._handle.level_dimensions,
            mpp_x=_number(properties.get(openslide.PROPERTY_NAME_MPP_X)),
            mpp_y=_number(properties.get(openslide.PROPERTY_NAME_MPP_Y)),
            objective_power=_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
            bounds=(
                (int(bounds[0]), int(bounds[1]), int(bounds[2]), int(bounds[3]))
                if bounds[0] and bounds[1] and bounds[2] and bounds[3]
                else (0, 0, width, height)
            ),
        )

    def _open(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise SlideError(f"{self.path} cannot be opened: {error}") from error

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        downsample = self._handle.level_downsamples[level]
        corner = (round(x * downsample), round(y * downsample))
        try:
            region = self._handle.read_region(corner, level, (width, height))
        except openslide.OpenSlideError as error:
            # After an error OpenSlide refuses everything else, sound regions too, on that handle.
            self._handle.close()
            self._handle = self._open()
            raise SlideError(
                f"{self.path}: region at ({corner[0]}, {corner[1]}), level {level}, "
                f"cannot be read: {error}"
            ) from error
        rgba = np.asarray(region)
        if rgba[..., 3].min() == 255:
            return np.asarray(region.convert("RGB"))
        white = Image.new("RGBA", region.size, "white")
        return np.asarray(Image.alpha_composite(white, region).convert("RGB"))

    def close(self) -> None:
        self._handle.close()


class _PlainImage:
    """A plain TIFF, PNG or JPEG: one level, no scale of its own that could be trusted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # By default libvips fills what is missing of a truncated file with grey.
            image = pyvips.Image.new_from_file(str(path), fail_on="truncated")
            kind = image.get("vips-loader").removesuffix("load")
            if image.format not in {"uchar", "ushort"}:
                raise SlideError(f"{path} has {image.format} pixels: 8 or 16 bit are needed")
            if image.format == "ushort":
                image = (image >> 8).cast("uchar").copy(interpretation="srgb")
            if image.hasalpha():
                image = image.flatten(background=[255, 255, 255])
            self._image = image.colourspace("srgb").cast("uchar")
        except pyvips.Error as error:
            raise SlideError(
                f"{path} is neither a slide that OpenSlide reads nor a TIFF, PNG or JPEG image: "
                f"{last_line(error)}"
            ) from error
        self._region = pyvips.Region.new(self._image)
        width, height = self._image.width, self._image.height
        self.info = SlideInfo(
            format=kind,
            level_dimensions=((width, height),),
            mpp_x=None,
            mpp_y=None,
            objective_power=None,
            bounds=(0, 0, width, height),
        )

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        if level != 0:
            raise ValueError(f"{self.path} has one level, level {level} was asked for")
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, self.info.width), min(y + height, self.info.height)
        out = np.full((height, width, 3), 255, np.uint8)
        if left < right and top < bottom:
            try:
                raw = self._region.fetch(left, top, right - left, bottom - top)
            except pyvips.Error as error:
                raise SlideError(
                    f"{self.path}: region at ({left}, {top}) cannot be read: {last_line(error)}"
                ) from error
            inside = np.frombuffer(raw, np.uint8).reshape(bottom - top, right - left, 3)
            out[top - y : bottom - y, left - x : right - x] = inside
        return out

    def close(self) -> None:
        # libvips closes the file with the last reference.
        del self._region, self._image


@contextmanager
def open_slide(path: str | Path) -> Iterator[Slide]:
    """Open a slide for the length of a ``with`` block.

    Raises
    ------
    SlideError
        If the file is missing, empty, a folder, closed to us, or in no format we read.
    """
    path = Path(path)
    if unfit := why_no_file(path):
        raise SlideError(f"{path} {unfit}")
    if path.stat().st_size == 0:
        raise SlideError(f"{path} is empty")
    known = openslide.OpenSlide.detect_format(path) is not None
    if path.suffix.lower() == MIRAX and not known:
        # By itself the file is a JPEG: a picture of the slide that libvips would gladly read.
        raise SlideError(
            f"{path} is no MIRAX slide without its folder {path.with_suffix('')}: copy both"
        )
    slide: Slide = _ScannerSlide(path) if known else _PlainImage(path)
    try:
        yield slide
    finally:
        slide.close()


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


def _number(text: str | None) -> float | None:
    """Parse a number from slide metadata; None if there is none or it is not a number."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def last_line(error: pyvips.Error) -> str:
    """Return the line of a message of libvips that says what went wrong; it comes last."""
    return str(error).strip().splitlines()[-1].strip()
