"""Where epithelium is on a slide, from hematoxylin alone: a segmentation that needs no weights.

Epithelium is a cohesive sheet: nuclei lie in a cytoplasm that takes up hematoxylin itself, so the
hematoxylin image neither falls to nothing between nuclei nor rises in isolated spots. Stroma and
lymphoid tissue are isolated nuclei on a background without hematoxylin. Grey-scale morphology
measures the difference (Serra 1982; Soille 2003): an opening keeps what is wider than a lymphocyte
or a spindle nucleus, a closing fills the gaps between nuclei, and their difference is the height
of the spots. With local means over some 20 µm,

    cohesion = (opening - (closing - opening) - FLOOR) / (mean + FLOOR)

is high in sheets and glands, lower by about 0.5 among isolated nuclei, and -1 where there is no
hematoxylin at all. Its level differs between slides, so the threshold is found for each slide
(Otsu 1979) in a sample of its tissue. Where the two classes explain no more of the variance than
the halves of a single normal distribution would, cohesion tells nothing apart: so it is in breast
and prostate carcinoma (docs/epithelium.md). Between their epithelium lie fibres and muscle, which
take up eosin, and there

    share = mean hematoxylin / (mean hematoxylin + mean eosin)

is split by Otsu's threshold instead, if it is high where there is little eosin. If it is high for
other reasons, such as the nuclei of lymphocytes, cohesion is still the better guess, and the slide
is said to be doubtful. The result is cytoplasm and nuclei: lumina, mucin and other
glass-clear space are left out.

Everything is computed on integers, whose sums are exact in floating point, and every filter has a
bounded support. A slide cut into windows with a margin of `HALO_UM` therefore gives, bit for bit,
the same mask as the slide in one piece.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pyvips
import shapely

from histohet.common.arrays import Bools, Float32, Floats, UInt8
from histohet.common.files import atomic_path
from histohet.common.logs import track
from histohet.common.otsu import otsu_split
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.slides.reader import Pixels, Slide
from histohet.slides.sampling import read_rectangle
from histohet.tissue.stain import StainModel, fit_stain, ink, stained, unmix

SEGMENTATION_MPP = 1.0  # µm per pixel of every image given to this module

# All lengths in pixels of SEGMENTATION_MPP, that is in µm.
OPENING_RADIUS = 3  # a lymphocyte or a spindle nucleus is narrower than 7 µm
CLOSING_RADIUS = 8  # bridges the cytoplasm between neighbouring epithelial nuclei
MEAN_WIDTH = 21  # box, applied twice: a triangular window with a standard deviation of 8.6 µm
VOTE_WIDTH = 11  # box in which most pixels must agree: no specks, no pinholes
INK_RADIUS = 4  # a stroke is wider than a pigmented or pyknotic nucleus
INK_MARGIN = 20  # the faded edge of a stroke

# What a pixel of the mask depends on: the filters' radii, one after the other.
HALO_PX = VOTE_WIDTH // 2 + max(
    2 * CLOSING_RADIUS + 2 * (MEAN_WIDTH // 2), 2 * INK_RADIUS + INK_MARGIN
)
HALO_UM = HALO_PX * SEGMENTATION_MPP

LEVELS = 160  # grey levels per unit of hematoxylin; values above 255 / LEVELS are saturated
FLOOR = 0.4  # hematoxylin, relative to the slide's reference, that counts as little
THRESHOLD_RANGE = (-1.6, -0.6)  # of the thresholds found on sections that hold both tissues
DEFAULT_THRESHOLD = -1.1  # where there is too little tissue to find one
MIN_TISSUE_PIXELS = 10_000  # 0.01 mm²
# Variance that the split explains. Of one normal distribution 2/π = .637, and .56 to .64 in breast
# and prostate carcinoma; .66 to .79 where cohesion tells epithelium from the rest.
MIN_EXPLAINED = 0.65
# Correlation of the share of hematoxylin with the lack of eosin. In breast and prostate carcinoma
# with fibrous stroma .51 to .87, among lymphocytes .18 to .31.
MIN_LACK_OF_EOSIN = 0.5
HISTOGRAM_EDGES = np.linspace(-5.0, 1.0, 601)  # cohesion lies in here by construction
SHARE_EDGES = np.linspace(0.0, 1.0, 501)

DESCRIPTION = "image-description"
WINDOW_PX = 1024
SAMPLED_WINDOWS = 16
"""Windows, spread evenly over the tissue, from which stain and threshold are learned."""


Measure = Literal["cohesion", "share"]

DOUBTFUL = (
    "the stain hardly tells epithelium from other tissue here: look at the picture of the mask in "
    "results/preflight/masks, give a mask in the slide sheet, or set epithelium.without_mask to "
    "whole"
)


@dataclass(frozen=True)
class EpitheliumModel:
    """What is fixed for a slide before it is segmented.

    Attributes
    ----------
    stain
        Colour of the slide.
    threshold
        Above which tissue is epithelium.
    by
        What tells epithelium from other tissue.
    is_doubtful
        Whether neither does so clearly.
    """

    stain: StainModel
    threshold: float
    by: Measure = "cohesion"
    is_doubtful: bool = False

    @property
    def note(self) -> str:
        """What is to be said of the slide."""
        return DOUBTFUL if self.is_doubtful else ""


def fit_epithelium(
    windows: Iterable[UInt8], stain: StainModel, min_explained: float = MIN_EXPLAINED
) -> EpitheliumModel:
    """Find in a sample of its tissue what tells the epithelium of a slide, and the threshold.

    Otsu's threshold of the cohesion of all tissue pixels, kept within `THRESHOLD_RANGE`, or, where
    that does not explain enough of their variance, of the share of hematoxylin.

    Parameters
    ----------
    windows
        uint8 images (height, width, 3) at `SEGMENTATION_MPP`, spread over the tissue; read once.
    stain
        Colour of the slide.
    min_explained
        Share of the variance that the split by cohesion must explain.

    Raises
    ------
    ValueError
        If a window has another shape or type.
    """
    of_cohesion = np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64)
    of_share = np.zeros(len(SHARE_EDGES) - 1, np.int64)
    products = np.zeros((3, 3))
    for window in windows:
        inside = tissue(window, stain)
        of_cohesion += np.histogram(cohesion(window, stain)[inside], HISTOGRAM_EDGES)[0]
        hematoxylin, eosin = (local[inside] for local in _local_amounts(window, stain))
        share = _share(hematoxylin, eosin)
        of_share += np.histogram(share, SHARE_EDGES)[0]
        columns = np.stack([np.ones_like(share), share, -eosin])
        products += columns @ columns.T
    if of_cohesion.sum() < MIN_TISSUE_PIXELS:
        return EpitheliumModel(stain, DEFAULT_THRESHOLD)
    threshold, explained = _threshold(HISTOGRAM_EDGES, of_cohesion)
    low, high = THRESHOLD_RANGE
    is_doubtful = explained < min_explained
    if is_doubtful and _correlation(products) >= MIN_LACK_OF_EOSIN:
        return EpitheliumModel(stain, _threshold(SHARE_EDGES, of_share)[0], "share")
    return EpitheliumModel(stain, min(max(threshold, low), high), is_doubtful=is_doubtful)


def _threshold(edges: Floats, counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return Otsu's threshold of a histogram, and the share of the variance that it explains."""
    split = otsu_split((edges[1:] + edges[:-1]) / 2, counts)
    if split is None:
        return float(edges[0]), 0.0
    return float(edges[split.last_below + 1]), split.explained


