"""Reading slides: one small interface over OpenSlide formats and over plain images.

OpenSlide reads the scanner formats and DICOM; libvips reads plain TIFF, PNG and JPEG. Callers see a
`Slide` and never learn which of the two is behind it. Both show what they can of a file; whether
that is the slide, `histohet.slides.picture` and the directories of a TIFF tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
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
from histohet.slides.picture import PictureError, PictureFile, examine
from histohet.slides.tiff import (
    TURNED,
    Page,
    TiffError,
    is_tiff,
    is_ycbcr_called_rgb,
    ome_scale,
    read_pages,
)

Pixels = UInt8

LEVEL_TOLERANCE = 0.01
"""A level up to 1 % coarser than asked for is still read: downsamples of real files are rounded."""

GENERIC_TIFF, APERIO, NDPI = "generic-tiff", "aperio", "hamamatsu"
"""OpenSlide's names of tiled TIFFs of any origin, and of a maker whose large TIFFs are none.

Whatever is tiled in a file of the first two is a level to OpenSlide; of others it knows the levels.
"""

READ_BY_ALL = {"none", "LZW", "JPEG", "deflate"}
"""Compressions that every build of OpenSlide and libvips reads."""

OBLONG = 0.02
"""Pixels whose sides differ by more are not square; scanners' differ by a few per mille."""

DARK = 128
"""Of 255. No section is darker all over: glass and lumen are above 180."""

PROBES, PROBE_PX = 8, 64
"""Windows along each side of a picture, and their side, that tell how bright it is."""


