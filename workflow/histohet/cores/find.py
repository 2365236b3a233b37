"""Where the cores of an array are: round pieces of tissue of a known size, whatever they hold."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage

from histohet.common.arrays import Bools, Float32, Floats
from histohet.common.otsu import otsu_split
from histohet.slides.reader import Pixels

CORE_PX = 28
"""Diameter of a core in the picture that is searched."""

WIDTHS = tuple(round(0.7 + 0.06 * step, 2) for step in range(8))
"""Diameters that are tried, over the nominal one: sections shrink, needles wear out."""

RING, RING_WEIGHT = 1.35, 0.5
"""Outer radius of the ring around a disc, in radii, and how much tissue there counts against it: by
half, since neighbours may touch."""

DISTINCT = 0.4
"""Response of a core that is one beyond doubt: most are above .7."""

FAINTEST = 0.1
"""Response below which nobody sees a core."""

CLOSEST = 0.9
"""Least distance of two centres, in diameters."""

GLASS_WINDOW, GLASS_SHARE = 3.25, 20
"""The glass around a place: this percentile within so many diameters."""

STAINED = 0.2
"""Optical density, summed over red, green and blue, above which all tissue is alike."""

LEAST_STAIN = 0.04
"""Least threshold of tissue: faint cores have .05 to .1, dust on glass .005."""

LONGEST = 2.0
"""What touches the edge of the picture and is longer, in diameters, is the edge of a cover slip."""


class Discs(NamedTuple):
    """Where cores may be.

    Attributes
    ----------
    xy
        float64 (N, 2), centres, px of the picture, strongest first.
    response
        float64 (N,), share of the disc that is tissue less half of that of the ring around it.
    diameter
        The one that fits best, px.
    """

    xy: Floats
    response: Floats
    diameter: float


def find_discs(picture: Pixels, diameter: float) -> Discs:
    """Find round pieces of tissue, also sparse, torn and touching ones.

    Parameters
    ----------
    picture
        uint8 (H, W, 3), RGB.
    diameter
        Nominal diameter of a core, px; about `CORE_PX`.
    """
    tissue = tissue_of(picture, diameter)
    found = [_discs_of(tissue, width * diameter) for width in WIDTHS]
    # Where the disc is as wide as the cores it is full, and the ring around it empty.
    return max(found, key=_fit)


def _fit(discs: Discs) -> float:
    distinct = discs.response[discs.response > DISTINCT]
    return float(np.median(distinct)) if len(distinct) else 0.0


def tissue_of(picture: Pixels, diameter: float) -> Float32:
    """Return how much of a pixel is tissue: float32 (H, W), 0 to 1."""
    density = cv2.GaussianBlur(stain_over_glass(picture, diameter), (0, 0), 0.6)
    counts, edges = np.histogram(np.clip(density, 0, STAINED), bins=200, range=(0, STAINED))
    split = otsu_split(edges[:-1], counts)
    threshold = LEAST_STAIN if split is None else max(float(edges[split.last_below]), LEAST_STAIN)
    coloured = density > threshold / 2
    kept = np.where(_at_edge(coloured, LONGEST * diameter), 0, density)
    return np.clip(kept / threshold, 0, 1).astype(np.float32)


def stain_over_glass(picture: Pixels, diameter: float) -> Float32:
    """Return the optical density beyond that of the glass around: float32 (H, W)."""
    density = -np.log10(np.maximum(picture, 1).astype(np.float32) / 255).sum(axis=2)
    height, width = density.shape
    shrink = 4 / diameter
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    coarse = cv2.resize(density, size, interpolation=cv2.INTER_AREA)
    window = int(GLASS_WINDOW * 4)
    glass = ndimage.percentile_filter(coarse, GLASS_SHARE, size=window)
    glass = ndimage.gaussian_filter(glass, window / 3)
    return np.asarray(density - cv2.resize(glass, (width, height)), np.float32)


def _at_edge(coloured: Bools, longest: float) -> Bools:
    """Return which pixels belong to what touches the edge of the picture and is too long."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(coloured.astype(np.uint8))
    height, width = coloured.shape
    touches = np.zeros(count, np.bool_)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touches[side] = True
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    dropped = touches & (sides > min(longest, max(height, width)))
    dropped[0] = False
    found: Bools = dropped[labels]
    return found


def _discs_of(tissue: Float32, diameter: float) -> Discs:
    """Find discs of one diameter."""
    radius = diameter / 2
    inside, around = _mean_within(tissue, radius), _mean_within(tissue, RING * radius)
    ring = (RING**2 * around - inside) / (RING**2 - 1)
    response = inside - RING_WEIGHT * ring
    xy = _peaks(response, CLOSEST * diameter)
    return Discs(xy.astype(np.float64), response[xy[:, 1], xy[:, 0]].astype(np.float64), diameter)


def _mean_within(values: Float32, radius: float) -> Float32:
    """Return the mean (H, W) within a disc around every pixel; beyond the edge there is nothing."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    mean = cv2.filter2D(values, -1, disc / disc.sum(), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(mean, np.float32)


def _peaks(response: Float32, apart: float) -> np.ndarray:
    """Return the highest pixels (N, 2), x and y, highest first, none closer than `apart`."""
    side = int(apart) | 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    is_peak = (response >= cv2.dilate(response, around)) & (response > FAINTEST)
    xy = np.argwhere(is_peak)[:, ::-1]
    xy = xy[np.argsort(-response[xy[:, 1], xy[:, 0]], kind="stable")]
    kept: list[int] = []
    for number, place in enumerate(xy):
        if not kept or np.hypot(*(xy[kept] - place).T).min() >= apart:
            kept.append(number)
    return xy[kept]
