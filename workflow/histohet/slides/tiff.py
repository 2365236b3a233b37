"""What a TIFF file holds, read from its directories alone: pages, how they are stored, their scale.

Neither OpenSlide nor libvips tells what it leaves out of a file, or takes for what it is not.
Source of tags and values: TIFF 6.0 (Adobe 1992), its technical notes, and BigTIFF.

tifffile knows more of TIFFs than is asked here, and answers damaged directories with errors of any
kind (TypeError among them), which only a broad `except` could turn into a message.
"""

from __future__ import annotations

import html
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CLASSIC, BIG = 42, 43
"""Versions of TIFF."""

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of both in either order of bytes."""

COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT group 3",
    4: "CCITT group 4",
    5: "LZW",
    6: "old-style JPEG",
    7: "JPEG",
    8: "deflate",
    22610: "JPEG XR",
    32773: "PackBits",
    32946: "deflate",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}
LOSSY = {"old-style JPEG", "JPEG", "JPEG XR", "JPEG 2000", "lossy JPEG", "WebP", "JPEG XL"}
"""Compressions that may change pixels; of some of them the directories do not say."""

RGB, PALETTE, CMYK, YCBCR, LAB = 2, 3, 5, 6, 8
"""Values of PhotometricInterpretation."""

TURNED = range(2, 9)
"""Values of Orientation of a page whose first row is not its top, or first column not its left."""

JPEG = 7
"""Value of Compression."""

APP0, APP14, START_OF_SCAN = 0xE0, 0xEE, 0xDA
START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3}
"""Markers of JPEG (ITU-T T.81)."""

UNITS_UM = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "dm": 1e5,
    "m": 1e6,
    "in": 25_400.0,
}
"""Micrometres of OME's units of length; pixels and reference frames are none."""

MOST_PAGES = 10_000
MOST_TAGS = 4_000
"""A chain of more directories runs in a circle, and one of more tags is none."""

LARGEST_VALUE = 2**20
"""Bytes of one value that are read; the size of pixels stands at the beginning of OME-XML."""

_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
"""Types of values as `struct` calls them: bytes, text, integers."""

_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b([^<>]*)>")
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
"""Not an XML parser: the description of a file from anywhere is read in linear time and memory."""

_TAGS = {
    254: "kind",
    255: "old_kind",
    256: "width",
    257: "height",
    258: "bits",
    259: "compression",
    262: "photometric",
    270: "description",
    273: "strips",
    274: "orientation",
    277: "samples",
    324: "tiles",
}


class TiffError(ValueError):
    """The directories of a TIFF cannot be read. The message names the file."""


