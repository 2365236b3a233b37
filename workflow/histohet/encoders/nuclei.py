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

UInt8 = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MASK_WIDTH = 3  # px, box applied before thresholding: sensor noise and JPEG blocks
PEAK_BLUR = 5  # px, box applied twice before peaks are sought: chromatin clumps are no nuclei
PEAK_WIDTH = 9  # px, square in which a peak is the highest
LEAST_CONTRAST = 0.15  # optical density between nuclei and the rest; less is noise
THRESHOLD_RANGE = (0.25, 1.0)  # optical density of hematoxylin
REACH_PX = 24  # no part of a nucleus is farther from its peak: 12 µm at 0.5 µm per pixel
LEAST_AREA_PX = 40  # 10 µm² at 0.5 µm per pixel: smaller is debris


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
    whole: Bool
    centre_px: Float64
    area_px: Float64
    elongation: Float64
    axis: npt.NDArray[np.complex128]
    mean: Float64
    sd: Float64

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
    dense = np.zeros(smooth.shape, bool) if threshold is None else (smooth > threshold)
    labels = _split(hematoxylin, dense & (tissue > 0))
    mask = np.where(labels > 0, np.uint8(255), np.uint8(0))
    # OpenCV erodes as if the tile went on: a nucleus cut by the border has no rim there.
    core = np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)), np.uint8)
    return _measure(hematoxylin, levels, labels, mask - core, _touching(labels, inside))


def box_mean(values: UInt8 | Float32, width: int) -> Float32:
    """Triangular local mean by two box filters.

    The sums are exact in single precision while the greatest integer times width**4 stays below
    2**24, so that the mean of a turned image is the turned mean.
    """
    total = values
    for _ in range(2):
        total = cv2.boxFilter(  # type: ignore[assignment]
            total, cv2.CV_32F, (width, width), normalize=False, borderType=cv2.BORDER_REFLECT
        )
    return np.asarray(total, np.float32) * np.float32(width**-4.0)


def _threshold(smooth: UInt8, tissue: UInt8, levels: int) -> float | None:
    """Otsu's threshold within `THRESHOLD_RANGE`, or None where the tile has one tone only."""
    counts = cv2.calcHist([smooth], [0], tissue, [256], [0, 256])[:, 0].astype(np.float64)
    grey = np.arange(256)
    below, moment = np.cumsum(counts), np.cumsum(counts * grey)
    above = below[-1] - below
    parted = (below > 0) & (above > 0)
    if not parted.any():
        return None
    low = np.divide(moment, below, where=parted, out=np.zeros(256))
    high = np.divide(moment[-1] - moment, above, where=parted, out=np.zeros(256))
    best = int(np.argmax(below * above * (high - low) ** 2))
    if high[best] - low[best] < LEAST_CONTRAST * levels:
        return None
    return float(np.clip(best + 0.5, THRESHOLD_RANGE[0] * levels, THRESHOLD_RANGE[1] * levels))


def _split(hematoxylin: UInt8, dense: Bool) -> Int32:
    """Give each dense pixel to its nearest peak; number the nuclei from 1, drop what is small.

    A peak is deep within the dense region (which parts nuclei that touch) and dark (which parts
    nuclei that are packed into one sheet).
    """
    depth = cv2.distanceTransform(dense.view(np.uint8), cv2.DIST_L2, 5)
    # Few levels of each, so that the sums of their products stay exact.
    prominence = box_mean(np.rint(depth * 4).clip(max=100) * (hematoxylin >> 2), PEAK_BLUR)
    window = np.ones((PEAK_WIDTH, PEAK_WIDTH), np.uint8)
    peaks = dense & (prominence >= cv2.dilate(prominence, window))
    _, components = cv2.connectedComponents(peaks.view(np.uint8))
    y, x = np.nonzero(peaks)
    # The more prominent peak takes the pixels that are as near to one as to the other.
    order = np.argsort(-prominence[y, x], kind="stable")
    labels = _nearest(dense, y[order], x[order], components[y, x][order].astype(np.int32))
    kept = np.bincount(labels.ravel()) >= LEAST_AREA_PX
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]


@njit(cache=True)
def _nearest(
    dense: Bool, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], label: Int32
) -> Int32:
    """Label of the nearest point within `REACH_PX` of each dense pixel, 0 where there is none."""
    height, width = dense.shape
    labels = np.zeros((height, width), np.int32)
    distance = np.full((height, width), REACH_PX**2 + 1, np.int32)
    for k in range(len(label)):
        first, last = max(x[k] - REACH_PX, 0), min(x[k] + REACH_PX + 1, width)
        for i in range(max(y[k] - REACH_PX, 0), min(y[k] + REACH_PX + 1, height)):
            rows = (i - y[k]) ** 2
            for j in range(first, last):
                if dense[i, j]:
                    squared = rows + (j - x[k]) ** 2
                    if squared < distance[i, j]:
                        distance[i, j] = squared
                        labels[i, j] = label[k]
    return labels


def _touching(labels: Int32, inside: UInt8) -> Int32:
    """Numbers of the nuclei that a border cuts."""
    height, width = labels.shape
    beyond = np.ones((height + 2, width + 2), np.uint8)
    beyond[1:-1, 1:-1] = inside == 0
    border = cv2.dilate(beyond, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    return np.unique(labels[border])


def _measure(hematoxylin: UInt8, levels: int, labels: Int32, rim: UInt8, touching: Int32) -> Nuclei:
    sums = _sums(labels, hematoxylin, int(labels.max(initial=0)))
    area = sums[0]
    cx, cy = sums[1] / area, sums[2] / area
    # A pixel is a square, whose own second moment is 1/12.
    xx = sums[3] / area - cx**2 + 1 / 12
    yy = sums[4] / area - cy**2 + 1 / 12
    xy = sums[5] / area - cx * cy
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    mean = sums[6] / area
    variance = sums[7] / area - mean**2
    whole = np.ones(len(area) + 1, bool)
    whole[touching] = False
    return Nuclei(
        mask=np.where(labels > 0, np.uint8(255), np.uint8(0)),
        rim=rim,
        whole=whole[1:],
        centre_px=np.stack([cx, cy], axis=1),
        area_px=area.astype(np.float64),
        elongation=1 - np.sqrt((middle - half).clip(min=0) / (middle + half)),
        axis=np.asarray(((xx - yy) / 2 + 1j * xy) / np.maximum(half, 1e-12), np.complex128),
        mean=mean / levels,
        sd=np.sqrt(variance.clip(min=0)) / levels,
    )


@njit(cache=True)
def _sums(labels: Int32, hematoxylin: UInt8, number: int) -> npt.NDArray[np.int64]:
    """Sum 1, x, y, xx, yy, xy, h and hh over the pixels of each label 1 to `number`."""
    sums = np.zeros((8, number), np.int64)
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
    return sums
