"""Statistics of an image within a mask.

OpenCV's norms are its fastest masked sums; of whole numbers they are exact, so that neither the
order of summation nor the alignment of the memory shows.

Everywhere `values` is an image (height, width) and `where` a uint8 mask of the same shape, not 0
for the pixels that count.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


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


def quantiles_within(values: UInt8, where: UInt8, shares: tuple[float, ...]) -> Float64:
    """Quantiles of grey levels, interpolated within a level so that they move smoothly."""
    counts = cv2.calcHist([values], [0], where, [256], [0, 256])[:, 0]
    cumulated = np.concatenate([[0], np.cumsum(counts, dtype=np.float64)])
    at = np.array(shares) * cumulated[-1]
    return np.asarray(np.interp(at, cumulated, np.arange(257) - 0.5), np.float64)


def _rms_within(values: npt.NDArray[Any], where: UInt8) -> float:
    return cv2.norm(values, cv2.NORM_L2, where) / math.sqrt(max(cv2.countNonZero(where), 1))
