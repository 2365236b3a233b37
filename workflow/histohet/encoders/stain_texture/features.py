"""Features of a tile's tissue as a whole: colour, texture, fibres."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histohet.encoders.stain_texture.layers import LEVELS, SHARE_LEVELS, Layers
from histohet.encoders.stain_texture.masked_statistics import (
    contrast_within,
    mean_sd_within,
    mean_within,
    quantiles_within,
)
from histohet.encoders.stain_texture.nuclei import SQUARE_3, box_sum

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

# Boxes (px, applied twice) between which the bands of texture lie, up to 3 µm.
BAND_WIDTHS = (3, 7, 15)
FIBRE_WIDTH = 11  # px of half the resolution
RING = ((0, 2), (2, 2), (2, 0), (2, -2), (0, -2), (-2, -2), (-2, 0), (-2, 2))  # px, in order
RING_STEP = 4  # grey levels a neighbour must exceed the centre by; less is JPEG noise


def colour(layers: Layers) -> dict[str, float]:
    """How much of each stain, how evenly, and the hue."""
    tissue = layers.tissue
    values = {"glass": 1 - cv2.countNonZero(tissue) / cv2.countNonZero(layers.inside)}
    for name, stain in (("hematoxylin", layers.hematoxylin), ("eosin", layers.eosin)):
        mean, sd = mean_sd_within(stain, tissue)
        low, median, high = quantiles_within(stain, tissue, (0.1, 0.5, 0.9))
        values |= {
            f"{name}_mean": np.log((mean + 5) / LEVELS),
            f"{name}_cv": sd / (mean + 5),
            f"{name}_low": low / (mean + 5),
            f"{name}_median": median / (mean + 5),
            f"{name}_high": high / (mean + 5),
        }
    values["stain_ratio"] = values["hematoxylin_mean"] - values["eosin_mean"]
    for name, share in (("red", layers.red), ("blue", layers.blue)):
        mean, sd = mean_sd_within(share, tissue)
        values |= {f"{name}_mean": mean / SHARE_LEVELS, f"{name}_sd": sd / SHARE_LEVELS}
    return values


def texture(layers: Layers) -> dict[str, float]:
    """Contrast of hematoxylin in bands of size, its binary patterns, and fibres."""
    stain, inside = layers.hematoxylin, layers.inside
    values: dict[str, float] = {"fibres": _fibres(layers)}
    mean = mean_within(stain, layers.tissue) + 5
    finer: UInt8 | Float32 = stain
    for width in BAND_WIDTHS:
        coarser = box_sum(stain, width)
        # The mean over the pixels inside alone; elsewhere nobody reads it.
        coarser /= width**4 if inside.all() else box_sum(inside & np.uint8(1), width).clip(min=1)
        contrast = contrast_within(finer, coarser, layers.tissue)
        values[f"band_{width}"] = np.log(contrast / mean + 0.01)
        finer = coarser
    shares = np.sqrt(_binary_patterns(stain, layers.tissue))
    return values | {f"pattern_{i}": share for i, share in enumerate(shares)}


def _binary_patterns(stain: UInt8, tissue: UInt8) -> Float64:
    """Shares of the rotation-invariant uniform binary patterns on a ring of 8 neighbours.

    Ojala et al. (2002), with a step that a neighbour must exceed the centre by. Pattern i < 9 has i
    brighter neighbours in one arc, the last are all others.
    """
    width = stain.shape[1]
    # One row after the other in one long line, where a neighbour is a fixed number of pixels away.
    line, margin = stain.ravel(), 2 * width + 2
    middle = slice(margin, stain.size - margin)
    bar = np.minimum(line[middle], 255 - RING_STEP) + np.uint8(RING_STEP)
    code = np.zeros(bar.shape, np.uint8)
    for bit, (dy, dx) in enumerate(RING):
        away = dy * width + dx
        neighbour = line[middle.start + away : middle.stop + away]
        code += (neighbour > bar).view(np.uint8) * np.uint8(1 << bit)
    clear = cv2.erode(
        tissue, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    counted = np.asarray(clear, np.uint8).ravel()[middle]
    counts = cv2.calcHist([code], [0], counted, [256], [0, 256])[:, 0]
    shares: Float64 = np.bincount(PATTERN_OF_CODE, counts, 10) / max(counts.sum(), 1)
    return shares


def _fibres(layers: Layers) -> float:
    """Coherence of the gradient of eosin in boxes of 11 µm (structure tensor), 0 to 1."""
    height, width = layers.eosin.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    eosin = cv2.resize(layers.eosin, half, interpolation=cv2.INTER_AREA)
    covered = cv2.resize(layers.tissue, half, interpolation=cv2.INTER_AREA)
    tissue = np.asarray(covered, np.uint8) & np.uint8(128)
    # The step from tissue to glass or to the outside is no fibre.
    clear = cv2.erode(tissue, SQUARE_3)
    # A quarter of Sobel's sum, so that the boxes below stay exact in single precision.
    gx, gy = (
        cv2.copyTo(cv2.Sobel(eosin, cv2.CV_16S, dx, dy, scale=0.25), clear).astype(np.int32)
        for dx, dy in ((1, 0), (0, 1))
    )
    box = (FIBRE_WIDTH, FIBRE_WIDTH)
    xx, yy, xy = (
        cv2.boxFilter(product, cv2.CV_32F, box, normalize=False)
        for product in (gx * gx, gy * gy, gx * gy)
    )
    # Not OpenCV's magnitude, whose last bit depends on where in memory the images lie.
    coherent = np.rint(np.sqrt(np.square(xx - yy) + np.square(2 * xy)))
    return mean_within(coherent, tissue) / (mean_within(xx + yy, tissue) + 1)


def _pattern_table() -> UInt8:
    """Class 0 to 9 of each of the 256 codes of `_binary_patterns`."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


PATTERN_OF_CODE = _pattern_table()
