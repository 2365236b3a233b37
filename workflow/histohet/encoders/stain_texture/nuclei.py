"""Nuclei of one tile: where hematoxylin is dense, cut apart at the crests between its peaks.

Everything that decides is an integer or an exact sum of integers, so that a tile and its mirror
image give the same nuclei.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import Bools, Float32, Floats, Int32, Ints, UInt8, UInt16
from histohet.common.otsu import otsu_split

MASK_WIDTH = 3  # px, box applied before thresholding: sensor noise and JPEG blocks
PEAK_BLUR = 5  # px, box applied twice before peaks are sought: chromatin clumps are no nuclei
PEAK_WIDTH = 9  # px, square in which a peak is the highest
LEAST_CONTRAST = 0.15  # optical density between nuclei and the rest; less is noise
THRESHOLD_RANGE = (0.25, 1.0)  # optical density of hematoxylin
REACH_PX = 24  # no part of a nucleus is farther from its peak: 12 µm at 0.5 µm per pixel
LEAST_AREA_PX = 40  # 10 µm² at 0.5 µm per pixel: smaller is debris
MARGIN_PX = 32  # more than `REACH_PX`, and a multiple of what vector registers hold
RANK_BITS = 20  # more than the peaks of a tile; above them 11 bits for squared distances

SQUARE_3 = np.ones((3, 3), np.uint8)


class Nuclei(NamedTuple):
    """Nuclei of a tile, one row each.

    Attributes
    ----------
    mask
        uint8 (height, width), 255 for nuclear pixels.
    rim
        uint8 (height, width), 255 for the outermost ring of those.
    whole
        bool (n,), false where the border of the tile or of the epithelium cuts the nucleus.
    centre_px
        float64 (n, 2), x and y.
    area_px
        float64 (n,).
    elongation
        float64 (n,), 0 for a disc towards 1 for a line: 1 - minor / major axis of the ellipse with
        the same second moments.
    axis
        complex128 (n,), exp(2i · angle) of the major axis, so that opposite directions agree.
    mean, sd
        float64 (n,), of the hematoxylin within the nucleus, optical density.
    """

    mask: UInt8
    rim: UInt8
    whole: Bools
    centre_px: Floats
    area_px: Floats
    elongation: Floats
    axis: npt.NDArray[np.complex128]
    mean: Floats
    sd: Floats

    @property
    def number(self) -> float:
        """Number of nuclei, those cut by a border counted half: half of them belong next door."""
        return float(self.whole.sum() + 0.5 * (~self.whole).sum())


def find_nuclei(hematoxylin: UInt8, levels: int, inside: UInt8, tissue: UInt8) -> Nuclei:
    """Find and measure the nuclei of a tile.

    Parameters
    ----------
    hematoxylin
        uint8 (height, width), optical density times `levels`.
    levels
        Grey levels per unit of optical density.
    inside
        uint8 (height, width), not 0 for pixels that belong to the tile at all.
    tissue
        uint8 (height, width), not 0 for those of them that are stained.
    """
    smooth = np.asarray(cv2.blur(hematoxylin, (MASK_WIDTH, MASK_WIDTH)), np.uint8)
    threshold = _threshold(smooth, tissue, levels)
    dense = cv2.bitwise_and(cv2.threshold(smooth, threshold, 255, cv2.THRESH_BINARY)[1], tissue)
    labels, number = _split(hematoxylin, np.asarray(dense, np.uint8))
    # Beyond the border of the tile is as good as outside.
    uncut = cv2.erode(inside, SQUARE_3, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    sums = _sums(labels, hematoxylin, np.asarray(uncut, np.uint8), number)
    kept = sums[0] >= LEAST_AREA_PX
    mask = np.append(np.uint8(0), kept * np.uint8(255)).take(labels)
    # OpenCV erodes as if the tile went on: a nucleus cut by the border has no rim there.
    rim = mask - np.asarray(cv2.erode(mask, SQUARE_3), np.uint8)
    return _measure(sums[:, kept], levels, mask, rim)


def box_sum(values: UInt8 | UInt16, width: int) -> Float32:
    """Triangular local sum by two box filters; divided by width**4 it is a mean.

    It is exact while the greatest value times width**4 stays below 2**24, so that the sum of a
    turned image is the turned sum.
    """
    size, border = (width, width), cv2.BORDER_REFLECT
    rows = cv2.boxFilter(values, cv2.CV_32S, size, normalize=False, borderType=border)
    total = cv2.boxFilter(rows, cv2.CV_32F, size, normalize=False, borderType=border)
    return np.asarray(total, np.float32)


def _threshold(smooth: UInt8, tissue: UInt8, levels: int) -> float:
    """Otsu's threshold within `THRESHOLD_RANGE`, or 255 where the tile has one tone only."""
    counts = cv2.calcHist([smooth], [0], tissue, [256], [0, 256])[:, 0]
    split = otsu_split(np.arange(256), counts)
    if split is None or split.mean_above - split.mean_below < LEAST_CONTRAST * levels:
        return 255.0
    low, high = THRESHOLD_RANGE
    return float(np.clip(split.last_below + 0.5, low * levels, high * levels))


