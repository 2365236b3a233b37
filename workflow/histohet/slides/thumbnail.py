"""Small pictures of a slide: its thumbnail, and what was made of it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import cv2
import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from histohet.common.arrays import UInt8
from histohet.common.files import atomic_path
from histohet.common.provenance import Provenance
from histohet.slides.reader import Pixels, Slide
from histohet.slides.sampling import read_overview
from histohet.tiles.lattice import Coords

THUMBNAIL_PX = 1600
"""Longer side of a thumbnail."""

BLANK = 235
"""Grey of what takes the place of a slide."""

TISSUE_COLOUR = (20, 120, 20)
TILE_COLOUR = (30, 60, 200)
GLASS_COLOUR = (230, 120, 0)


def read_thumbnail(slide: Slide) -> Pixels:
    """Read the whole slide so that its longer side has at most `THUMBNAIL_PX` pixels."""
    longer = max(slide.info.width, slide.info.height)
    return read_overview(slide, max(1.0, longer / THUMBNAIL_PX))


def backdrop(width: int, height: int) -> Pixels:
    """Return an empty picture of the shape of a slide of this size, in place of its thumbnail."""
    shrink = max(1.0, max(width, height) / THUMBNAIL_PX)
    shape = (max(1, round(height / shrink)), max(1, round(width / shrink)), 3)
    return np.full(shape, BLANK, np.uint8)


def placeholder(text: str) -> Pixels:
    """Return a grey picture that says why there is none."""
    # Imported here because few slides need it. Pillow's own font has no µ.
    from matplotlib import get_data_path

    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 12)
    image = Image.new("RGB", (640, 120), (BLANK, BLANK, BLANK))
    ImageDraw.Draw(image).text((12, 12), textwrap.fill(text, 85), fill=(60, 60, 60), font=font)
    return np.asarray(image)


def draw_tiles(
    thumbnail: Pixels,
    downsample: float,
    pieces: list[shapely.Polygon],
    coords: Coords,
    side_px: float,
    colour: tuple[int, int, int] = TILE_COLOUR,
) -> Pixels:
    """Draw tissue outlines (green) and tiles (blue) over a thumbnail.

    Parameters
    ----------
    downsample
        Level-0 px per thumbnail px.
    pieces
        Tissue polygons, level-0 px.
    coords, side_px
        Corners and side of the tiles, level-0 px.
    colour
        RGB of the tiles.
    """
    image = thumbnail.copy()
    for left, top in (coords / downsample).tolist():
        side = side_px / downsample
        corner = (round(left), round(top))
        opposite = (round(left + side), round(top + side))
        cv2.rectangle(image, corner, opposite, colour, 1)
    thickness = max(1, round(max(image.shape) / 500))
    for piece in pieces:
        for ring in (piece.exterior, *piece.interiors):
            points = np.rint(np.asarray(ring.coords) / downsample).astype(np.int32)
            cv2.polylines(image, [points], True, TISSUE_COLOUR, thickness)
    return image


def save_picture(path: str | Path, image: UInt8, provenance: Provenance) -> None:
    """Write a picture as JPEG or PNG by the suffix of `path`, its provenance in the metadata."""
    picture = Image.fromarray(image)
    with atomic_path(path) as partial:
        if partial.suffix == ".png":
            text = PngImagePlugin.PngInfo()
            text.add_itxt("Description", provenance.as_json())
            picture.save(partial, pnginfo=text)
        else:
            picture.save(partial, quality=88, comment=provenance.as_json())
