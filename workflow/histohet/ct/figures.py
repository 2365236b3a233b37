"""A prepared scan in three planes, with its regions outlined, to be checked by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.common.arrays import Bools
from histohet.ct.prepare import Prepared, Region
from histohet.drawing.palette import CLUSTER_COLOURS, FAINT, INK
from histohet.drawing.style import SMALL_FONT_SIZE, new_figure, style

WINDOW_HU = (-160, 240)
"""Shown from black to white: the usual window of soft tissue."""

PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of the array (Z, Y, X) that each plane is across."""

PANEL_INCH, BAR_MM, BIN_HU = 2.6, 50, 5


def draw_scan(scan: str, prepared: Prepared, range_hu: tuple[float, float]) -> Figure:
    """Draw the planes in which the first region is largest, and the HU within it."""
    regions = [region for region in prepared.regions if region.outcome.ok]
    with style():
        figure = new_figure(4 * PANEL_INCH, PANEL_INCH + 0.9)
        title = ": ".join(filter(None, [scan, prepared.outcome.reason]))
        figure.suptitle(title, x=0.01, ha="left", weight="bold", wrap=True)
        panels = figure.subplots(1, 4)
        for axes, (name, axis) in zip(panels, PLANES.items(), strict=False):
            _draw_plane(axes, prepared, regions, axis)
            axes.set_title(name, weight="normal", size=SMALL_FONT_SIZE)
        _legend(panels[0], regions)
        _draw_histogram(panels[3], prepared, regions[0], range_hu)
    return figure


def _draw_plane(axes: Axes, prepared: Prepared, regions: list[Region], axis: int) -> None:
    others = tuple(one for one in range(3) if one != axis)
    at = int(regions[0].voxels.sum(axis=others).argmax())
    sides = [prepared.spacing[2 - one] for one in others]
    picture = _plane(prepared.image, at, axis)
    high, wide = picture.shape
    # Head up; LPS has an axial slice as radiologists see it, from the feet.
    rows = slice(None, None, 1 if axis == 0 else -1)
    black, white = WINDOW_HU
    axes.imshow(
        picture[rows],
        cmap="gray",
        vmin=black,
        vmax=white,
        interpolation="nearest",
        extent=(0.0, wide * sides[1], high * sides[0], 0.0),
    )
    for number, region in enumerate(regions):
        inside = _plane(region.voxels, at, axis)[rows]
        _draw_outline(axes, inside, sides, CLUSTER_COLOURS[number % len(CLUSTER_COLOURS)])
    axes.set_axis_off()
    _draw_bar(axes, wide * sides[1], high * sides[0])


def _plane(voxels: npt.NDArray[Any], at: int, axis: int) -> npt.NDArray[Any]:
    plane: npt.NDArray[Any] = np.moveaxis(voxels, axis, 0)[at]
    return plane


def _draw_outline(axes: Axes, inside: Bools, sides: list[float], colour: str) -> None:
    if inside.any():
        padded = np.pad(inside, 1).astype(float)
        rows, columns = ((np.arange(n) - 0.5) for n in padded.shape)
        axes.contour(
            columns * sides[1], rows * sides[0], padded, [0.5], colors=[colour], linewidths=1.0
        )


def _draw_bar(axes: Axes, wide_mm: float, high_mm: float) -> None:
    length = BAR_MM if wide_mm > BAR_MM else 10
    y = high_mm * 1.04
    axes.plot([0, length], [y, y], color=INK, linewidth=2, clip_on=False)
    axes.text(0, y * 1.01, f"{length} mm", va="top", size=SMALL_FONT_SIZE)


def _legend(axes: Axes, regions: list[Region]) -> None:
    if len(regions) > 1:
        for number, region in enumerate(regions):
            axes.plot([], [], color=CLUSTER_COLOURS[number], label=region.reader)
        axes.legend(loc="upper right", bbox_to_anchor=(1, 0), borderpad=0)


def _draw_histogram(
    axes: Axes, prepared: Prepared, region: Region, range_hu: tuple[float, float]
) -> None:
    inside = prepared.image[region.voxels]
    low, high = range_hu
    around = (high - low) / 4
    edges = np.arange(low - around, high + around + BIN_HU, BIN_HU)
    axes.hist(np.clip(inside, edges[0], edges[-1]), bins=edges.tolist(), color=CLUSTER_COLOURS[0])
    for edge in range_hu:
        axes.axvline(edge, color=FAINT, linestyle="--", linewidth=1)
    axes.set(yticks=[], xlabel="HU of the region")
    axes.set_title(
        f"{len(inside):,} voxels, {region.in_range:.0%} within the range",
        weight="normal",
        size=SMALL_FONT_SIZE,
    )