class SlideError(SlideLost):
    """A slide, or a region of it, cannot be read. The message names the file."""

    status = Status.UNREADABLE


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
    notes
        What the file holds besides the slide and is left out.
    """

    format: str
    level_dimensions: tuple[tuple[int, int], ...]
    mpp_x: float | None
    mpp_y: float | None
    objective_power: float | None
    bounds: tuple[int, int, int, int]
    notes: tuple[str, ...] = ()

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
    """A slide in a format that OpenSlide knows.

    Parameters
    ----------
    pages
        Of a TIFF, from which OpenSlide takes its levels.
    notes
        What is known to be left out of the file.
    """

    def __init__(self, path: Path, pages: Sequence[Page], notes: Sequence[str] = ()) -> None:
        self.path = path
        tiled = [page for page in pages if page.tiled]
        self._is_ycbcr = bool(tiled) and is_ycbcr_called_rgb(path, _largest(tiled))
        self._how = _compression(tiled)
        self._handle = self._open()
        properties = self._handle.properties
        vendor = properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")
        width, height = self._handle.dimensions
        bounds = [
            properties.get(f"openslide.bounds-{name}") for name in ("x", "y", "width", "height")
        ]
        sizes = self._handle.level_dimensions
        known = vendor not in {GENERIC_TIFF, APERIO}
        self._levels = [
            n for n, size in enumerate(sizes) if n == 0 or _is_level(size, sizes[0], known)
        ]
        left_out = [
            f"level {number} ({size[0]} × {size[1]} px) is left out: it is not level 0 "
            f"({width} × {height} px) shrunk{'' if known else ' by a whole number'}, but padded or "
            "another picture"
            for number, size in enumerate(sizes)
            if number not in self._levels
        ]
        ome_x, ome_y = ome_scale(pages[0]) if vendor == GENERIC_TIFF else (None, None)
        self.info = SlideInfo(
            format=vendor,
            level_dimensions=tuple(sizes[number] for number in self._levels),
            mpp_x=ome_x or _number(properties.get(openslide.PROPERTY_NAME_MPP_X)),
            mpp_y=ome_y or _number(properties.get(openslide.PROPERTY_NAME_MPP_Y)),
            objective_power=_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
            bounds=(
                (int(bounds[0]), int(bounds[1]), int(bounds[2]), int(bounds[3]))
                if bounds[0] and bounds[1] and bounds[2] and bounds[3]
                else (0, 0, width, height)
            ),
            notes=(*notes, *left_out),
        )

    def _open(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise SlideError(f"{self.path} cannot be opened: {error}{self._how}") from error

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        number = self._levels[level]
        downsample = self._handle.level_downsamples[number]
        corner = (round(x * downsample), round(y * downsample))
        try:
            region = self._handle.read_region(corner, number, (width, height))
        except openslide.OpenSlideError as error:
            # After an error OpenSlide refuses everything else, sound regions too, on that handle.
            self._handle.close()
            self._handle = self._open()
            raise SlideError(
                f"{self.path}: region at ({corner[0]}, {corner[1]}), level {level}, "
                f"cannot be read: {error}{self._how}"
            ) from error
        if self._is_ycbcr:
            alpha = region.getchannel("A")
            region = _rgb_of_ycbcr(region.convert("RGB"))
            region.putalpha(alpha)
        rgba = np.asarray(region)
        if rgba[..., 3].min() == 255:
            return np.asarray(region.convert("RGB"))
        white = Image.new("RGBA", region.size, "white")
        return np.asarray(Image.alpha_composite(white, region).convert("RGB"))

    def close(self) -> None:
        self._handle.close()


class _PlainImage:
    """A plain TIFF, PNG or JPEG: one level, and no scale but what OME-XML says."""

    def __init__(self, file: PictureFile) -> None:
        self.path = file.path
        first = file.pages[0] if file.pages else None
        self._is_ycbcr = first is not None and is_ycbcr_called_rgb(self.path, first)
        self._how = _compression(file.pages)
        notes = list(file.notes)
        try:
            image = file.open()
            if image.format not in {"uchar", "ushort"}:
                raise SlideError(f"{self.path} has {image.format} pixels: 8 or 16 bit are needed")
            if image.format == "ushort":
                image = (image >> 8).cast("uchar").copy(interpretation="srgb")
            if image.interpretation == "cmyk":
                notes.append("colours of CMYK become RGB as libvips converts them")
            if image.hasalpha():
                image = image.flatten(background=[255, 255, 255])
            self._image = image.colourspace("srgb").cast("uchar")
        except pyvips.Error as error:
            raise SlideError(
                f"{self.path} cannot be opened: {last_line(error)}{self._how}"
            ) from error
        self._region = pyvips.Region.new(self._image)
        width, height = self._image.width, self._image.height
        mpp_x, mpp_y = (None, None) if first is None else _scale(first, image)
        across, down = _resolution(image) or (1.0, 1.0)
        if mpp_x is None and abs(across / down - 1) > OBLONG:
            raise SlideError(
                f"{self.path} has oblong pixels by its tags of resolution ({across:g} × "
                f"{down:g} per mm): resample it to square ones, or remove the tags"
            )
        self.info = SlideInfo(
            format=file.kind,
            level_dimensions=((width, height),),
            mpp_x=mpp_x,
            mpp_y=mpp_y,
            objective_power=None,
            bounds=(0, 0, width, height),
            notes=tuple(notes),
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
                    f"{self.path}: region at ({left}, {top}) cannot be read: "
                    f"{last_line(error)}{self._how}"
                ) from error
            inside = np.frombuffer(raw, np.uint8).reshape(bottom - top, right - left, 3)
            if self._is_ycbcr:
                inside = np.asarray(_rgb_of_ycbcr(Image.fromarray(inside)))
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
        If the file is missing, empty, a folder, closed to us, in no format we read, or not what it
        would be read as.
    """
    path = Path(path)
    if unfit := why_no_file(path):
        raise SlideError(f"{path} {unfit}")
    if path.stat().st_size == 0:
        raise SlideError(f"{path} is empty")
    slide = _open(path)
    try:
        yield slide
    finally:
        slide.close()


def _open(path: Path) -> Slide:
    vendor = openslide.OpenSlide.detect_format(path)
    if path.suffix.lower() == MIRAX and vendor is None:
        # By itself the file is a JPEG: a picture of the slide.
        raise SlideError(
            f"{path} is no MIRAX slide without its folder {path.with_suffix('')}: copy both"
        )
    try:
        if vendor in {None, GENERIC_TIFF}:
            file = examine(path)
            slide = _PlainImage(file) if vendor is None else _open_tiled(file)
            if file.bits > 8:
                _check_brightness(slide)
            return slide
        pages = read_pages(path) if vendor != NDPI and is_tiff(path) else ()
    except (PictureError, TiffError) as error:
        raise SlideError(str(error)) from error
    _check_tiles(path, pages)
    return _ScannerSlide(path, pages)


