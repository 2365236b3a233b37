"""Small slide files with known pixels, written as scanners write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from histohet.common.arrays import UInt8


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
