"""An array as it was taken apart, to be checked by eye."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from histohet.cores.dearray import Array
from histohet.cores.grid import Core
from histohet.slides.reader import Pixels, Slide
from histohet.slides.sampling import read_overview

LONGER_PX = 2400
"""Longer side of the picture."""

TEXT_PX, LINE_PX = 12, 16
LINE_CHARACTERS = 160
FOUND, MISSING, CONTROL, UNKNOWN = (0, 120, 0), (200, 0, 0), (110, 110, 110), (220, 120, 0)
"""Colours: a core, none where one should be, a control, one of which the map does not know."""


def draw_array(slide: Slide, array: Array) -> Pixels:
    """Return the array with its cores, their names, and below what is to be said, uint8 (H, W, 3).

    Missing cores are crossed, controls grey, cores that the map has no place for orange.
    """
    shrink = max(1.0, max(slide.info.width, slide.info.height) / LONGER_PX)
    overview = Image.fromarray(read_overview(slide, shrink))
    lines = _lines(array)
    height = overview.height + LINE_PX * (len(lines) + 1)
    picture = Image.new("RGB", (overview.width, height), "white")
    picture.paste(overview)
    draw, font = ImageDraw.Draw(picture), _font()
    for core in array.cores:
        _draw_core(draw, font, core, slide.info.width / overview.width, array.diameter_px)
    for number, line in enumerate(lines):
        draw.text((8, overview.height + 8 + LINE_PX * number), line, fill="black", font=font)
    return np.asarray(picture)


def _draw_core(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    core: Core,
    shrink: float,
    diameter_px: float,
) -> None:
    x, y, radius = core.x / shrink, core.y / shrink, diameter_px / shrink / 2
    colour = MISSING if core.missing else FOUND
    if core.kind != "tissue":
        colour = CONTROL if core.kind == "control" or core.missing else UNKNOWN
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=2)
    if core.missing:
        draw.line((x - radius, y - radius, x + radius, y + radius), fill=colour)
        draw.line((x - radius, y + radius, x + radius, y - radius), fill=colour)
    draw.text((x, y), core.name, fill=colour, font=font, anchor="mm")


def _lines(array: Array) -> list[str]:
    there = sum(not core.missing for core in array.cores)
    rows, columns = (
        len({core.place[axis] for core in array.cores if not core.missing}) for axis in (0, 1)
    )
    head = (
        f"{array.row.array}: {there} cores of {array.diameter_um:g} µm in {rows} rows and "
        f"{columns} columns, {len(array.cores) - there} places without one"
    )
    said = [f"Problem: {one}" for one in array.problems] + list(array.notes)
    return [head, *(line for one in said for line in _wrapped(one))]


def _wrapped(text: str) -> list[str]:
    return [text[at : at + LINE_CHARACTERS] for at in range(0, len(text), LINE_CHARACTERS)]


def _font() -> ImageFont.FreeTypeFont:
    # Imported here because it is slow, and Pillow's own font has no µ.
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf", TEXT_PX)
