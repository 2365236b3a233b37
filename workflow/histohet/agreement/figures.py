"""How clusters agree with planted subclones, a pathologist's count and expression clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from histohet.agreement.expression import SectionAgreement, SpotAgreement
from histohet.agreement.pathologist import RankEstimate, group_means
from histohet.agreement.spots import Spots
from histohet.clustering.file import ClusteredTiles
from histohet.common.arrays import Floats
from histohet.drawing.palette import FAINT, INK, cluster_colour, cluster_rgb
from histohet.drawing.panels import crop, faded, overlay, scale_bar, tile_squares
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.slides.reader import Pixels

STAGES = {"ari_start": "k-means", "ari_raw": "before smoothing", "ari": "result"}

NAMES = {
    "kendall_tau_b": "Kendall's τ-b",
    "spearman": "Spearman's ρ",
    "pearson_of_group_means": "Pearson's r of the means",
}
WIDEST = 0.28
"""Half the width that the points of one count may take, of the distance between counts."""

PANEL_INCH = 4.2
TALLEST_INCH = 6.5
SPOT_RADIUS = 0.3
"""Relative to the distance between neighbouring spots."""


def draw_agreement(agreement: pd.DataFrame, title: str) -> Figure:
    """Draw planted against found numbers, and the adjusted Rand index at each stage.

    Parameters
    ----------
    agreement
        One row per slide: ``n_subclones``, ``n_clusters``, ``ari_start``, ``ari_raw``, ``ari``.
    """
    if agreement.empty:
        return message_figure(title, "No slide with a known truth has clusters.")
    with style():
        figure = new_figure(8.4, 3.8)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        numbers, index = figure.subplots(1, 2)
        counts = agreement.groupby(["n_subclones", "n_clusters"]).size()
        planted, found = (counts.index.get_level_values(i) for i in range(2))
        highest = max(planted.max(), found.max()) + 0.5
        numbers.plot([0, highest], [0, highest], color=FAINT, linewidth=0.8, linestyle="--")
        numbers.scatter(planted, found, s=30 * counts, color=cluster_colour(0), alpha=0.7)
        numbers.set(xlabel="Planted subclones", ylabel="Tumour clusters found")
        numbers.set(xlim=(0, planted.max() + 0.5), ylim=(-0.3, highest))
        for position, column in enumerate(STAGES):
            values = agreement[column].dropna().to_numpy()
            # Spread sideways by rank, so that equal values stay visible without random jitter.
            spread = np.argsort(np.argsort(values)) / max(1, len(values) - 1) - 0.5
            index.scatter(position + 0.5 * spread, values, s=14, color=cluster_colour(1), zorder=2)
            index.hlines(np.median(values), position - 0.35, position + 0.35, color="black")
            index.text(position, 1.02, f"{np.median(values):.2f}", ha="center")
        index.set_xticks(range(len(STAGES)), list(STAGES.values()))
        index.set(ylabel="Adjusted Rand index with the subclones", ylim=(-0.1, 1.1))
        index.axhline(0, color=FAINT, linewidth=0.8)
    return figure


def draw_counts(
    pairs: pd.DataFrame, estimates: Sequence[RankEstimate], score: str, title: str
) -> Figure:
    """Draw every pair, the mean score of every count with its 95 % interval, and the estimates.

    Parameters
    ----------
    pairs
        ``count``, ``score``, ``left_out_because``.
    estimates
        See `histohet.agreement.pathologist.rank_agreement`.
    score
        Name of the score.
    """
    compared = pairs[pairs["left_out_because"] == ""]
    if compared.empty:
        return message_figure(title, "Nothing has both a score and a count.")
    means = group_means(compared["count"].to_numpy(), compared["score"].to_numpy())
    step = np.diff(means["count"]).min() if len(means) > 1 else 1.0
    with style():
        figure = new_figure(5.2, 4.4)
        axes = figure.add_subplot()
        axes.set_title(title)
        for count in means["count"].to_numpy():
            values = compared.loc[compared["count"] == count, "score"].to_numpy(np.float64)
            axes.scatter(
                count + step * _spread(values),
                values,
                s=16,
                color=cluster_colour(0),
                alpha=0.6,
                linewidths=0,
            )
        interval = means.dropna(subset="lower")
        axes.vlines(interval["count"], interval["lower"], interval["upper"], color=INK, zorder=3)
        axes.plot(means["count"], means["mean"], "D-", color=INK, markersize=5, linewidth=0.8)
        axes.set_xticks(
            means["count"], [f"{c:g}\nn = {n:g}" for c, n in means[["count", "n"]].values]
        )
        axes.set(xlabel="Subclones counted by the pathologist", ylabel=score)
        lines = [_line(estimate) for estimate in estimates]
        left_out = len(pairs) - len(compared)
        lines += [f"{left_out} left out"] if left_out else []
        figure.supxlabel("\n".join(lines), x=0.02, ha="left", size="small", color=FAINT)
    return figure


def _spread(values: Floats) -> Floats:
    """Spread equal scores of one count sideways, evenly about its place, instead of at random."""
    offsets = np.zeros(len(values))
    for value in np.unique(values):
        same = np.flatnonzero(values == value)
        places = np.arange(len(same)) - (len(same) - 1) / 2
        offsets[same] = places * min(0.05, 2 * WIDEST / max(1, len(same)))
    return offsets


def _line(estimate: RankEstimate) -> str:
    name = NAMES[estimate.statistic]
    if estimate.estimate is None:
        return f"{name}: {estimate.reason}"
    interval = "" if estimate.lower is None else f" ({estimate.lower:.2f} to {estimate.upper:.2f})"
    unit = "counts" if estimate.statistic == "pearson_of_group_means" else "pairs"
    return f"{name} {estimate.estimate:.2f}{interval}, p = {estimate.p:.2g}, {estimate.n} {unit}"


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
        Clustered tiles.
    spots
        Spots, in the same pixels.
    agreement
        How well they agree.
    """

    title: str
    thumbnail: Pixels
    clusters: ClusteredTiles
    spots: Spots
    agreement: SectionAgreement


