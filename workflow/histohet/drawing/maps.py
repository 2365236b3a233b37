"""Maps of a slide: the tissue, its clusters before and after smoothing, the tumour clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from histohet.drawing.figures import FAINT, INK, PNG_DPI, SMALL_FONT_SIZE, new_figure, style
from histohet.drawing.palette import NEUTRAL, cluster_colour, cluster_rgb, rgb
from histohet.slides import Pixels
from histohet.tiles import Coords

MARGIN_TILES = 3
"""Tissue shown around the clustered tiles."""

OPACITY = 0.72
PANEL_INCH = 3.0
SCALE_BARS_UM = (100, 200, 500, 1000, 2000, 5000, 10000)
MAX_LEGEND_ENTRIES = 20


@dataclass(frozen=True)
class SlideMap:
    """What the maps of one slide are drawn from.

    Attributes
    ----------
    slide
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    width
        Width of level 0 in px.
    mpp
        Micrometres per level-0 px.
    coords, side_px
        Corners and side of the clustered tiles, level-0 px.
    start
        int (N,) clusters of the first k-means.
    raw, labels
        int (N,) clusters before and after the last smoothing, in one numbering.
    counted
        For each cluster, whether it counts as tumour.
    scores
        Tumour score of each cluster; None without attention.
    tumour_filter
        How the counted clusters were chosen, in words.
    """

    slide: str
    thumbnail: Pixels
    width: int
    mpp: float
    coords: Coords
    side_px: float
    start: npt.NDArray[np.int32]
    raw: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    counted: Mapping[int, bool]
    scores: Mapping[int, float] | None
    tumour_filter: str


def draw_slide_map(data: SlideMap) -> Figure:
    """Draw the slide and its clusters at every stage, side by side at one scale."""
    corner, picture, scale = _crop(data)
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    backdrop = (255 - (255 - grey.astype(np.float32)) * 0.45).astype(np.uint8)
    squares = _squares(data, scale, corner)
    counts = {name: _clusters(getattr(data, name)) for name in ("start", "raw", "labels")}
    tumour = [cluster_rgb(k) if data.counted[k] else rgb(NEUTRAL) for k in data.labels.tolist()]
    panels = {"H&E": picture} | {
        title: _overlay(backdrop, squares, colours)
        for title, colours in {
            f"k-means: {counts['start']}": _colours(data.start),
            f"Merged: {counts['raw']}": _colours(data.raw),
            f"Smoothed: {counts['labels']}": _colours(data.labels),
            f"Tumour: {_clusters(data.labels[[data.counted[k] for k in data.labels]])}": tumour,
        }.items()
    }
    height, width = picture.shape[:2]
    with style():
        tall = min(max(PANEL_INCH * height / width, 1.4), 6.5)
        figure = new_figure(len(panels) * PANEL_INCH, tall + 1.5)
        figure.suptitle(data.slide, x=0.01, ha="left", weight="bold")
        for axes, (title, image) in zip(
            figure.subplots(1, len(panels)), panels.items(), strict=True
        ):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(title, weight="normal")
            axes.set(xticks=[], yticks=[])
            axes.set_axis_off()
            _scale_bar(axes, data.mpp / scale, width, height)
        _legend(figure, data)
    return figure


def _crop(data: SlideMap) -> tuple[tuple[int, int], Pixels, float]:
    """Cut the thumbnail to the clustered tiles and a margin, at the resolution of a panel.

    Returns
    -------
    corner, picture, scale
        Corner (x, y) in pixels of the picture, uint8 (H, W, 3), and its pixels per level-0 px.
    """
    scale = data.thumbnail.shape[1] / data.width
    margin = MARGIN_TILES * data.side_px
    left, top = np.floor((data.coords.min(axis=0) - margin) * scale).astype(int)
    right, bottom = np.ceil((data.coords.max(axis=0) + data.side_px + margin) * scale).astype(int)
    left, top = max(left, 0), max(top, 0)
    picture = data.thumbnail[top:bottom, left:right]
    shrink = min(1.0, PANEL_INCH * PNG_DPI / picture.shape[1])
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    corner = (round(left * shrink), round(top * shrink))
    return corner, np.asarray(small, np.uint8), scale * shrink


def _squares(data: SlideMap, scale: float, corner: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Left, top, right, bottom of the tiles in pixels of the cropped thumbnail, (N, 4)."""
    start = data.coords * scale - corner
    # Rounded outwards, so that no line of pixels stays bare between neighbours.
    edges = [np.floor(start), np.ceil(start + data.side_px * scale)]
    squares: npt.NDArray[np.int64] = np.hstack(edges).astype(np.int64)
    return squares


def _clusters(labels: npt.NDArray[np.int32]) -> str:
    number = len(np.unique(labels))
    return f"{number} cluster{'' if number == 1 else 's'}"


def _colours(labels: npt.NDArray[np.int32]) -> list[tuple[int, int, int]]:
    return [cluster_rgb(label) for label in labels.tolist()]


def _overlay(
    backdrop: Pixels, squares: npt.NDArray[np.int64], colours: list[tuple[int, int, int]]
) -> Pixels:
    """Paint tiles over the backdrop, letting it shine through."""
    painted = backdrop.copy()
    for (left, top, right, bottom), colour in zip(squares.tolist(), colours, strict=True):
        painted[top:bottom, left:right] = colour
    return np.asarray(cv2.addWeighted(painted, OPACITY, backdrop, 1 - OPACITY, 0), np.uint8)


def _scale_bar(axes: Axes, um_per_px: float, width: int, height: int) -> None:
    """Draw a bar of a round length, about a fifth of the panel, below its lower left corner."""
    fitting = [um for um in SCALE_BARS_UM if um / um_per_px <= 0.3 * width]
    length_um = fitting[-1] if fitting else SCALE_BARS_UM[0]
    thickness = max(2.0, height / 120)
    top = height + 2 * thickness
    axes.add_patch(Rectangle((0, top), length_um / um_per_px, thickness, color=INK, clip_on=False))
    text = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um} µm"
    axes.text(0, top + 2 * thickness, text, va="top", size=SMALL_FONT_SIZE, color=INK)


def _legend(figure: Figure, data: SlideMap) -> None:
    """Name clusters with their share and score; those that do not count are said so."""
    sizes = np.bincount(data.labels)
    handles = []
    for label, size in enumerate(sizes[:MAX_LEGEND_ENTRIES].tolist()):
        text = f"{label + 1}: {size / len(data.labels):.0%}"
        if data.scores is not None:
            text += f", score {data.scores[label]:.3g}"
        if not data.counted[label]:
            text += " (not counted)"
        handles.append(Patch(color=cluster_colour(label), label=text))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=6,
        title=f"Cluster: share of {len(data.labels)} tiles.  Tumour clusters: {data.tumour_filter}",
        alignment="left",
    )
    if len(sizes) > MAX_LEGEND_ENTRIES:
        more = len(sizes) - MAX_LEGEND_ENTRIES
        figure.text(0.99, 0.01, f"and {more} more", ha="right", size=SMALL_FONT_SIZE, color=FAINT)
