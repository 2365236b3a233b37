"""Clusters of tiles and expression clusters of spots on one section, and how they meet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from histohet.agreement.expression import SpotAgreement
from histohet.agreement.spots import Spots
from histohet.clustering.file import ClusteredTiles
from histohet.drawing.panels import crop, faded, overlay, scale_bar, tile_squares
from histohet.drawing.style import (
    INK,
    SMALL_FONT_SIZE,
    cluster_colour,
    cluster_rgb,
    new_figure,
    style,
)
from histohet.slides.reader import Pixels

PANEL_INCH = 4.2
TALLEST_INCH = 6.5
SPOT_RADIUS = 0.3
"""Relative to the distance between neighbouring spots."""


@dataclass(frozen=True)
class Section:
    """A section with both maps.

    Attributes
    ----------
    title
        Title of the figure.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    clusters
        Clustered tiles, at least one.
    spots
        Spots, in the same pixels; at least one labelled spot on a clustered tile.
    labels, numbers, counts
        Labels, clusters and the number of spots of both, int64 (labels, clusters); see
        `histohet.agreement.expression.confusion`.
    agreement
        How well they agree.
    """

    title: str
    thumbnail: Pixels
    clusters: ClusteredTiles
    spots: Spots
    labels: list[str]
    numbers: list[int]
    counts: npt.NDArray[np.int64]
    agreement: SpotAgreement


def draw_section(section: Section) -> Figure:
    """Draw the clusters of tiles, the spots, and the table of spots by both.

    An expression cluster has the colour of the cluster that it is paired with; pairs are chosen so
    that as many spots as possible lie on the cluster of their pair.
    """
    tiles, centres = section.clusters.tiles, section.spots.centres
    corners = np.rint(centres - tiles.side_px / 2).astype(np.int64)
    everything = replace(tiles, coords=np.vstack([tiles.coords, corners]))
    corner, picture, scale = crop(section.thumbnail, everything, PANEL_INCH)
    colours = [cluster_rgb(label) for label in section.clusters.clustering.labels.tolist()]
    backdrop = faded(picture)
    painted = overlay(backdrop, tile_squares(tiles, scale, corner), colours)
    order, matched = _pairs(section)
    of_label = {section.labels[row]: cluster_colour(matched[row]) for row in order}
    height, width = picture.shape[:2]
    tall = min(PANEL_INCH * height / width, TALLEST_INCH)
    with style():
        figure = new_figure(2 * tall * width / height + PANEL_INCH + 0.6, tall + 1.4)
        figure.suptitle(section.title, x=0.01, ha="left", weight="bold")
        ratios = [tall * width / height] * 2 + [PANEL_INCH]
        left, middle, right = figure.subplots(1, 3, width_ratios=ratios)
        titles = (_tiles_title(section), "Spots, by expression cluster")
        for axes, image, title in zip((left, middle), (painted, backdrop), titles, strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(title, weight="normal")
            axes.set_axis_off()
            axes.set_anchor("NW")
            scale_bar(axes, tiles.mpp / scale, width, height)
        _draw_spots(middle, section.spots, of_label, scale, corner)
        middle.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        _draw_counts(right, section, order, of_label)
    return figure


def _pairs(section: Section) -> tuple[list[int], dict[int, int]]:
    """Pair labels and clusters one to one, so that most spots lie in a pair.

    Returns
    -------
    order, matched
        Rows of the table in the order of their clusters, those without a pair last; cluster of
        every row, or a number that no cluster has.
    """
    pairs = zip(*linear_sum_assignment(section.counts, maximize=True), strict=True)
    matched = {
        int(row): section.numbers[column] for row, column in pairs if section.counts[row, column]
    }
    alone = [row for row in range(len(section.labels)) if row not in matched]
    free = int(section.clusters.clustering.labels.max()) + 1
    order = [*sorted(matched, key=matched.__getitem__), *alone]
    return order, matched | {row: free + place for place, row in enumerate(alone)}


def _tiles_title(section: Section) -> str:
    number = len(np.unique(section.clusters.clustering.labels))
    return f"Tiles: {number} cluster{'' if number == 1 else 's'}"


def _draw_spots(
    axes: Axes, spots: Spots, colours: dict[str, str], scale: float, corner: tuple[int, int]
) -> None:
    """Draw labelled spots; those whose label occurs on no tile, or without one, stay hollow."""
    points = spots.centres * scale - corner
    near = cKDTree(points).query(points, k=2)[0][:, 1] if len(points) > 1 else np.ones(1)
    radius = SPOT_RADIUS * float(np.median(near))
    circles = [Circle((x, y), radius) for x, y in points.tolist()]
    faces = [colours.get(label, "none") for label in spots.labels.tolist()]
    axes.add_collection(PatchCollection(circles, facecolors=faces, edgecolors=INK, linewidths=0.4))


def _draw_counts(axes: Axes, section: Section, order: list[int], of_label: dict[str, str]) -> None:
    """Draw the table of spots, shaded by the share of its row."""
    counts = section.counts[order]
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    labels = [section.labels[row] for row in order]
    axes.set_xticks(range(len(section.numbers)), [str(n + 1) for n in section.numbers])
    axes.set_yticks(range(len(labels)), labels)
    numbered = zip(axes.get_xticklabels(), section.numbers, strict=True)
    for text, number in numbered:
        text.set(color=cluster_colour(number), weight="bold")
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set(color=of_label[label], weight="bold")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="Cluster of the tile", ylabel="Expression cluster of the spot")
    axes.set_title("Spots, shaded by share of the row", weight="normal")
    below = _figures(section.agreement)
    axes.text(0, -0.17, below, transform=axes.transAxes, va="top", size=SMALL_FONT_SIZE)


def _figures(agreement: SpotAgreement) -> str:
    lines = [
        f"{agreement.n_compared} of {agreement.n_spots} spots compared, "
        f"{agreement.n_outside} on no clustered tile, {agreement.n_unlabelled} without a label"
    ]
    for name, value, p, null in (
        ("Adjusted Rand index", agreement.ari, agreement.ari_p, agreement.ari_null),
        ("Normalised mutual information", agreement.nmi, agreement.nmi_p, agreement.nmi_null),
    ):
        if value is not None:
            line = f"{name} {value:.3f}"
            lines.append(line if p is None else f"{line}, by chance {null:.3f}, p = {p:.3g}")
    if agreement.reason:
        lines.append(f"No p: {agreement.reason}")
    return "\n".join(lines)
