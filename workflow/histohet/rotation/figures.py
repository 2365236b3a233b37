"""Consistency of labels by angle, and where on a core they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.common.arrays import Ints
from histohet.drawing.palette import FAINT, NEUTRAL, cluster_colour, cluster_rgb, rgb
from histohet.drawing.panels import crop, faded, overlay, scale_bar, tile_squares
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.rotation.indices import compare
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable

MOVED = rgb("#E00000")
MEASURES = {"agreement": "same label as at 0°", "ari": "adjusted Rand index with 0°"}
SMOOTHINGS = {"none": "labels as they are", "potts": "smoothed (Potts)"}
SHOWN_ANGLES = (45.0, 90.0)
"""What the picture of a core shows beside 0°: the angles nearest to these."""

PANEL_INCH = 2.1
TALLEST_INCH = 3.5
LEGEND_COLUMNS = 3


def draw_by_angle(table: pd.DataFrame) -> Figure:
    """Draw agreement and adjusted Rand index by angle, means over cores, a line per encoder.

    Parameters
    ----------
    table
        With `consistency.COLUMNS`.
    """
    known = table[table["status"] == "ok"]
    title = "Clusters of turned tiles"
    if known.empty:
        return message_figure(title, "no core gives any clusters: see consistency.tsv")
    smoothings = [name for name in SMOOTHINGS if name in set(known["smoothing"])]
    encoders = list(dict.fromkeys(known["encoder"]))
    n_cores = known["slide"].nunique()
    with style():
        figure = new_figure(1.6 + 3.6 * len(smoothings), 5.8)
        figure.suptitle(f"{title}: mean of {n_cores} cores", x=0.01, ha="left", weight="bold")
        grid = figure.subplots(2, len(smoothings), squeeze=False, sharex=True, sharey="row")
        for panels, (measure, label) in zip(grid, MEASURES.items(), strict=True):
            for axes, smoothing in zip(panels, smoothings, strict=True):
                _draw_lines(axes, known[known["smoothing"] == smoothing], encoders, measure)
            panels[0].set_ylabel(label)
        for axes, smoothing in zip(grid[0], smoothings, strict=True):
            axes.set_title(SMOOTHINGS[smoothing], weight="normal")
        for axes in grid[1]:
            axes.set_xlabel("angle, °")
            axes.set_xticks(range(0, 360, 90))
        figure.legend(
            *grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=LEGEND_COLUMNS
        )
    return figure


def _draw_lines(axes: Axes, table: pd.DataFrame, encoders: Sequence[str], measure: str) -> None:
    columns = [measure, f"ceiling_{measure}", f"chance_{measure}"]
    means = {
        encoder: table.loc[table["encoder"] == encoder, ["angle", *columns]]
        .astype(float)
        .groupby("angle", as_index=False)
        .mean()
        for encoder in encoders
    }
    chance = pd.concat(means.values()).groupby("angle", as_index=False).max()
    angles_of_chance, highest = chance["angle"].to_numpy(), chance[columns[2]].to_numpy()
    lowest = 0.0
    for number, (encoder, mean) in enumerate(means.items()):
        angles, found, ceiling = (mean[name].to_numpy() for name in ("angle", *columns[:2]))
        if np.isnan(found).all():
            continue
        colour = cluster_colour(number)
        axes.plot(angles, found, color=colour, marker="o", ms=3.5, label=encoder)
        axes.fill_between(angles, found, ceiling, color=colour, alpha=0.1, lw=0)
        axes.plot(angles, ceiling, color=colour, linestyle=":", lw=1.0)
        lowest = min(lowest, float(np.nanmin(found)))
    axes.plot([], [], color=FAINT, linestyle=":", lw=1.0, label="ceiling: turned there and back")
    axes.fill_between(angles_of_chance, 0, highest, color=NEUTRAL, lw=0, label="chance (highest)")
    axes.set_ylim(lowest, 1.03)


def draw_core(
    name: str,
    thumbnail: Pixels,
    tiles: TileTable,
    labels: Mapping[str, tuple[Ints, Mapping[float, Ints]]],
) -> Figure:
    """Draw a core, its clusters at 0°, and in red the tiles that are in another one when turned.

    Parameters
    ----------
    name
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    tiles
        All of its tiles.
    labels
        By encoder, row numbers (N,) of the tiles that are labelled, and their labels (N,) by angle,
        of which one is 0; at least one encoder.
    """
    corner, picture, scale = crop(thumbnail, tiles, PANEL_INCH)
    squares = tile_squares(tiles, scale, corner)
    height, width = picture.shape[:2]
    tall = min(PANEL_INCH * height / width, TALLEST_INCH)
    _, first = next(iter(labels.values()))
    angles = sorted({nearest_angle(list(first), angle) for angle in SHOWN_ANGLES})
    with style():
        figure = new_figure((2 + len(angles)) * PANEL_INCH, len(labels) * (tall + 0.25) + 0.5)
        figure.suptitle(name, x=0.01, ha="left", weight="bold")
        grid = figure.subplots(len(labels), 2 + len(angles), squeeze=False)
        for row, (encoder, (tile, by_angle)) in zip(grid, labels.items(), strict=True):
            at_rest, of_tile = by_angle[0.0], squares[tile]
            clusters = overlay(faded(picture), of_tile, list(map(cluster_rgb, at_rest.tolist())))
            _show(row[0], picture, encoder)
            _show(row[1], clusters, f"0°: {len(np.unique(at_rest))} clusters")
            for axes, angle in zip(row[2:], angles, strict=True):
                moved = at_rest != by_angle[angle]
                painted = overlay(faded(picture), of_tile[moved], [MOVED] * int(moved.sum()))
                ari = compare(at_rest, by_angle[angle]).ari
                index = "" if ari is None else f", ARI {ari:.2f}"
                _show(axes, painted, f"{angle:g}°: {moved.mean():.1%} moved{index}")
        scale_bar(grid[-1, 0], tiles.mpp / scale, width, height)
    return figure


def nearest_angle(angles: Sequence[float], wanted: float) -> float:
    """Return the angle that is nearest to another; 0 only if there is no other."""
    return min((angle for angle in angles if angle), key=lambda a: abs(a - wanted), default=0.0)


def _show(axes: Axes, picture: Pixels, title: str) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_title(title, weight="normal", size=SMALL_FONT_SIZE)
    axes.set_axis_off()
    axes.set_anchor("NW")