def _correlation(products: Floats) -> float:
    """Return Pearson's correlation of two columns from the products of 1 and both, (3, 3)."""
    means = products[0, 1:] / products[0, 0]
    covariance = products[1:, 1:] / products[0, 0] - np.outer(means, means)
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    return float(covariance[0, 1] / max(deviations.prod(), np.finfo(np.float64).tiny))


def segment_epithelium(rgb: UInt8, model: EpitheliumModel) -> Bools:
    """Find the epithelium in an image or in one window of a slide.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3) at `SEGMENTATION_MPP`. The outer `HALO_UM` of a window that is cut
        out of a slide are not final: read them along and drop them.
    model
        Result of `fit_epithelium` for the slide.

    Returns
    -------
    numpy.ndarray
        bool (height, width).

    Raises
    ------
    ValueError
        If `rgb` has another shape or type.
    """
    found = tissue(rgb, model.stain)
    if model.by == "cohesion":
        found &= cohesion(rgb, model.stain) > model.threshold
    else:
        found &= _share(*_local_amounts(rgb, model.stain)) > model.threshold
    return 2 * _box_sum(found.view(np.uint8), VOTE_WIDTH) > VOTE_WIDTH**2


def cohesion(rgb: UInt8, stain: StainModel) -> Floats:
    """How much of a sheet the hematoxylin around each pixel is (formula in the module's docstring).

    Parameters
    ----------
    rgb
        uint8 (height, width, 3) at `SEGMENTATION_MPP`.

    Returns
    -------
    numpy.ndarray
        float64 (height, width), between -5 and 1.
    """
    hematoxylin, _ = unmix(rgb, stain)
    levels = _levels(hematoxylin)
    opened = _local_mean(_morphology(levels, cv2.MORPH_OPEN, OPENING_RADIUS))
    closed = _local_mean(_morphology(levels, cv2.MORPH_CLOSE, CLOSING_RADIUS))
    floor = FLOOR * LEVELS
    return (2 * opened - closed - floor) / (_local_mean(levels) + floor)


