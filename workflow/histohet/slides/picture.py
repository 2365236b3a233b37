"""Plain pictures: is a TIFF, PNG or JPEG file one upright picture, and what is left out of it.

Slides and masks come through here. libvips opens far more kinds of files, many of them as
something else than they are: the preview of a raw photograph, the first of several pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyvips

from histohet.slides import tiff
from histohet.slides.tiff import (
    CMYK,
    LAB,
    LOSSY,
    PALETTE,
    RGB,
    YCBCR,
    Page,
    TiffError,
    read_pages,
)

Kind = Literal["tiff", "png", "jpeg"]

BEGINNINGS: dict[bytes, Kind] = {
    **dict.fromkeys(tiff.BEGINNINGS, "tiff"),
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
}

NAMES = {
    *("", ".svs"),
    *(".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ptif", ".qptiff"),
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif"),
}
"""Ends of names of plain pictures; exports of a slide often keep its ``.svs``. What else begins as
a TIFF or JPEG (VSI, raw photographs, LSM) holds a preview there, and its picture elsewhere."""

PNG_BITS, PNG_COLOURS, PNG_PALETTE = 24, 25, 3
"""Where a PNG says how many bits a sample has, and how colours are stored: 3 is by a table."""

_IMAGEJ_STACK = re.compile(r"^ImageJ=.*?^images=(\d{1,9})$", re.DOTALL | re.MULTILINE)
"""ImageJ describes large stacks as one page, and their number of pictures in words."""

CONVERT = "convert it to a TIFF, a scan with QuPath or bfconvert, a plain picture with `vips copy`"
CONVERT_SCAN = "convert it to OME-TIFF with QuPath or bfconvert, which read what lies beside it too"


class PictureError(ValueError):
    """A file is no picture that can be read rightly. The message names the file and the remedy."""


@dataclass(frozen=True)
class PictureFile:
    """What the headers of a picture file say of it.

    Attributes
    ----------
    kind
        By its content, not by its name.
    pages
        Of a TIFF; the first is the picture.
    bits
        Of a sample as it is stored.
    indexed
        Whether pixels are stored as indices of a table of colours. libvips gives the colours, so
        the numbers of a label image are lost.
    lossy
        Whether its compression may have changed pixels: never trust it with labels.
    notes
        What the file holds besides the picture and is left out.
    """

    path: Path
    kind: Kind
    pages: tuple[Page, ...]
    bits: int
    indexed: bool
    lossy: bool
    notes: tuple[str, ...]

    def open(self) -> pyvips.Image:
        """Open the first page, upright, its bands and numbers as libvips decodes them.

        Nothing but headers is read yet. A truncated file raises a `pyvips.Error` then or later.

        Raises
        ------
        pyvips.Error
            If libvips cannot decode the file.
        """
        load = getattr(pyvips.Image, f"{self.kind}load")
        # By default libvips gives grey or black for what is missing or cannot be decoded; tiles and
        # strips of a TIFF that cannot be decoded are mere warnings to it.
        fail_on = "warning" if self.kind == "tiff" else "error"
        return load(str(self.path), fail_on=fail_on).autorot()


def examine(path: str | Path) -> PictureFile:
    """Read the headers of a TIFF, PNG or JPEG, and refuse what would not be read rightly.

    A mask goes the same way as a slide::

        file = examine(path)    # PictureError: other kinds of files, several pages
        if file.indexed or file.lossy: ...  # numbers are not the classes that were drawn
        image = file.open()     # pyvips.Error; pyvips image, turned upright

    Raises
    ------
    PictureError
        If the file is of another kind, or has several pages of which none is the picture.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(PNG_COLOURS + 1)
    kind = next((kind for start, kind in BEGINNINGS.items() if head.startswith(start)), None)
    if kind is None or (kind == "png" and len(head) <= PNG_COLOURS):
        raise PictureError(f"{path} is no TIFF, PNG or JPEG image: {CONVERT}")
    if path.suffix.lower() not in NAMES:
        raise PictureError(
            f"{path} begins as a {kind.upper()}, which in files named *{path.suffix} may be a "
            f"preview of what only the maker's programs read: {CONVERT_SCAN}"
        )
    if kind == "jpeg":
        return PictureFile(path, kind, (), 8, indexed=False, lossy=True, notes=())
    if kind == "png":
        bits, colours = head[PNG_BITS], head[PNG_COLOURS]
        return PictureFile(path, kind, (), bits, colours == PNG_PALETTE, lossy=False, notes=())
    try:
        pages = read_pages(path)
    except TiffError as error:
        raise PictureError(str(error)) from error
    first = pages[0]
    if problem := _problem_of_pages(pages) or _problem_of_pixels(first):
        raise PictureError(f"{path} {problem}")
    others = sum(not page.reduced for page in pages[1:])
    notes = (f"of {others + 1} pages the first, the largest, is read",) if others else ()
    return PictureFile(
        path,
        kind,
        pages,
        first.bits,
        indexed=first.photometric == PALETTE,
        lossy=first.compressed_by in LOSSY,
        notes=notes,
    )


def _problem_of_pages(pages: Sequence[Page]) -> str | None:
    """Say why the first page is not the picture, or not all of it; None if it is.

    Further pages that are smaller are a thumbnail, a label, a pyramid whose levels are not marked.
    """
    first, *others = pages
    for number, page in enumerate(others, start=2):
        if page.size[0] > first.size[0] or page.size[1] > first.size[1]:
            return (
                f"begins with {_named(first)}, and page {number} is {_named(page)}: save that page "
                f"alone (`vips copy 'in.tif[page={number - 1}]' out.tif`)"
            )
    same = 1 + sum(page.size == first.size and not page.reduced for page in others)
    if stack := _IMAGEJ_STACK.search(first.description):
        same = max(same, int(stack[1]))
    if same == 1:
        return None
    if first.samples == 1:
        return (
            f"has {same} pages of {_named(first)} with one channel each: save what belongs to a "
            "pixel together, colours as RGB (`raw2ometiff --rgb`), classes as one label image"
        )
    return (
        f"has {same} pages of {_named(first)}, as of focal planes, times or scenes: save the one "
        "that is meant alone"
    )


def _problem_of_pixels(page: Page) -> str | None:
    """Say why the numbers of a pixel cannot be what its colours are; None if they can."""
    colours = {RGB: 3, YCBCR: 3, LAB: 3, CMYK: 4}.get(page.photometric, 1)
    if colours <= page.samples <= colours + 1:
        return None
    return (
        f"has {page.samples} channels, and its tag of colours says {colours}: save it as RGB, or "
        "as one grey channel"
    )


def _named(page: Page) -> str:
    return f"{page.size[0]} × {page.size[1]} px"