def _split(hematoxylin: UInt8, dense: UInt8) -> tuple[Int32, int]:
    """Give each dense pixel to its nearest peak: the numbers of the peaks from 1, and how many.

    A peak is deep within the dense region (which parts nuclei that touch) and dark (which parts
    nuclei that are packed into one sheet).
    """
    depth = cv2.convertScaleAbs(cv2.distanceTransform(dense, cv2.DIST_L2, 5), alpha=4)
    # Few levels of each, so that the sums of their products stay exact.
    product = np.minimum(depth, 100) * (hematoxylin >> 2).astype(np.uint16)
    prominence = box_sum(product, PEAK_BLUR)
    highest = cv2.dilate(prominence, np.ones((PEAK_WIDTH, PEAK_WIDTH), np.uint8))
    peaks = cv2.bitwise_and(cv2.compare(prominence, highest, cv2.CMP_GE), dense)
    number, components = cv2.connectedComponents(peaks)
    at = np.flatnonzero(peaks > 0)
    # The more prominent peak takes the pixels that are as near to one as to the other.
    at = at[np.argsort(-prominence.ravel()[at], kind="stable")]
    y, x = np.divmod(at, dense.shape[1])
    return _nearest(dense, y, x, np.asarray(components, np.int32).ravel()[at]), number - 1


@njit(cache=True)
def _nearest(dense: UInt8, y: Ints, x: Ints, label: Int32) -> Int32:
    """Label of the nearest point within `REACH_PX` of each dense pixel, 0 where there is none.

    Of points as near, the first wins: squared distance and rank share one integer, whose minimum
    the compiler takes with vector instructions, in rows of a fixed length with room to both sides.
    """
    height, width = dense.shape
    farthest = (REACH_PX**2 + 1) << RANK_BITS
    best = np.full((height, width + 2 * MARGIN_PX), farthest, np.int32)
    columns = ((np.arange(2 * MARGIN_PX) - MARGIN_PX) ** 2 << RANK_BITS).astype(np.int32)
    for k in range(len(label)):
        for i in range(max(y[k] - REACH_PX, 0), min(y[k] + REACH_PX + 1, height)):
            row = best[i, x[k] : x[k] + 2 * MARGIN_PX]
            rank = np.int32(((i - y[k]) ** 2 << RANK_BITS) + k)
            for j in range(2 * MARGIN_PX):
                row[j] = min(row[j], np.int32(rank + columns[j]))
    labels = np.zeros((height, width), np.int32)
    for i in range(height):
        for j in range(width):
            nearest = best[i, j + MARGIN_PX]
            if dense[i, j] and nearest < farthest:
                labels[i, j] = label[nearest & ((1 << RANK_BITS) - 1)]
    return labels


@njit(cache=True)
def _sums(labels: Int32, hematoxylin: UInt8, uncut: UInt8, number: int) -> Ints:
    """Sum 1, x, y, xx, yy, xy, h, hh and uncut > 0 over the pixels of each label 1 to `number`."""
    sums = np.zeros((9, number), np.int64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x] - 1
            if k >= 0:
                h = np.int64(hematoxylin[y, x])
                sums[0, k] += 1
                sums[1, k] += x
                sums[2, k] += y
                sums[3, k] += x * x
                sums[4, k] += y * y
                sums[5, k] += x * y
                sums[6, k] += h
                sums[7, k] += h * h
                sums[8, k] += uncut[y, x] > 0
    return sums


def _measure(sums: Ints, levels: int, mask: UInt8, rim: UInt8) -> Nuclei:
    """Turn the sums of `_sums` over each nucleus into what is known of it."""
    area = sums[0]
    cx, cy = sums[1] / area, sums[2] / area
    # A pixel is a square, whose own second moment is 1/12.
    xx = sums[3] / area - cx**2 + 1 / 12
    yy = sums[4] / area - cy**2 + 1 / 12
    xy = sums[5] / area - cx * cy
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    mean = sums[6] / area
    variance = sums[7] / area - mean**2
    return Nuclei(
        mask=mask,
        rim=rim,
        whole=sums[8] == area,
        centre_px=np.stack([cx, cy], axis=1),
        area_px=area.astype(np.float64),
        elongation=1 - np.sqrt((middle - half).clip(min=0) / (middle + half)),
        axis=np.asarray(((xx - yy) / 2 + 1j * xy) / np.maximum(half, 1e-12), np.complex128),
        mean=mean / levels,
        sd=np.sqrt(variance.clip(min=0)) / levels,
    )
