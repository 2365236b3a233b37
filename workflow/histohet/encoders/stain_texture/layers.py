"""One tile taken apart: what is inside, what is tissue, its two stains and its hue.

Hematoxylin and eosin are separated with the published vectors of Ruifrok & Johnston (2001), the
same for every slide, because a tile alone does not show the stain of its slide. Pixels that are
exactly black or exactly white are outside the epithelium mask and take no part in anything; glass
inside it counts as glass and otherwise takes no part either.

Below stand the statistics of an image, `values` (height, width), within a mask, `where`: a uint8
image of the same shape, not 0 for the pixels that count. OpenCV's norms are its fastest masked
sums; of whole numbers they are exact, so that neither the order of summation nor the alignment of
the memory shows.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import Float32, Floats, UInt8, UInt16
from histohet.tissue.stain import StainModel, stain_tables

LEVELS = 100  # grey levels per unit of optical density; saturated at 2.55
SHARE_LEVELS = 10_000
TISSUE_OD = 0.2  # summed over the channels: glass of an unknown, darker white stays below
TABLES = stain_tables(StainModel(white=(245.0, 245.0, 245.0), reference=(1.0, 1.0)))


class Layers(NamedTuple):
    """What the features are computed from: images of one tile, all (height, width).

    Attributes
    ----------
    inside, tissue
        uint8 masks, 255 for the pixels within the epithelium mask and the stained ones among them.
    hematoxylin, eosin
        uint8, optical density times `LEVELS`, 0 outside.
    red, blue
        uint16, share of that channel in the optical density times `SHARE_LEVELS`, 0 outside.
    """

    inside: UInt8
    tissue: UInt8
    hematoxylin: UInt8
    eosin: UInt8
    red: UInt16
    blue: UInt16


def separate(tile: UInt8) -> Layers:
    """Take a tile apart into what is inside, what is tissue, its two stains and its hue."""
    stains = np.zeros((4, *tile.shape[:2]), np.uint8)
    shares = np.zeros((2, *tile.shape[:2]), np.uint16)
    _separate(tile, *TABLES, stains, shares)
    return Layers(*stains, *shares)


@njit(cache=True)
def _separate(
    tile: UInt8, density: Float32, amounts: Float32, stains: UInt8, shares: UInt16
) -> None:
    """Fill `stains` (inside, tissue, hematoxylin, eosin) and `shares` (red, blue), 0 before."""
    levels, share_levels = np.float32(LEVELS), np.float32(SHARE_LEVELS)
    least, limit = np.float32(TISSUE_OD), np.float32(255)
    for y in range(tile.shape[0]):
        for x in range(tile.shape[1]):
            r, g, b = tile[y, x, 0], tile[y, x, 1], tile[y, x, 2]
            if r == g == b and (r == 0 or r == 255):
                continue
            stains[0, y, x] = 255
            for k in range(2):
                amount = amounts[r, 0, k] + amounts[g, 1, k] + amounts[b, 2, k]
                stains[2 + k, y, x] = min(max(np.rint(amount * levels), np.float32(0)), limit)
            red, blue = density[r, 0], density[b, 2]
            total = red + density[g, 1] + blue
            if total > least:
                stains[1, y, x] = 255
                total += np.float32(1e-3)
                shares[0, y, x] = np.rint(share_levels * red / total)
                shares[1, y, x] = np.rint(share_levels * blue / total)


def mean_within(values: npt.NDArray[Any], where: UInt8) -> float:
    """Mean of whole numbers that are nowhere negative, 0 of nothing."""
    return cv2.norm(values, cv2.NORM_L1, where) / max(cv2.countNonZero(where), 1)


def mean_sd_within(values: npt.NDArray[Any], where: UInt8) -> tuple[float, float]:
    """Mean and standard deviation of such numbers, 0 of nothing."""
    mean = mean_within(values, where)
    return mean, math.sqrt(max(_rms_within(values, where) ** 2 - mean**2, 0.0))


def contrast_within(finer: UInt8 | Float32, coarser: Float32, where: UInt8) -> float:
    """Root mean square of what a coarser mean has lost, in grey levels, to 1/64."""
    return _rms_within(np.rint((finer - coarser) * 64), where) / 64


def quantiles_within(values: UInt8, where: UInt8, shares: tuple[float, ...]) -> Floats:
    """Quantiles of grey levels, interpolated within a level so that they move smoothly."""
    counts = cv2.calcHist([values], [0], where, [256], [0, 256])[:, 0]
    cumulated = np.concatenate([[0], np.cumsum(counts, dtype=np.float64)])
    at = np.array(shares) * cumulated[-1]
    return np.asarray(np.interp(at, cumulated, np.arange(257) - 0.5), np.float64)


def _rms_within(values: npt.NDArray[Any], where: UInt8) -> float:
    return cv2.norm(values, cv2.NORM_L2, where) / math.sqrt(max(cv2.countNonZero(where), 1))
