"""Tumour attention of a slide as a heatmap, and the threshold over the scores that it divides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from histohet.common.qupath import TileObject
from histohet.drawing.palette import INK, NEUTRAL, Rgb, cluster_colour
from histohet.drawing.panels import (
    SHADES,
    colour_bar,
    colour_limits,
    crop,
    faded,
    overlay,
    scale_bar,
    shades,
    tile_squares,
)
from histohet.drawing.style import message_figure, new_figure, style
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable
from histohet.tumour.threshold import Threshold

PANEL_INCH = 4.0
TALLEST_INCH = 7.0
TITLE_INCH, BELOW_INCH = 0.5, 0.45

SCORES_TITLE = "Tumour score of the clusters of all slides"


def fifths(values: npt.NDArray[np.floating]) -> list[tuple[str, Rgb]]:
    """Return the class of every tile for QuPath: which fifth of the slide, and its colour.

    Equal values are in the same fifth, the lowest that any of them reaches.
    """
    limits = np.quantile(values, (0.2, 0.4, 0.6, 0.8)) if len(values) else np.empty(0)
    number = np.searchsorted(limits, values, side="left")
    colours = shades(np.arange(5.0), (0, 4))
    return [(f"Attention, fifth {n + 1} of 5", colours[n]) for n in number.tolist()]


def tile_objects(tiles: TileTable, values: npt.NDArray[np.floating]) -> Iterator[TileObject]:
    """Yield the tiles for QuPath, with class, colour and raw attention (N,)."""
    rows = zip(tiles.coords.tolist(), values.tolist(), fifths(values), strict=True)
    for index, ((x, y), value, (name, colour)) in enumerate(rows):
        yield TileObject(index, x, y, name, colour, {"attention": value})


def draw_attention_map(
    slide: str,
    thumbnail: Pixels,
    tiles: TileTable,
    values: npt.NDArray[np.floating],
    kind: str = "Tumour attention",
) -> Figure:
    """Draw the slide and, at the same scale, the raw attention of its tiles.

    Parameters
    ----------
    slide
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    tiles
        Tiles that have attention, at least one.
    values
        (N,) raw attention.
    kind
        Whose attention it is.
    """
    corner, picture, scale = crop(thumbnail, tiles, PANEL_INCH)
    limits = colour_limits(values)
    squares = tile_squares(tiles, scale, corner)
    heat = overlay(faded(picture), squares, shades(values, limits))
    height, width = picture.shape[:2]
    tall = min(PANEL_INCH * height / width, TALLEST_INCH)
    with style():
        figure = new_figure(2 * PANEL_INCH, tall + TITLE_INCH + BELOW_INCH)
        figure.suptitle(slide, x=0.01, ha="left", weight="bold")
        titles = ("H&E", f"{kind}: {len(values)} tiles of {tiles.spec.tile_um:g} µm")
        for axes, title, image in zip(figure.subplots(1, 2), titles, (picture, heat), strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(title, weight="normal")
            axes.set_axis_off()
            axes.set_anchor("NW")
            scale_bar(axes, tiles.mpp / scale, width, height)
        label = "raw attention, 1–99 %"
        colour_bar(axes, tall * width / height, tall, SHADES, limits, label)
    return figure


def draw_threshold(scores: Sequence[float], chosen: Threshold) -> Figure:
    """Draw the histogram of cluster scores with the threshold, or say why there is none.

    Parameters
    ----------
    scores
        Mean tumour score of every cluster of every slide.
    """
    threshold = chosen.threshold
    if threshold is None:
        return message_figure(
            SCORES_TITLE, f"No threshold, so all clusters count: {chosen.reason}."
        )
    if not scores:
        return message_figure(SCORES_TITLE, "No slide has tumour scores.")
    values = np.asarray(scores)
    known = {"otsu": "Otsu", "configuration": "as configured"}
    name = known.get(chosen.source, "learned elsewhere")
    above = values > threshold
    with style():
        figure = new_figure(6.4, 3.4)
        axes = figure.add_subplot()
        bins = np.histogram_bin_edges(values, bins=min(40, max(10, len(values) // 4)))
        axes.hist(
            [values[~above], values[above]],
            bins=bins.tolist(),
            stacked=True,
            color=[NEUTRAL, cluster_colour(5)],
            label=[f"below: {(~above).sum()} clusters", f"tumour: {above.sum()} clusters"],
        )
        axes.axvline(threshold, color=INK, linestyle="--", label=f"{name}: {threshold:.4g}")
        axes.set(
            title=SCORES_TITLE, xlabel="Mean attention of the cluster's tiles", ylabel="Clusters"
        )
        axes.legend()
    return figure
