"""What maps share: the slide cut to its tiles, tiles painted over it, a scale bar."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from histohet.common.arrays import Ints
from histohet.drawing.palette import INK, Rgb
from histohet.drawing.style import PNG_DPI, SMALL_FONT_SIZE
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable

MARGIN_TILES = 3
"""Tissue shown around the tiles."""

OPACITY = 0.72

SHADES = "viridis"
"""Colour map of numbers."""

LIMIT_PERCENTILES = (1, 99)
"""Values beyond these, of the slide, have the end colours: a few extreme tiles flatten nothing."""

SCALE_BARS_UM = (100, 200, 500, 1000, 2000, 5000, 10000)


def crop(
    thumbnail: Pixels, tiles: TileTable, width_inch: float
) -> tuple[tuple[int, int], Pixels, float]:
    """Cut the thumbnail to the tiles and a margin, at the resolution of a panel.

    Parameters
    ----------
    thumbnail
        uint8 (H, W, 3), the whole slide.
    tiles
        At least one.
    width_inch
        Width of the panel.

    Returns
    -------
    corner, picture, scale
        Corner (x, y) in pixels of the picture, uint8 (H, W, 3), and its pixels per level-0 px.
    """
    scale = thumbnail.shape[1] / int(tiles.attributes["level0_width"])
    margin = MARGIN_TILES * tiles.side_px
    left, top = np.floor((tiles.coords.min(axis=0) - margin) * scale).astype(int)
    right, bottom = np.ceil((tiles.coords.max(axis=0) + tiles.side_px + margin) * scale).astype(int)
    left, top = max(left, 0), max(top, 0)
    picture = thumbnail[top:bottom, left:right]
    shrink = min(1.0, width_inch * PNG_DPI / picture.shape[1])
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    corner = (round(left * shrink), round(top * shrink))
    return corner, np.asarray(small, np.uint8), scale * shrink


def faded(picture: Pixels) -> Pixels:
    """Return the picture in light grey, on which colours stand out."""
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    return (255 - (255 - grey.astype(np.float32)) * 0.45).astype(np.uint8)


def tile_squares(tiles: TileTable, scale: float, corner: tuple[int, int]) -> Ints:
    """Left, top, right, bottom of the tiles in pixels of the cropped thumbnail, (N, 4)."""
    start = tiles.coords * scale - corner
    # Rounded outwards, so that no line of pixels stays bare between neighbours.
    edges = [np.floor(start), np.ceil(start + tiles.side_px * scale)]
    return np.hstack(edges).astype(np.int64)


def overlay(backdrop: Pixels, squares: Ints, colours: Sequence[Rgb]) -> Pixels:
    """Paint tiles over the backdrop, letting it shine through."""
    painted = backdrop.copy()
    for (left, top, right, bottom), colour in zip(squares.tolist(), colours, strict=True):
        painted[top:bottom, left:right] = colour
    return np.asarray(cv2.addWeighted(painted, OPACITY, backdrop, 1 - OPACITY, 0), np.uint8)


def colour_limits(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return the values of the first and the last colour; they differ, even if all are equal."""
    low, high = np.percentile(values, LIMIT_PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def shades(values: npt.NDArray[np.floating], limits: tuple[float, float]) -> list[Rgb]:
    """Return the colour of every value."""
    low, high = limits
    shares = np.clip((np.asarray(values, np.float64) - low) / (high - low), 0, 1)
    colours = matplotlib.colormaps[SHADES](shares, bytes=True)[:, :3]
    return [(red, green, blue) for red, green, blue in colours.tolist()]


def scale_bar(axes: Axes, um_per_px: float, width: int, height: int) -> None:
    """Draw a bar of a round length, about a fifth of the panel, below its lower left corner."""
    fitting = [um for um in SCALE_BARS_UM if um / um_per_px <= 0.3 * width]
    length_um = fitting[-1] if fitting else SCALE_BARS_UM[0]
    thickness = max(2.0, height / 120)
    top = height + 2 * thickness
    axes.add_patch(Rectangle((0, top), length_um / um_per_px, thickness, color=INK, clip_on=False))
    text = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um} µm"
    axes.text(0, top + 2 * thickness, text, va="top", size=SMALL_FONT_SIZE, color=INK)


def colour_bar(
    axes: Axes,
    width_inch: float,
    height_inch: float,
    colours: str,
    limits: tuple[float, float],
    label: str,
) -> None:
    """Show what the colours of a map mean, right of its scale bar.

    Parameters
    ----------
    width_inch, height_inch
        Size of the map.
    colours
        Name of the colour map.
    limits
        Values of its ends; the middle is marked too.
    """
    wide, high, below = 1.4 / width_inch, 0.09 / height_inch, 0.2 / height_inch
    bar = axes.inset_axes((max(1 - wide, 0.5), -below, wide, high))
    # As opaque as the tiles, whose backdrop is nearly white.
    shades = np.linspace(0, 1, 256)[None]
    low, high_value = limits
    bar.imshow(shades, cmap=colours, alpha=OPACITY, aspect="auto", extent=(0.0, 1.0, 0.0, 1.0))
    values = (low, (low + high_value) / 2, high_value)
    bar.set(xticks=[0, 0.5, 1], xticklabels=[f"{value:.3g}" for value in values], yticks=[])
    bar.set_xlabel(label, size=SMALL_FONT_SIZE, labelpad=1)