@dataclass(frozen=True)
class Page:
    """One directory of a TIFF.

    Attributes
    ----------
    size
        Width and height in pixels.
    reduced
        Whether it says of itself to be a smaller copy, or a mask, of another page.
    tiled
        Whether it has tiles; else it has strips.
    bits
        Of the sample with most of them.
    samples
        Numbers per pixel: 3 of a coloured one.
    photometric, compression, orientation
        As the TIFF numbers them.
    data
        Where in the file the first tile or strip begins that is there; 0 if none is.
    description
        What the writing program says of the picture; OME-XML, for example.
    """

    size: tuple[int, int]
    reduced: bool
    tiled: bool
    bits: int
    samples: int
    photometric: int
    compression: int
    orientation: int
    data: int
    description: str

    @property
    def compressed_by(self) -> str:
        """Name of the compression."""
        return COMPRESSIONS.get(self.compression, f"method {self.compression}")

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.size[0] * self.size[1]


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF or BigTIFF."""
    with path.open("rb") as file:
        return file.read(4) in BEGINNINGS


def read_pages(path: Path) -> tuple[Page, ...]:
    """Read the directories of a TIFF or BigTIFF, in their order.

    Pages that only another directory points to (SubIFDs) are not followed: nobody here reads them.

    Raises
    ------
    TiffError
        If the file is no TIFF, or a directory is damaged or missing.
    """
    with path.open("rb") as file:
        try:
            return _read_pages(file)
        except (struct.error, EOFError) as error:
            raise TiffError(f"{path} breaks off, or its TIFF directories are damaged") from error


def _read_pages(file: BinaryIO) -> tuple[Page, ...]:
    order = {b"II": "<", b"MM": ">"}.get(file.read(2), "")
    version = _unpack(file, order + "H")[0] if order else 0
    if version not in {CLASSIC, BIG}:
        raise TiffError(f"{file.name} is no TIFF")
    if version == BIG:
        file.seek(8)
    word, count_word, entry = (
        (f"{order}Q", f"{order}Q", f"{order}HHQ8s")
        if version == BIG
        else (f"{order}I", f"{order}H", f"{order}HHI4s")
    )
    pages: list[Page] = []
    offset = _unpack(file, word)[0]
    while offset:
        _seek(file, offset)
        count = _unpack(file, count_word)[0]
        if len(pages) == MOST_PAGES or count > MOST_TAGS:
            raise TiffError(f"{file.name} has damaged TIFF directories")
        entries = file.read(count * struct.calcsize(entry))
        offset = _unpack(file, word)[0]
        values = _values(file, struct.iter_unpack(entry, entries), order, word)
        if not (values.get("width") and values.get("height")):
            raise TiffError(f"{file.name} has a TIFF directory of a picture without size")
        pages.append(_page(values))
    if not pages:
        raise TiffError(f"{file.name} has no TIFF directory")
    return tuple(pages)


def _seek(file: BinaryIO, place: int) -> None:
    """Go to a place that the file names; a damaged one may lie where no system can go."""
    if place >= os.fstat(file.fileno()).st_size:
        raise EOFError
    file.seek(place)


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _values(
    file: BinaryIO, entries: Iterable[tuple[int, int, int, bytes]], order: str, word: str
) -> dict[str, Sequence[int]]:
    """Read the values of one directory that are of use; long ones stand elsewhere in the file."""
    found: dict[str, Sequence[int]] = {}
    for tag, kind, count, here in entries:
        name = _TAGS.get(tag)
        if name is None or kind not in _FORMATS:
            continue
        if name == "description" and _FORMATS[kind] != "B":
            # Numbers are no text.
            continue
        each = struct.calcsize(order + _FORMATS[kind])
        if count * each > len(here):
            _seek(file, struct.unpack(word, here)[0])
            count = min(count, LARGEST_VALUE // each)
            here = file.read(count * each)
        found[name] = struct.unpack(order + _FORMATS[kind] * count, here[: count * each])
    return found


def _page(values: Mapping[str, Sequence[int]]) -> Page:
    def first(name: str, otherwise: int) -> int:
        return (values.get(name) or (otherwise,))[0]

    chunks = values.get("tiles") or values.get("strips") or ()
    return Page(
        size=(values["width"][0], values["height"][0]),
        # Bit 0: a reduced copy; bit 2: a mask of transparency. In the older tag 2 is reduced.
        reduced=bool(first("kind", 0) & 0b101) or first("old_kind", 1) == 2,
        tiled="tiles" in values,
        bits=max(values.get("bits") or (1,)),
        samples=first("samples", 1),
        photometric=first("photometric", -1),
        compression=first("compression", 1),
        orientation=first("orientation", 1),
        data=next((place for place in chunks if place), 0),
        description=bytes(values.get("description", ())).rstrip(b"\0").decode("utf-8", "replace"),
    )


def ome_scale(page: Page) -> tuple[float | None, float | None]:
    """Return the micrometres per pixel, along x and y, that OME-XML gives a page; None if none.

    Of several pictures in the XML the first of the size of the page counts.
    """
    for pixels in _PIXELS.finditer(page.description):
        about = {
            name: html.unescape(double or single)
            for name, double, single in _ATTRIBUTE.findall(pixels[1])
        }
        if (about.get("SizeX"), about.get("SizeY")) == tuple(map(str, page.size)):
            return _micrometres(about, "X"), _micrometres(about, "Y")
    return None, None


def _micrometres(about: Mapping[str, str], axis: str) -> float | None:
    unit = UNITS_UM.get(about.get(f"PhysicalSize{axis}Unit", "µm").replace("\u03bc", "\u00b5"))
    try:
        size = float(about.get(f"PhysicalSize{axis}", ""))
    except ValueError:
        return None
    return None if unit is None else size * unit


def is_ycbcr_called_rgb(path: Path, page: Page) -> bool:
    """Whether the JPEG data of a page are YCbCr although the page says RGB.

    So Bio-Formats writes them, and QuPath with it. Decoders believe the page and show luminance as
    red. JPEG data with a JFIF header are never RGB (ITU-T T.871), those with Adobe's say what they
    are (T.872), and nobody stores red finer than green and blue.
    """
    if page.compression != JPEG or page.photometric != RGB:
        return False
    if not 0 < page.data < path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(page.data)
        for marker, content in _jpeg_segments(file):
            if marker == APP0 and content.startswith(b"JFIF\0"):
                return True
            if marker == APP14 and content.startswith(b"Adobe"):
                return content[11:12] == b"\1"
            if marker in START_OF_FRAME:
                return len(content) >= 15 and len({content[7], content[10], content[13]}) > 1
    return False


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of the segments before the pixels."""
    if file.read(2) != b"\xff\xd8":
        return
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != START_OF_SCAN:
        yield head[1], file.read(max(int.from_bytes(head[2:]) - 2, 0))