def _local_amounts(rgb: UInt8, stain: StainModel) -> tuple[Floats, Floats]:
    """Return the mean levels of hematoxylin and eosin around each pixel."""
    hematoxylin, eosin = unmix(rgb, stain)
    return _local_mean(_levels(hematoxylin)), _local_mean(_levels(eosin))


def _share(hematoxylin: Floats, eosin: Floats) -> Floats:
    """Return hematoxylin as a share of both stains, 0 where there is neither."""
    total = hematoxylin + eosin
    return np.divide(hematoxylin, total, out=np.zeros_like(total), where=total > 0)


def _levels(amount: Float32) -> UInt8:
    return np.minimum(np.rint(amount * LEVELS), 255).astype(np.uint8)


def tissue(rgb: UInt8, stain: StainModel) -> Bools:
    """Pixels of stained tissue: neither glass nor under a marker stroke.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3) at `SEGMENTATION_MPP`.

    Returns
    -------
    numpy.ndarray
        bool (height, width).
    """
    found = stained(rgb, stain)
    marker = ink(rgb, stain).view(np.uint8)
    if marker.any():
        stroke = _morphology(marker, cv2.MORPH_OPEN, INK_RADIUS)
        found &= _morphology(stroke, cv2.MORPH_DILATE, INK_MARGIN) == 0
    return found


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


def fit_slide(
    slide: Slide, grid: Grid, windows: list[Window], min_explained: float = MIN_EXPLAINED
) -> EpitheliumModel:
    """Learn the stain of a slide and its threshold from a sample of its windows."""
    chosen = (
        np.linspace(0, len(windows) - 1, min(SAMPLED_WINDOWS, len(windows))).round().astype(int)
    )
    sample = [_read(slide, grid, windows[index], margin=0) for index in np.unique(chosen)]
    stain = fit_stain(np.concatenate([pixels.reshape(-1, 3) for pixels in sample]))
    return fit_epithelium(sample, stain, min_explained)


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


def _local_mean(levels: UInt8) -> Floats:
    """Triangular local mean; sums of integers below 2**53, so exact wherever the window starts."""
    total = _box_sum(_box_sum(levels, MEAN_WIDTH), MEAN_WIDTH)
    return total / float(MEAN_WIDTH**4)


def _box_sum(values: npt.NDArray[Any], width: int) -> Floats:
    return np.asarray(
        cv2.boxFilter(
            values, cv2.CV_64F, (width, width), normalize=False, borderType=cv2.BORDER_REFLECT
        ),
        np.float64,
    )


def _morphology(levels: UInt8, operation: int, radius: int) -> UInt8:
    """Grey-scale morphology with a disc (OpenCV's own ellipses change under a quarter turn)."""
    offset = np.arange(-radius, radius + 1)
    disc = (offset[:, None] ** 2 + offset**2 <= radius * (radius + 1)).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(levels, operation, disc), np.uint8)
