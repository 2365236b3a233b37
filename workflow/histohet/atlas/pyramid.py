"""Deep zoom of a slide: its pixels in tiles of several scales, cut by libvips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyvips

from histohet.slides.frame import Frame
from histohet.slides.reader import Slide
from histohet.slides.region import open_region
from histohet.slides.sampling import read_rectangle

NAME = "pyramid"
TILE_PX, OVERLAP_PX = 510, 1
QUALITY = 75

STRIP_PX = 16_000_000
"""Pixels that are read at once, whatever the size of the slide."""


def write_pyramid(
    folder: Path, slide: str | Path, region: Frame | None, mpp: float, um: float
) -> dict[str, Any]:
    """Write ``pyramid_files`` into a folder; return what OpenSeadragon has to know of it.

    Parameters
    ----------
    slide, region
        The file, and what of it is the slide.
    mpp, um
        µm per pixel of level 0, and of the finest level that is written; no finer than level 0.

    Raises
    ------
    SlideError
        If the slide cannot be opened, or decoded somewhere.
    """
    downsample = max(1.0, um / mpp)
    pixels = folder / "pixels.raw"
    try:
        with open_region(slide, region) as opened, pixels.open("wb") as file:
            width, height = (max(1, round(side / downsample)) for side in _size(opened))
            file.writelines(_strips(opened, downsample, width, height))
        image = pyvips.Image.rawload(str(pixels), width, height, 3).copy(interpretation="srgb")
        image.dzsave(
            str(folder / NAME),
            suffix=f".jpg[Q={QUALITY}]",
            tile_size=TILE_PX,
            overlap=OVERLAP_PX,
        )
    finally:
        pixels.unlink(missing_ok=True)
    # The page gets the same as a script: it can read no XML from disk. And libvips notes the date.
    (folder / f"{NAME}.dzi").unlink()
    (folder / f"{NAME}_files/vips-properties.xml").unlink(missing_ok=True)
    return {
        "Format": "jpg",
        "Overlap": OVERLAP_PX,
        "TileSize": TILE_PX,
        "Size": {"Width": width, "Height": height},
    }


def _size(slide: Slide) -> tuple[int, int]:
    return slide.info.width, slide.info.height


def _strips(slide: Slide, downsample: float, width: int, height: int) -> Iterator[bytes]:
    """Yield the pixels of a slide, from the top, shrunk to a width and height."""
    level = slide.info.level_downsamples[slide.info.best_level(downsample)]
    rows = max(1, int(STRIP_PX / width / (downsample / level) ** 2))
    for top in range(0, height, rows):
        size = (width, min(rows, height - top))
        yield read_rectangle(slide, 0, top * downsample, downsample, size).tobytes()
