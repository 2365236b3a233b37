"""Maps of a slide: tissue, clusters at every stage, and how certain they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, Certainty, Clustering
from histohet.common.arrays import Int32
from histohet.drawing.palette import FAINT, INK, NEUTRAL, Rgb, cluster_colour, cluster_rgb, rgb
from histohet.drawing.panels import (
    colour_bar,
    crop,
    faded,
    overlay,
    scale_bar,
    tile_squares,
)
from histohet.drawing.style import SMALL_FONT_SIZE, new_figure, style
from histohet.slides.reader import Pixels

PANEL_INCH = 3.0
COLUMNS = 4
MAX_LEGEND_ENTRIES = 20
LEGEND_COLUMNS = 5
AGREEMENT_COLOURS = "viridis"
TALLEST_INCH = 6.5
BETWEEN_INCH = 0.6
CRITERION_INCH = (2.4, 3.2)
CRITERION_LINEAR = 10


@dataclass(frozen=True)
class SlideMap:
    """What the maps of one slide are drawn from.

    Attributes
    ----------
    slide
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    clusters
        Its clustered tiles, at least one.
    counted
        For each cluster, whether it counts as tumour.
    scores
        Tumour score of each cluster; None without attention.
    tumour_filter
        How the counted clusters were chosen, in words.
    """

    slide: str
    thumbnail: Pixels
    clusters: ClusteredTiles
    counted: Mapping[int, bool]
    scores: Mapping[int, float] | None
    tumour_filter: str


def slide_map(
    row: Mapping[str, Any], clusters: pd.DataFrame, thumbnail: Pixels, clustered: ClusteredTiles
) -> SlideMap:
    """Return what is drawn of a slide, from the tables of the cohort.

    Parameters
    ----------
    row
        Its row of the table of slides.
    clusters
        Its rows of the table of clusters.
    """
    scores = dict(zip(clusters["cluster"], clusters["tumour_score"], strict=True))
    return SlideMap(
        slide=row["slide"],
        thumbnail=thumbnail,
        clusters=clustered,
        counted=dict(zip(clusters["cluster"], clusters["counted"], strict=True)),
        scores=None if clusters["tumour_score"].isna().any() else scores,
        tumour_filter=row["tumour_filter"],
    )


def draw_slide_map(data: SlideMap) -> Figure:
    """Draw the slide and its clusters at every stage, all at one scale, and how certain they are.

    Outliers have their own colour at all stages.

    The last two panels are the stability of every tile's cluster under restarts, and the criterion
    that chose the number of clusters.
    """
    corner, picture, scale = crop(data.thumbnail, data.clusters.tiles, PANEL_INCH)
    backdrop = faded(picture)
    squares = tile_squares(data.clusters.tiles, scale, corner)
    panels = {"H&E": picture} | {
        title: overlay(backdrop, squares, colours) for title, colours in _stages(data).items()
    }
    height, width = picture.shape[:2]
    um_per_px = data.clusters.tiles.mpp / scale
    with style():
        tall = min(PANEL_INCH * height / width, TALLEST_INCH)
        rows = [tall + BETWEEN_INCH, max(tall, CRITERION_INCH[0]) + BETWEEN_INCH]
        outliers = data.clusters.clustering.n_outliers > 0
        entries = min(len(data.counted), MAX_LEGEND_ENTRIES) + outliers
        below = 0.6 + 0.17 * math.ceil(entries / LEGEND_COLUMNS)
        figure = new_figure(COLUMNS * PANEL_INCH, sum(rows) + below)
        figure.suptitle(data.slide, x=0.01, ha="left", weight="bold")
        grid = figure.add_gridspec(2, COLUMNS, height_ratios=rows)
        for place, (title, image) in enumerate(panels.items()):
            axes = figure.add_subplot(grid[divmod(place, COLUMNS)])
            axes.imshow(image, interpolation="nearest")
            axes.set_title(title, weight="normal")
            axes.set_axis_off()
            axes.set_anchor("NW")
            scale_bar(axes, um_per_px, width, height)
        if data.clusters.clustering.certainty.stability_ari is not None:
            label = "share of restarts that agree"
            colour_bar(axes, tall * width / height, tall, AGREEMENT_COLOURS, (0, 1), label)
        _draw_criterion(
            figure.add_subplot(grid[1, 2:]), data.clusters.clustering, rows[1] - BETWEEN_INCH
        )
        _legend(figure, data)
    return figure


def _stages(data: SlideMap) -> dict[str, list[Rgb]]:
    """Return the title of every panel with tiles, and their colours."""
    found = data.clusters.clustering
    # Outliers are drawn among the clusters that count, without being one.
    shown = [label == OUTLIER or data.counted[label] for label in found.labels.tolist()]
    tumour = zip(_colours(found.labels), shown, strict=True)
    result = "Result" if found.certainty.energy is None else "Smoothed"
    return {
        f"k-means: {_clusters(found.start)}": _colours(found.start),
        f"Before smoothing: {_clusters(found.raw)}": _colours(found.raw),
        f"{result}: {_clusters(found.labels)}": _colours(found.labels),
        f"Tumour: {_clusters(found.labels[shown])}": [
            colour if is_shown else rgb(NEUTRAL) for colour, is_shown in tumour
        ],
        _stability_title(found): _agreement_colours(found),
    }


def _stability_title(found: Clustering) -> str:
    certainty = found.certainty
    if certainty.stability_ari is None:
        return "Stability: no restarts"
    low, high = certainty.n_all_clusters_low, certainty.n_all_clusters_high
    interval = f"{low}" if low == high else f"{low}–{high}"
    return f"Stability: ARI {certainty.stability_ari:.2f}, {_plural(interval)}"


def _agreement_colours(found: Clustering) -> list[Rgb]:
    """Return the colour of every tile; those that no restart drew are grey."""
    shades = matplotlib.colormaps[AGREEMENT_COLOURS](found.agreement, bytes=True)[:, :3]
    shades[np.isnan(found.agreement)] = rgb(NEUTRAL)
    shades[found.is_outlier] = cluster_rgb(OUTLIER)
    return [(red, green, blue) for red, green, blue in shades.tolist()]


def _clusters(labels: Int32) -> str:
    return _plural(str(len(np.unique(labels[labels != OUTLIER]))))


def _plural(number: str) -> str:
    return f"{number} cluster{'' if number == '1' else 's'}"


def _colours(labels: Int32) -> list[Rgb]:
    return [cluster_rgb(label) for label in labels.tolist()]


def _draw_criterion(place: Axes, found: Clustering, tall: float) -> None:
    """Draw the criterion of every number of clusters tried, relative to the best.

    Ours is that of the draw most like the result, whose number is that of all draws.

    The plot is inset into its place, `tall` inches high, so that its labels move no map.
    """
    place.set_axis_off()
    height = min(tall, CRITERION_INCH[1]) - 0.5
    axes = place.inset_axes((0.17, 1 - height / tall, 0.81, height / tall))
    certainty, chosen = found.certainty, found.n_clusters
    numbers = [step.n_clusters for step in found.steps]
    axes.set_title(f"Number of clusters: {chosen}", weight="normal")
    if len(numbers) > 1:
        evidence = found.settings.procedure == "histohet"
        criterion = np.array([step.criterion for step in found.steps])
        criterion -= criterion.max() if evidence else criterion.min()
        axes.plot(numbers, criterion, "o-", color=INK, markersize=3)
        axes.axvline(chosen, color=cluster_colour(5), linestyle="--")
        # Differences of a few units decide, where those to one cluster are in the thousands.
        axes.set_yscale("symlog", linthresh=CRITERION_LINEAR)
        axes.margins(y=0.08)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        name = (
            "Log evidence in one draw (higher is better)" if evidence else "BIC (lower is better)"
        )
        axes.set_ylabel(f"{name},\nrelative to the best")
    else:
        axes.set(xticks=[], yticks=[])
        text = "no other number was tried"
        axes.text(0.5, 0.5, text, ha="center", color=FAINT, transform=axes.transAxes)
    axes.set_xlabel("Clusters on the slide" + _certificate(certainty))


def _certificate(certainty: Certainty) -> str:
    if certainty.gap_percent is None:
        return ""
    gap = certainty.gap_percent
    above = "less than 0.001" if gap < 0.001 else f"at most {gap:.2g}"
    return f"\nEnergy {above} % above its minimum, coupling {certainty.coupling:.3g}"


def _legend(figure: Figure, data: SlideMap) -> None:
    """Name clusters with their share and score; those that do not count are said so."""
    found = data.clusters.clustering
    labels = found.labels[~found.is_outlier]
    sizes = np.bincount(labels)
    handles = []
    for label, size in enumerate(sizes[:MAX_LEGEND_ENTRIES].tolist()):
        text = f"{label + 1}: {size / len(labels):.0%}"
        if data.scores is not None:
            text += f", score {data.scores[label]:.3g}"
        if not data.counted[label]:
            text += " (not counted)"
        handles.append(Patch(color=cluster_colour(label), label=text))
    if found.n_outliers:
        text = f"outliers, in no cluster: {found.n_outliers}"
        handles.append(Patch(color=cluster_colour(OUTLIER), label=text))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=LEGEND_COLUMNS,
        title=f"Cluster: share of {len(labels)} tiles.  Tumour clusters: {data.tumour_filter}",
        alignment="left",
    )
    if len(sizes) > MAX_LEGEND_ENTRIES:
        more = len(sizes) - MAX_LEGEND_ENTRIES
        figure.text(0.99, 0.01, f"and {more} more", ha="right", size=SMALL_FONT_SIZE, color=FAINT)
