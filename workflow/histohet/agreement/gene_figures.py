"""Measured expression of genes beside the maps of their traits."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.agreement.counts import MeasuredSpots, normalised
from histohet.agreement.figures import draw_circles
from histohet.agreement.genes import GeneAgreement, ScoreMap, scores_at
from histohet.common.arrays import Floats
from histohet.drawing.palette import Rgb
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
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable

PANEL_INCH, SCATTER_INCH, TEXT_INCH = 3.0, 2.6, 2.4
TALLEST_INCH = 4.5
BETWEEN_INCH = 0.9
"""Height of a row besides its maps: their titles and bars."""

LINE = 36
"""Characters of a line of text."""


@dataclass(frozen=True, eq=False)
class GeneSection:
    """A section with the maps of traits and the counts of their genes.

    Attributes
    ----------
    title
        Title of the figure.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    tiles
        The tiles of `scores`, in its order.
    scores
        Maps of the traits.
    spots
        Counts, in the same pixels.
    agreements
        How well they agree.
    """

    title: str
    thumbnail: Pixels
    tiles: TileTable
    scores: ScoreMap
    spots: MeasuredSpots
    agreements: Sequence[GeneAgreement]


def draw_genes(section: GeneSection) -> Figure:
    """Draw a row per gene: its expression at spots, the map of its trait, and one by the other.

    Colours of either map go from its 1st to its 99th percentile.
    """
    compared = [one for one in section.agreements if one.rho is not None]
    if not compared:
        reasons = dict.fromkeys(f"{one.gene}: {one.reason}" for one in section.agreements)
        return message_figure(section.title, "; ".join(reasons))
    corners = np.rint(section.spots.centres - section.tiles.side_px / 2).astype(np.int64)
    everything = replace(section.tiles, coords=np.vstack([section.tiles.coords, corners]))
    corner, picture, scale = crop(section.thumbnail, everything, PANEL_INCH)
    backdrop, (height, width) = faded(picture), picture.shape[:2]
    tall = min(PANEL_INCH * height / width, TALLEST_INCH)
    wide = tall * width / height
    with style():
        ratios = [wide, wide, SCATTER_INCH, TEXT_INCH]
        figure = new_figure(sum(ratios) + 0.8, len(compared) * (tall + BETWEEN_INCH) + 0.3)
        figure.suptitle(section.title, x=0.01, ha="left", weight="bold")
        rows = figure.subplots(len(compared), 4, width_ratios=ratios, squeeze=False)
        squares = tile_squares(section.tiles, scale, corner)
        points = section.spots.centres * scale - corner
        for (left, middle, right, words), one in zip(rows, compared, strict=True):
            counts = section.spots.counts
            expression = normalised(counts.of(one.gene), counts.totals)
            scores = section.scores.of(one.trait)
            within, between = colour_limits(expression), colour_limits(scores)
            painted = overlay(backdrop, squares, shades(scores, between))
            _draw_map(left, backdrop, f"{one.gene} at {len(points)} spots")
            draw_circles(left, points, list(map(_hex, shades(expression, within))))
            _draw_map(middle, painted, f"Map of {one.trait}, {len(scores)} tiles")
            for axes in (left, middle):
                scale_bar(axes, section.tiles.mpp / scale, width, height)
            colour_bar(left, wide, tall, SHADES, within, "ln(1 + counts per 10,000)")
            colour_bar(middle, wide, tall, SHADES, between, "score")
            at_spots = scores_at(section.scores, section.spots.centres, one.trait)
            _draw_scatter(right, at_spots, expression, np.log10(counts.totals), one)
            words.set_axis_off()
            words.text(0, 1, summary_of(one), va="top", size=SMALL_FONT_SIZE).set_in_layout(False)
    return figure


def _hex(colour: Rgb) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)


def _draw_map(axes: Axes, image: Pixels, title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title, weight="normal")
    axes.set_axis_off()
    axes.set_anchor("NW")
    height, width = image.shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _draw_scatter(
    axes: Axes, score: Floats, expression: Floats, depth: Floats, one: GeneAgreement
) -> None:
    """Draw expression by score; the lighter a spot, the deeper it was sequenced."""
    colours = list(map(_hex, shades(depth, colour_limits(depth))))
    axes.scatter(score, expression, s=9, c=colours, linewidths=0)
    axes.set(xlabel=f"score of {one.trait}", ylabel=one.gene)
    axes.set_title("Spots, the lighter the deeper", weight="normal")


def summary_of(one: GeneAgreement) -> str:
    """Say in a few lines how a map and a gene agree."""
    given = f"given depth {_number(one.rho_given_depth)}"
    lines = [
        f"{one.n_compared} of {one.n_spots} spots compared",
        f"{one.gene} detected in {one.detected_share:.0%}",
        f"Median of counts per spot: {one.median_depth:.0f}",
        "",
        f"ρ {_number(one.rho)}, {given}",
        *([f"by chance below {one.rho_by_chance:.2f}, p = {one.p:.3g}"] if one.assessed else []),
        f"AUC {_number(one.auc)}, of depth alone {_number(one.auc_depth)}",
        *(["", f"Not assessed: {one.reason}"] if one.reason else []),
    ]
    return "\n".join(textwrap.fill(line, LINE) for line in lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
