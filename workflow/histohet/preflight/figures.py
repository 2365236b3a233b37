"""A picture of every mask: what of the slide is epithelium, and which tiles that leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from histohet.common.arrays import Bools, UInt8
from histohet.common.outcome import Outcome
from histohet.drawing.palette import CLUSTER_COLOURS, FAINT, INK, rgb
from histohet.drawing.panels import faded, overlay, scale_bar, tile_squares
from histohet.drawing.style import PNG_DPI, SMALL_FONT_SIZE, new_figure, style
from histohet.epithelium.base import EpitheliumMask
from histohet.epithelium.masks import overview
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable
from histohet.tiles.lattice import Coords

PANEL_INCH, TALLEST_INCH = 4.4, 6.5
"""Width of a panel, and its height at most."""

AROUND_INCH = 1.2
"""Height of title and legend."""

USED, GLASS, TOO_LITTLE = CLUSTER_COLOURS[0], CLUSTER_COLOURS[1], FAINT
"""Colours of tiles."""


@dataclass(frozen=True)
class MaskedSlide:
    """What the picture of a mask is drawn from.

    Attributes
    ----------
    slide
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    mask, source
        Its epithelium, and where that is from, in words.
    tiles
        Those on tissue.
    is_used
        (N,) bool, those with enough epithelium.
    glass
        Corners of those that were left out as glass, (M, 2).
    min_coverage
        Epithelium that a tile needs more of.
    outcome
        Why the mask cannot be used, if it cannot, or what is to be said of it.
    """

    slide: str
    thumbnail: Pixels
    mask: EpitheliumMask
    source: str
    tiles: TileTable
    is_used: Bools
    glass: Coords
    min_coverage: float
    outcome: Outcome


def draw_mask(data: MaskedSlide) -> Figure:
    """Draw the slide with everything but its epithelium faded, and beside it what tiles become.

    Raises
    ------
    MaskError
        If a part of the mask cannot be read.
    """
    picture = _shrunk(data.thumbnail)
    height, width = picture.shape[:2]
    scale = width / int(data.tiles.attributes["level0_width"])
    inside = overview(data.mask, (height, width), 1 / scale)
    panels = {
        f"Epithelium {data.source}: {inside.mean():.0%} of the picture": _masked(picture, inside),
        "Tiles": _painted(picture, data, scale),
    }
    with style():
        tall = min(PANEL_INCH * height / width, TALLEST_INCH)
        figure = new_figure(2 * PANEL_INCH, tall + AROUND_INCH)
        title = ": ".join(filter(None, [data.slide, data.outcome.reason]))
        figure.suptitle(title, x=0.01, ha="left", weight="bold", wrap=True)
        for place, (name, image) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(1, 2, place)
            axes.imshow(image, interpolation="nearest")
            axes.set_title(name, weight="normal", size=SMALL_FONT_SIZE)
            axes.set_axis_off()
            axes.set_anchor("NW")
            scale_bar(axes, data.tiles.mpp / scale, width, height)
        _legend(axes, _counts(data))
    return figure


def _shrunk(thumbnail: Pixels) -> UInt8:
    """Return the slide as large as a panel, or as it is if that is smaller."""
    height, width = thumbnail.shape[:2]
    shrink = min(1.0, PANEL_INCH * PNG_DPI / width, TALLEST_INCH * PNG_DPI / height)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(cv2.resize(thumbnail, size, interpolation=cv2.INTER_AREA), np.uint8)


def _masked(picture: UInt8, inside: Bools) -> UInt8:
    """Fade what is no epithelium, and draw the outline between."""
    shown = np.where(inside[..., None], picture, faded(picture))
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.drawContours(shown, outlines, -1, rgb(INK), 1), np.uint8)


def _painted(picture: UInt8, data: MaskedSlide, scale: float) -> UInt8:
    """Paint every tile in the colour of what becomes of it."""
    every = replace(data.tiles, coords=np.concatenate([data.tiles.coords, data.glass]))
    colours = [rgb(USED if used else TOO_LITTLE) for used in data.is_used.tolist()]
    colours += [rgb(GLASS)] * len(data.glass)
    return overlay(faded(picture), tile_squares(every, scale, (0, 0)), colours)


def _counts(data: MaskedSlide) -> Mapping[str, str]:
    """Say what becomes of how many tiles, by colour."""
    n_used = int(data.is_used.sum())
    said = {
        USED: f"{n_used:,} used: more than {data.min_coverage:.0%} epithelium",
        TOO_LITTLE: f"{len(data.is_used) - n_used:,} with less",
    }
    return said | ({GLASS: f"{len(data.glass):,} left out as glass"} if len(data.glass) else {})


def _legend(axes: Axes, said: Mapping[str, str]) -> None:
    patches = [Patch(color=colour, label=text) for colour, text in said.items()]
    axes.legend(
        handles=patches, loc="upper right", bbox_to_anchor=(1, 0), handlelength=1, borderpad=0
    )
