"""Features of a tile: colour, texture and fibres of its tissue, and its nuclei and cytoplasm."""

from __future__ import annotations

import cv2
import numpy as np

from histohet.common.arrays import Float32, Floats, UInt8
from histohet.encoders.stain_texture.layers import (
    LEVELS,
    SHARE_LEVELS,
    Layers,
    contrast_within,
    mean_sd_within,
    mean_within,
    quantiles_within,
)
from histohet.encoders.stain_texture.nuclei import SQUARE_3, Nuclei, box_sum

# Boxes (px, applied twice) between which the bands of texture lie, up to 3 µm.
BAND_WIDTHS = (3, 7, 15)
FIBRE_WIDTH = 11  # px of half the resolution
RING = ((0, 2), (2, 2), (2, 0), (2, -2), (0, -2), (-2, -2), (-2, 0), (-2, 2))  # px, in order
RING_STEP = 4  # grey levels a neighbour must exceed the centre by; less is JPEG noise
PIXEL_UM = 0.5
CLUMP_WIDTH = 5  # px, box applied twice: chromatin clumps are finer


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


def _binary_patterns(stain: UInt8, tissue: UInt8) -> Floats:
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
    shares: Floats = np.bincount(PATTERN_OF_CODE, counts, 10) / max(counts.sum(), 1)
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


def nuclear_population(layers: Layers, nuclei: Nuclei) -> dict[str, float]:
    """How many nuclei, how they are spaced, whether they point the same way."""
    tissue_px = cv2.countNonZero(layers.tissue)
    density_mm2 = nuclei.number / (tissue_px * (PIXEL_UM / 1000) ** 2)
    values = {
        "nuclear_share": cv2.countNonZero(nuclei.mask) / tissue_px,
        "nuclear_density": np.log(density_mm2 + 200),
    }
    if len(nuclei.area_px) < 3:
        return values
    x, y = nuclei.centre_px.T
    squared = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    # The nearest to each, at 0, is that nucleus itself.
    distance = np.sqrt(np.sort(squared)[:, 1:3]) * PIXEL_UM
    strength = nuclei.elongation.sum() + 1e-9
    return values | {
        "spacing": np.log(distance[:, 0].mean()),
        "spacing_cv": distance[:, 0].std() / distance[:, 0].mean(),
        "spacing_second": np.log(distance[:, 1].mean() / distance[:, 0].mean()),
        "alignment": abs((nuclei.elongation * nuclei.axis).sum()) / strength,
    }


def nuclear_shape(nuclei: Nuclei) -> dict[str, float]:
    """Size and elongation, of the nuclei that no border cuts."""
    if nuclei.whole.sum() < 3:
        return {}
    area = nuclei.area_px[nuclei.whole] * PIXEL_UM**2
    elongation = nuclei.elongation[nuclei.whole]
    return {
        "area_mean": np.log(area.mean()),
        "area_cv": area.std() / area.mean(),
        "area_high": np.log(_quantile(area, 0.9) / area.mean()),
        "elongation_mean": elongation.mean(),
        "elongation_sd": elongation.std(),
    }


def nuclear_colour(layers: Layers, nuclei: Nuclei) -> dict[str, float]:
    """Chromatin: how dark, how uneven, how clumped; and the cytoplasm between the nuclei."""
    hematoxylin = layers.hematoxylin
    cytoplasm = np.asarray(cv2.subtract(layers.tissue, nuclei.mask), np.uint8)
    core = np.asarray(cv2.subtract(nuclei.mask, nuclei.rim), np.uint8)
    if len(nuclei.area_px) < 3 or not cytoplasm.any() or not core.any():
        return {}
    mean = mean_within(hematoxylin, nuclei.mask)
    rim = mean_within(hematoxylin, nuclei.rim) if nuclei.rim.any() else mean
    clumps = contrast_within(
        hematoxylin, box_sum(hematoxylin, CLUMP_WIDTH) / np.float32(CLUMP_WIDTH**4), core
    )
    return {
        "chromatin_mean": np.log(mean / LEVELS),
        "chromatin_between": nuclei.mean.std() / nuclei.mean.mean(),
        "chromatin_within": nuclei.sd.mean() / nuclei.mean.mean(),
        "chromatin_within_sd": nuclei.sd.std() / nuclei.mean.mean(),
        "chromatin_rim": (rim - mean_within(hematoxylin, core)) / mean,
        "chromatin_clumps": clumps / mean,
        "nuclear_red": mean_within(layers.red, nuclei.mask) / SHARE_LEVELS,
        "nuclear_blue": mean_within(layers.blue, nuclei.mask) / SHARE_LEVELS,
        "cytoplasm_hematoxylin": mean_within(hematoxylin, cytoplasm) / mean,
        "cytoplasm_eosin": np.log((mean_within(layers.eosin, cytoplasm) + 5) / (mean + 5)),
        "cytoplasm_red": mean_within(layers.red, cytoplasm) / SHARE_LEVELS,
        "cytoplasm_blue": mean_within(layers.blue, cytoplasm) / SHARE_LEVELS,
    }


def _quantile(values: Floats, share: float) -> float:
    """Quantile by linear interpolation; NumPy's own takes longer to check its arguments."""
    return float(np.interp(share, np.linspace(0, 1, len(values)), np.sort(values)))
