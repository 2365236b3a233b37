"""Where epithelium is, from hematoxylin alone: a classical segmentation that needs no weights.

Epithelium is a cohesive sheet: nuclei lie in a cytoplasm that takes up hematoxylin itself, so the
hematoxylin image neither falls to nothing between nuclei nor rises in isolated spots. Stroma and
lymphoid tissue are isolated nuclei on a background without hematoxylin. Grey-scale morphology
measures the difference (Serra 1982; Soille 2003): an opening keeps what is wider than a lymphocyte
or a spindle nucleus, a closing fills the gaps between nuclei, and their difference is the height
of the spots. With local means over some 20 µm,

    cohesion = (opening - (closing - opening) - FLOOR) / (mean + FLOOR)

is high in sheets and glands, lower by about 0.5 among isolated nuclei, and -1 where there is no
hematoxylin at all. Its level differs between slides, so the threshold is found for each slide
(Otsu 1979) in a sample of its tissue. The result is cytoplasm and nuclei: lumina, mucin and other
glass-clear space are left out.

Everything is computed on integers, whose sums are exact in floating point, and every filter has a
bounded support. A slide cut into windows with a margin of `HALO_UM` therefore gives, bit for bit,
the same mask as the slide in one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from histohet.common.otsu import otsu_split
from histohet.tissue.stain import Bool, Float64, StainModel, UInt8, ink, stained, unmix

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
HISTOGRAM_EDGES = np.linspace(-5.0, 1.0, 601)  # cohesion lies in here by construction


@dataclass(frozen=True)
class EpitheliumModel:
    """What is fixed for a slide before it is segmented.

    Attributes
    ----------
    stain
        Colour of the slide.
    threshold
        Cohesion above which tissue is epithelium.
    """

    stain: StainModel
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dictionary; `from_dict` is its inverse."""
        return {"stain": self.stain.as_dict(), "threshold": self.threshold}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EpitheliumModel:
        """Build the model from what `as_dict` gave, also after a round trip through JSON."""
        return cls(stain=StainModel.from_dict(data["stain"]), threshold=float(data["threshold"]))


def fit_epithelium(windows: Iterable[UInt8], stain: StainModel) -> EpitheliumModel:
    """Find the threshold of a slide in a sample of its tissue.

    Otsu's threshold of the cohesion of all tissue pixels, kept within `THRESHOLD_RANGE`. It assumes
    that the sample holds epithelium and other tissue; a slide of one kind only is split all the
    same.

    Parameters
    ----------
    windows
        uint8 images (height, width, 3) at `SEGMENTATION_MPP`, spread over the tissue; read once.
    stain
        Colour of the slide.

    Raises
    ------
    ValueError
        If a window has another shape or type.
    """
    counts = np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64)
    for window in windows:
        values = cohesion(window, stain)[tissue(window, stain)]
        counts += np.histogram(values, HISTOGRAM_EDGES)[0]
    if counts.sum() < MIN_TISSUE_PIXELS:
        return EpitheliumModel(stain, DEFAULT_THRESHOLD)
    split = otsu_split((HISTOGRAM_EDGES[1:] + HISTOGRAM_EDGES[:-1]) / 2, counts)
    threshold = float(HISTOGRAM_EDGES[split.last_below + 1 if split else 0])
    low, high = THRESHOLD_RANGE
    return EpitheliumModel(stain, min(max(threshold, low), high))


def segment_epithelium(rgb: UInt8, model: EpitheliumModel) -> Bool:
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
    cohesive = tissue(rgb, model.stain) & (cohesion(rgb, model.stain) > model.threshold)
    majority: Bool = 2 * _box_sum(cohesive.view(np.uint8), VOTE_WIDTH) > VOTE_WIDTH**2
    return majority


def cohesion(rgb: UInt8, stain: StainModel) -> Float64:
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
    levels = np.minimum(np.rint(hematoxylin * LEVELS), 255).astype(np.uint8)
    opened = _local_mean(_morphology(levels, cv2.MORPH_OPEN, OPENING_RADIUS))
    closed = _local_mean(_morphology(levels, cv2.MORPH_CLOSE, CLOSING_RADIUS))
    floor = FLOOR * LEVELS
    result: Float64 = (2 * opened - closed - floor) / (_local_mean(levels) + floor)
    return result


def tissue(rgb: UInt8, stain: StainModel) -> Bool:
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


def _local_mean(levels: UInt8) -> Float64:
    """Triangular local mean; sums of integers below 2**53, so exact wherever the window starts."""
    total = _box_sum(_box_sum(levels, MEAN_WIDTH), MEAN_WIDTH)
    mean: Float64 = total / float(MEAN_WIDTH**4)
    return mean


def _box_sum(values: npt.NDArray[Any], width: int) -> Float64:
    summed: Float64 = np.asarray(
        cv2.boxFilter(
            values, cv2.CV_64F, (width, width), normalize=False, borderType=cv2.BORDER_REFLECT
        ),
        np.float64,
    )
    return summed


def _morphology(levels: UInt8, operation: int, radius: int) -> UInt8:
    """Grey-scale morphology with a disc (OpenCV's own ellipses change under a quarter turn)."""
    offset = np.arange(-radius, radius + 1)
    disc = (offset[:, None] ** 2 + offset**2 <= radius * (radius + 1)).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(levels, operation, disc), np.uint8)