def _open_tiled(file: PictureFile) -> Slide:
    """Open a tiled TIFF of any origin with OpenSlide, or with libvips, which knows more of them.

    What neither reads libvips refuses.
    """
    _check_tiles(file.path, file.pages)
    try:
        return _ScannerSlide(file.path, file.pages, file.notes)
    except SlideError:
        return _PlainImage(file)


def _check_tiles(path: Path, pages: Sequence[Page]) -> None:
    """Refuse tiles that OpenSlide does not place or scale as they are meant."""
    tiled = [page for page in pages if page.tiled]
    turned = [page.orientation for page in tiled if page.orientation in TURNED]
    if turned:
        raise SlideError(
            f"{path} is stored turned or mirrored (TIFF orientation {turned[0]}): save it upright "
            "(`vips autorot in.tif out.tif[tile,pyramid,compression=jpeg,Q=90]`)"
        )
    bits = _largest(tiled).bits if tiled else 8
    if bits not in {8, 16}:
        raise SlideError(f"{path} has {bits} bits per sample: save it with 8 or 16")


def _check_brightness(slide: Slide) -> None:
    """Refuse 16 bits of which the upper ones are empty: a camera of 12 shows a black picture."""
    level = len(slide.info.level_dimensions) - 1
    width, height = slide.info.level_dimensions[level]
    side_x, side_y = min(PROBE_PX, width), min(PROBE_PX, height)
    brightest = max(
        int(slide.read(level, x, y, side_x, side_y).max())
        for y in np.linspace(0, height - side_y, PROBES, dtype=int).tolist()
        for x in np.linspace(0, width - side_x, PROBES, dtype=int).tolist()
    )
    if brightest < DARK:
        raise SlideError(
            f"{slide.path} has 16 bits per sample, but its values reach only about "
            f"{brightest * 257} of 65535: scale them up (12 bits by 16), or save it with 8 bits"
        )


def _scale(page: Page, image: pyvips.Image) -> tuple[float | None, float | None]:
    """Micrometres per pixel by OME-XML; of tiles, as OpenSlide does, by the tags of resolution."""
    of_ome, resolution = ome_scale(page), _resolution(image)
    if of_ome != (None, None) or not (page.tiled and image.get_typeof("resolution-unit")):
        return of_ome
    return (None, None) if resolution is None else (1000 / resolution[0], 1000 / resolution[1])


def _resolution(image: pyvips.Image) -> tuple[float, float] | None:
    """Pixels per mm along x and y by the tags; None where one is missing or zero: nobody knows."""
    return (image.xres, image.yres) if image.xres > 0 and image.yres > 0 else None


def _compression(pages: Sequence[Page]) -> str:
    """Say how a TIFF is compressed: what cannot be decoded often could be in another way."""
    if not pages:
        return ""
    method = _largest(pages).compressed_by
    remedy = "" if method in READ_BY_ALL else ": save it with JPEG or deflate"
    return f" (its compression is {method}{remedy})"


def _largest(pages: Sequence[Page]) -> Page:
    return max(pages, key=lambda page: page.area)


def _is_level(size: tuple[int, int], full: tuple[int, int], known: bool) -> bool:
    """Whether a picture has the size of a slide shrunk, its sides rounded in any way.

    Source of what else there is: levels padded to whole tiles, thumbnails and pictures of the glass
    in place of a level; read as levels they would be placed and scaled wrongly.

    Parameters
    ----------
    known
        Whether the format says that it is a level; else it must be shrunk by a whole number.
    """
    least = max(whole / (side + 1) for whole, side in zip(full, size, strict=True))
    most = min(whole / max(side - 1, 0.5) for whole, side in zip(full, size, strict=True))
    return max(least, 1) <= most if known else max(ceil(least), 2) <= most


def _rgb_of_ycbcr(picture: Image.Image) -> Image.Image:
    """Give the colours (RGB) of a picture whose bands are in truth luminance and chroma."""
    return Image.merge("YCbCr", picture.split()).convert("RGB")


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
