"""Small slide files with known pixels, written as scanners write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from histohet.common.arrays import UInt8
from histohet.slides.reader import open_slide


def write_aperio(path: Path, image: UInt8, mpp: float | None, power: float | None) -> Path:
    """Write a tiled, pyramidal, lossless TIFF that OpenSlide takes for an Aperio slide."""
    text = "Aperio Test"
    if power is not None:
        text += f"|AppMag = {power:g}"
    if mpp is not None:
        text += f"|MPP = {mpp:g}"
    picture = pyvips.Image.new_from_array(image).copy()
    picture.set_type(pyvips.GValue.gstr_type, "image-description", text)
    picture.tiffsave(
        str(path),
        tile=True,
        tile_width=64,
        tile_height=64,
        pyramid=True,
        compression="deflate",
        bigtiff=False,
    )
    return path


def write_plain(path: Path, image: UInt8, **options: object) -> Path:
    """Write a plain image in the format of its suffix."""
    picture = pyvips.Image.new_from_array(image)
    if image.dtype == np.uint16:
        picture = picture.copy(interpretation="grey16" if image.ndim == 2 else "rgb16")
    picture.write_to_file(str(path), **options)
    return path


Tag = int | tuple[int, ...] | float | bytes
"""Value of a tag: integers, a fraction (of 1000), text."""


def write_tiff(
    path: Path,
    *pages: np.ndarray,
    tile_px: int | None = 64,
    tags: Sequence[Mapping[int, Tag]] = (),
    encode: Callable[[np.ndarray], bytes] = lambda pixels: zlib.compress(pixels.tobytes()),
) -> Path:
    """Write a TIFF of any structure, sound or not.

    Parameters
    ----------
    pages
        (height, width) or (height, width, channels), of 8 or 16 bits.
    tile_px
        Side of the tiles; None: one strip per page.
    tags
        Per page, in place of what would be written or beside it.
    encode
        Compresses a tile or strip; tag 259 should say how (deflate).
    """
    data, link = bytearray(b"II*\0\0\0\0\0"), 4
    for number, page in enumerate(pages):
        pixels = page[..., None] if page.ndim == 2 else page
        height, width, channels = pixels.shape
        side = tile_px or max(height, width)
        if tile_px:
            margin = ((0, -height % side), (0, -width % side), (0, 0))
            pixels = np.pad(pixels, margin, mode="edge")
        chunks = [
            encode(np.ascontiguousarray(pixels[y : y + side, x : x + side]))
            for y in range(0, height, side)
            for x in range(0, width, side)
        ]
        places = []
        for chunk in chunks:
            places.append(len(data))
            data += chunk
        sizes = tuple(map(len, chunks))
        directory: dict[int, Tag] = {
            254: int(number > 0),
            256: width,
            257: height,
            258: (page.dtype.itemsize * 8,) * channels,
            259: 8,
            262: 2 if channels > 2 else 1,
            277: channels,
            284: 1,
            **(
                {322: side, 323: side, 324: tuple(places), 325: sizes}
                if tile_px
                else {273: tuple(places), 278: height, 279: sizes}
            ),
            **(tags[number] if number < len(tags) else {}),
        }
        entries = bytearray()
        for tag, value in sorted(directory.items()):
            kind, count, content = _encoded(value)
            if len(content) > 4:
                content, after = struct.pack("<I", len(data)), content
                data += after
            entries += struct.pack("<HHI4s", tag, kind, count, content)
        data[link : link + 4] = struct.pack("<I", len(data))
        data += struct.pack("<H", len(directory)) + entries
        link = len(data)
        data += bytes(4)
    path.write_bytes(data)
    return path


def _encoded(value: Tag) -> tuple[int, int, bytes]:
    """Return type, count and bytes of the value of a tag."""
    if isinstance(value, bytes):
        return 2, len(value) + 1, value + b"\0"
    if isinstance(value, float):
        return 5, 1, struct.pack("<II", round(value * 1000), 1000)
    values = (value,) if isinstance(value, int) else value
    kind, letter = (3, "H") if max(values) < 2**16 else (4, "I")
    return kind, len(values), struct.pack(f"<{len(values)}{letter}", *values)


def write_leica(path: Path, glass: tuple[int, int], levels: Sequence[UInt8]) -> Path:
    """Write the levels of one area of a glass, (width, height) px, as a Leica SCN of 0.25 mpp.

    The area begins at (200, 100) px.
    """
    height, width = levels[0].shape[:2]
    dimensions = "".join(
        f'<dimension sizeX="{level.shape[1]}" sizeY="{level.shape[0]}" r="{number}" '
        f'ifd="{number}"/>'
        for number, level in enumerate(levels)
    )
    about = (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="a" uuid="b" sizeX="{glass[0] * 250}" sizeY="{glass[1] * 250}">'
        '<image name="c"><creationDate>2012</creationDate><device model="d" version="1"/>'
        f'<pixels sizeX="{width}" sizeY="{height}">{dimensions}</pixels>'
        f'<view sizeX="{width * 250}" sizeY="{height * 250}" offsetX="50000" offsetY="25000"/>'
        "<scanSettings><objectiveSettings><objective>40</objective></objectiveSettings>"
        "<illuminationSettings><numericalAperture>0.65</numericalAperture>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image></collection></scn>"
    )
    return write_tiff(path, *levels, tags=[{270: about.encode()}])


def gradient(width: int, height: int) -> UInt8:
    """Return an image in which every pixel tells where it is: red = x, green = y, blue = 100."""
    ys, xs = np.mgrid[0:height, 0:width]
    return np.stack([xs % 256, ys % 256, np.full_like(xs, 100)], axis=2).astype(np.uint8)


def tissue_like(width: int, height: int, boxes: list[tuple[int, int, int, int]]) -> UInt8:
    """Return white glass with pink rectangles (left, top, right, bottom)."""
    image = np.full((height, width, 3), 245, np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = (200, 80, 150)
    return image


def write_jpeg_tiff(
    path: Path, image: UInt8, tile_px: int, *, about: str = "MPP = 0.5", pyramid: bool = False
) -> Path:
    """Write JPEG tiles, one level or a pyramid, that OpenSlide takes for an Aperio slide."""
    picture = pyvips.Image.new_from_array(image).copy()
    picture.set_type(pyvips.GValue.gstr_type, "image-description", f"Aperio Test|{about}")
    picture.tiffsave(
        str(path),
        tile=True,
        tile_width=tile_px,
        tile_height=tile_px,
        pyramid=pyramid,
        compression="jpeg",
        Q=90,
    )
    return path


def break_tiff_tiles(path: Path, numbers: list[int]) -> None:
    """Overwrite the JPEG data of some tiles of the first level of a TIFF, row by row from 0."""
    with Image.open(path) as tiff:
        offsets, sizes = tiff.tag_v2[324], tiff.tag_v2[325]
    with path.open("r+b") as file:
        for number in numbers:
            file.seek(offsets[number])
            file.write(b"\x00" * sizes[number])


def write_giant(path: Path, side_px: int, grey: int) -> Path:
    """Write empty glass of one level, tile by tile, that OpenSlide takes for an Aperio slide."""
    picture = (pyvips.Image.black(side_px, side_px, bands=3) + grey).cast("uchar").copy()
    picture.set_type(pyvips.GValue.gstr_type, "image-description", "Aperio Test|MPP = 0.5")
    picture.tiffsave(
        str(path), tile=True, tile_width=512, tile_height=512, compression="deflate", level=1
    )
    return path


def write_crop(path: Path, source: Path, corner: tuple[int, int], side: int) -> Path:
    """Write the part of every level of a slide of 0.5 µm per pixel that a region of it shows."""
    with open_slide(source) as slide:
        shrunk = [round(one) for one in slide.info.level_downsamples]
        levels = [
            slide.read(number, corner[0] // by, corner[1] // by, side // by, side // by)
            for number, by in enumerate(shrunk)
            if corner[0] % by == corner[1] % by == 0
        ]
    per_cm: dict[int, Tag] = {282: 20000.0, 283: 20000.0, 296: 3}
    return write_tiff(path, *levels, tags=[per_cm] * len(levels))
