"""Nuclei of one tile: where hematoxylin is dense, cut apart at the crests between its peaks.

Everything that decides is an integer or an exact sum of integers, so that a tile and its mirror
image give the same nuclei.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

MASK_WIDTH = 3  # px, box applied twice before thresholding: sensor noise and JPEG blocks
PEAK_WIDTH = 7  # px, box applied twice before peaks are sought: chromatin clumps
PEAK_RADIUS = 5  # px, no two peaks are closer
LEAST_CONTRAST = 0.15  # optical density between nuclei and the rest; less is noise
THRESHOLD_RANGE = (0.25, 1.0)  # optical density of hematoxylin
LEAST_AREA_PX = 40  # 10 µm² at 0.5 µm per pixel: smaller is debris


class Nuclei(NamedTuple):
    """Nuclei of a tile, one row each.

    Attributes
    ----------
    mask
        bool (height, width), nuclear pixels.
    rim
        bool (height, width), the outermost ring of those.
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
        complex128 (n,), exp(2i times the angle of the major axis).
    mean, sd
        float64 (n,), of the hematoxylin within the nucleus, optical density.
    """

    mask: Bool
    rim: Bool
    whole: Bool
    centre_px: Float64
    area_px: Float64
    elongation: Float64
    axis: npt.NDArray[np.complex128]
    mean: Float64
    sd: Float64

    @property
    def count(self) -> float:
        """Number of nuclei, those cut by a border counted half: half of them belong next door."""
        return float(self.whole.sum() + 0.5 * (~self.whole).sum())


def find_nuclei(hematoxylin: UInt8, levels: int, inside: Bool, tissue: Bool) -> Nuclei:
    """Find and measure the nuclei of a tile.

    Parameters
    ----------
    hematoxylin
        uint8 (height, width), optical density times `levels`.
    levels
        Grey levels per unit of optical density.
    inside
        bool (height, width), pixels that belong to the tile at all.
    tissue
        bool (height, width), those of them that are stained.
    """
    height, width = hematoxylin.shape
    smooth = box_mean(hematoxylin, MASK_WIDTH)
    mask = np.zeros((height, width), bool)
    threshold = _threshold(np.rint(smooth[tissue]).astype(np.uint8), levels)
    if threshold is not None:
        mask = tissue & (smooth > threshold)
    labels = _split(hematoxylin, mask)
    mask = labels > 0
    # OpenCV erodes as if the tile went on: a nucleus cut by the border has no rim there.
    core = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return _measure(hematoxylin / float(levels), labels, mask & ~core, _touches(labels, inside))


def box_mean(values: npt.NDArray[np.uint8], width: int) -> Float64:
    """Triangular local mean by two box filters; exact, as the sums are integers below 2**53."""
    for _ in range(2):
        values = cv2.boxFilter(  # type: ignore[assignment]
            values, cv2.CV_64F, (width, width), normalize=False, borderType=cv2.BORDER_REFLECT
        )
    return np.asarray(values, np.float64) / float(width**4)


def _threshold(values: UInt8, levels: int) -> float | None:
    """Otsu's threshold within `THRESHOLD_RANGE`, or None where the tile has one tone only."""
    if not len(values):
        return None
    counts = np.bincount(values, minlength=256).astype(np.float64)
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


def _split(hematoxylin: UInt8, mask: Bool) -> npt.NDArray[np.int32]:
    """Give each pixel of `mask` to its nearest peak and drop what is too small."""
    smooth = box_mean(hematoxylin, PEAK_WIDTH)
    offset = np.arange(-PEAK_RADIUS, PEAK_RADIUS + 1)
    disc = (offset[:, None] ** 2 + offset**2 <= PEAK_RADIUS * (PEAK_RADIUS + 1)).astype(np.uint8)
    peaks = mask & (smooth >= cv2.dilate(smooth, disc))
    if not peaks.any():
        return np.zeros(mask.shape, np.int32)
    _, nearest = cv2.distanceTransformWithLabels(
        (~peaks).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    labels = np.where(mask, nearest, 0)
    sizes = np.bincount(labels.ravel())
    kept = sizes >= LEAST_AREA_PX
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]


def _touches(labels: npt.NDArray[np.int32], inside: Bool) -> npt.NDArray[np.int32]:
    """Labels of the nuclei that a border cuts."""
    beyond = np.ones((labels.shape[0] + 2, labels.shape[1] + 2), np.uint8)
    beyond[1:-1, 1:-1] = ~inside
    border = cv2.dilate(beyond, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    return np.unique(labels[border])


def _measure(
    density: Float64,
    labels: npt.NDArray[np.int32],
    rim: Bool,
    touching: npt.NDArray[np.int32],
) -> Nuclei:
    y, x = np.nonzero(labels)
    which = labels[y, x]
    n = int(labels.max(initial=0))

    def total(values: npt.NDArray[np.number] | None = None) -> Float64:
        return np.bincount(which, values, minlength=n + 1)[1:].astype(np.float64)

    area = total()
    cx, cy = total(x) / area, total(y) / area
    # A pixel is a square, whose own second moment is 1/12.
    xx = total(x * x) / area - cx**2 + 1 / 12
    yy = total(y * y) / area - cy**2 + 1 / 12
    xy = total(x * y) / area - cx * cy
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    value = density[y, x]
    mean = total(value) / area
    variance = total(value * value) / area - mean**2
    turn = np.where(half > 0, ((xx - yy) / 2 + 1j * xy) / np.where(half > 0, half, 1), 0)
    whole = np.ones(n + 1, bool)
    whole[touching] = False
    return Nuclei(
        mask=labels > 0,
        rim=rim,
        whole=whole[1:],
        centre_px=np.stack([cx, cy], axis=1),
        area_px=area,
        elongation=1 - np.sqrt((middle - half).clip(min=0) / (middle + half)),
        axis=turn,
        mean=mean,
        sd=np.sqrt(variance.clip(min=0)),
    )