def draw_section(section: Section) -> Figure:
    """Draw the clusters of tiles, the spots, and the table of spots by both, if any are compared.

    An expression cluster has the colour of the cluster that it is paired with; pairs are chosen so
    that as many spots as possible lie on the cluster of their pair.
    """
    if not section.agreement.result.n_compared:
        return message_figure(section.title, section.agreement.result.reason)
    tiles, centres = section.clusters.tiles, section.spots.centres
    corners = np.rint(centres - tiles.side_px / 2).astype(np.int64)
    everything = replace(tiles, coords=np.vstack([tiles.coords, corners]))
    corner, picture, scale = crop(section.thumbnail, everything, PANEL_INCH)
    colours = [cluster_rgb(label) for label in section.clusters.clustering.labels.tolist()]
    backdrop = faded(picture)
    painted = overlay(backdrop, tile_squares(tiles, scale, corner), colours)
    order, matched = _pairs(section)
    of_label = {section.agreement.labels[row]: cluster_colour(matched[row]) for row in order}
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
    found = section.agreement
    pairs = zip(*linear_sum_assignment(found.counts, maximize=True), strict=True)
    matched = {
        int(row): found.numbers[column] for row, column in pairs if found.counts[row, column]
    }
    alone = [row for row in range(len(found.labels)) if row not in matched]
    free = section.clusters.clustering.n_clusters
    order = [*sorted(matched, key=matched.__getitem__), *alone]
    return order, matched | {row: free + place for place, row in enumerate(alone)}


def _tiles_title(section: Section) -> str:
    found = section.clusters.clustering
    title = f"Tiles: {found.n_clusters} cluster{'' if found.n_clusters == 1 else 's'}"
    return title + (f"; outliers: {found.n_outliers}" if found.n_outliers else "")


def _draw_spots(
    axes: Axes, spots: Spots, colours: dict[str, str], scale: float, corner: tuple[int, int]
) -> None:
    """Draw labelled spots; those whose label occurs on no tile, or without one, stay hollow."""
    faces = [colours.get(label, "none") for label in spots.labels.tolist()]
    draw_circles(axes, spots.centres * scale - corner, faces)


def draw_circles(axes: Axes, points: Floats, faces: Sequence[str]) -> None:
    """Draw spots, (N, 2) in pixels of the picture, as circles that do not touch."""
    near = cKDTree(points).query(points, k=2)[0][:, 1] if len(points) > 1 else np.ones(1)
    radius = SPOT_RADIUS * float(np.median(near))
    circles = [Circle((x, y), radius) for x, y in points.tolist()]
    axes.add_collection(PatchCollection(circles, facecolors=faces, edgecolors=INK, linewidths=0.4))


def _draw_counts(axes: Axes, section: Section, order: list[int], of_label: dict[str, str]) -> None:
    """Draw the table of spots, shaded by the share of its row."""
    counts = section.agreement.counts[order]
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    labels = [section.agreement.labels[row] for row in order]
    numbers = section.agreement.numbers
    axes.set_xticks(range(len(numbers)), [str(number + 1) for number in numbers])
    axes.set_yticks(range(len(labels)), labels)
    numbered = zip(axes.get_xticklabels(), numbers, strict=True)
    for text, number in numbered:
        text.set(color=cluster_colour(number), weight="bold")
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set(color=of_label[label], weight="bold")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="Cluster of the tile", ylabel="Expression cluster of the spot")
    axes.set_title("Spots, shaded by share of the row", weight="normal")
    below = _figures(section.agreement.result)
    axes.text(0, -0.17, below, transform=axes.transAxes, va="top", size=SMALL_FONT_SIZE)


def _figures(agreement: SpotAgreement) -> str:
    outliers = f"{agreement.n_on_outliers} on outliers, " if agreement.n_on_outliers else ""
    lines = [
        f"{agreement.n_compared} of {agreement.n_spots} spots compared, {outliers}"
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
