"""Epithelium of a whole slide, found by stain, window by window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyvips
import shapely

from histohet.common.files import atomic_path
from histohet.common.logs import track
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.epithelium.epithelium_stain import (
    HALO_PX,
    SEGMENTATION_MPP,
    EpitheliumModel,
    fit_epithelium,
    segment_epithelium,
)
from histohet.slides.reader import Pixels, Slide, read_rectangle
from histohet.tissue.stain import fit_stain

DESCRIPTION = "image-description"
WINDOW_PX = 1024
SAMPLED_WINDOWS = 16
"""Windows, spread evenly over the tissue, from which stain and threshold are learned."""


class Window(NamedTuple):
    """Part of the label image: left, top, right, bottom in its pixels."""

    left: int
    top: int
    right: int
    bottom: int


class Grid(NamedTuple):
    """The label image of a slide: width, height in px, and level-0 px per px."""

    width: int
    height: int
    downsample: float


def label_grid(slide: Slide, mpp: float) -> Grid:
    """Return the label image that covers a slide at about `SEGMENTATION_MPP`."""
    width = max(1, round(slide.info.width * mpp / SEGMENTATION_MPP))
    downsample = slide.info.width / width
    return Grid(width, max(1, round(slide.info.height / downsample)), downsample)


def windows_on_tissue(grid: Grid, pieces: list[shapely.Polygon]) -> list[Window]:
    """Return the windows of the label image that touch tissue, row by row."""
    tree = shapely.STRtree(pieces)
    windows = [
        Window(x, y, min(x + WINDOW_PX, grid.width), min(y + WINDOW_PX, grid.height))
        for y in range(0, grid.height, WINDOW_PX)
        for x in range(0, grid.width, WINDOW_PX)
    ]
    boxes = [shapely.box(*(edge * grid.downsample for edge in window)) for window in windows]
    touching = np.unique(tree.query(boxes, predicate="intersects")[0])
    return [windows[index] for index in touching]


def fit_slide(slide: Slide, grid: Grid, windows: list[Window]) -> EpitheliumModel:
    """Learn the stain of a slide and its threshold from a sample of its windows."""
    chosen = (
        np.linspace(0, len(windows) - 1, min(SAMPLED_WINDOWS, len(windows))).round().astype(int)
    )
    sample = [_read(slide, grid, windows[index], margin=0) for index in np.unique(chosen)]
    stain = fit_stain(np.concatenate([pixels.reshape(-1, 3) for pixels in sample]))
    return fit_epithelium(sample, stain)


def segment_windows(
    slide: Slide, grid: Grid, windows: list[Window], model: EpitheliumModel
) -> Iterator[tuple[Window, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]]:
    """Yield each window with its epithelium, bool (height, width)."""
    for window in track(windows, len(windows), "windows segmented"):
        mask = segment_epithelium(_read(slide, grid, window, HALO_PX), model)
        yield window, mask[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]


def segment_slide(
    slide: Slide, mpp: float, pieces: list[shapely.Polygon], label: int
) -> tuple[Pixels, EpitheliumModel | None]:
    """Segment the epithelium of a slide.

    Parameters
    ----------
    mpp
        Micrometres per level-0 px.
    pieces
        Tissue polygons in level-0 px; the rest of the slide is not looked at.
    label
        Class of the epithelium in the result, 1 to 255; everything else is 0.

    Returns
    -------
    labels
        uint8 (H, W), one pixel per µm² or so, covering the slide.
    model
        What was learned from the slide; None without tissue.
    """
    grid = label_grid(slide, mpp)
    labels = np.zeros((grid.height, grid.width), np.uint8)
    windows = windows_on_tissue(grid, pieces)
    if not windows:
        return labels, None
    model = fit_slide(slide, grid, windows)
    for window, mask in segment_windows(slide, grid, windows, model):
        labels[window.top : window.bottom, window.left : window.right] = mask * np.uint8(label)
    return labels, model


def write_labels(
    path: str | Path, labels: Pixels, outcome: Outcome, provenance: Provenance
) -> None:
    """Write a label image as a tiled, losslessly compressed TIFF, to be read in windows.

    Outcome and provenance stand in its description.
    """
    about = provenance.as_dict() | {"status": str(outcome.status), "reason": outcome.reason}
    image = pyvips.Image.new_from_array(labels).copy()
    image.set_type(pyvips.GValue.gstr_type, DESCRIPTION, json.dumps({"histohet": about}))
    # Written by Python: libvips reports a full disk in six lines that do not name the file.
    data = image.tiffsave_buffer(tile=True, tile_width=256, tile_height=256, compression="deflate")
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def read_outcome(path: str | Path) -> Outcome:
    """Return the outcome that `write_labels` recorded; ok for masks that are not ours."""
    image = pyvips.Image.new_from_file(str(path))
    if DESCRIPTION not in image.get_fields():
        return OK
    try:
        about = json.loads(image.get(DESCRIPTION))["histohet"]
    except (ValueError, TypeError, KeyError):
        return OK
    return Outcome(Status(about["status"]), about["reason"])


def _read(slide: Slide, grid: Grid, window: Window, margin: int) -> Pixels:
    size = (
        window.right - window.left + 2 * margin,
        window.bottom - window.top + 2 * margin,
    )
    x, y = (window.left - margin) * grid.downsample, (window.top - margin) * grid.downsample
    return read_rectangle(slide, x, y, grid.downsample, size)
