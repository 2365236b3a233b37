"""A descriptor of colour, texture and nuclei: an encoder that needs no weights.

It stands in for a foundation model where none is at hand: the demo, the tests, a machine without
GPU. It sees what a textbook describes (how dense, large, elongated, dark and clumped the nuclei
are, how they are spaced and aligned, how eosinophilic and how fibrous the rest is) and nothing of
what a network learns beyond that.

Hematoxylin and eosin are separated with the published vectors of Ruifrok & Johnston (2001), the
same for every slide, because a tile alone does not show the stain of its slide. Pixels that are
exactly black or exactly white are outside the epithelium mask and take no part in anything; glass
inside it counts as glass and otherwise takes no part either.

Every feature is put on a fixed scale, ``(value - centre) / spread`` with the constants of
`FEATURES`, and limited to ±`LIMIT`. A feature without a value (the shape of nuclei where there
are none) is 0, and so is the whole vector of a tile without tissue.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.encoders.nuclei import SQUARE_3, Nuclei, box_sum, find_nuclei
from histohet.stain import StainModel, stain_tables

UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PIXEL_UM = 0.5
SHARE_LEVELS = 10_000
LEVELS = 100  # grey levels per unit of optical density; saturated at 2.55
TABLES = stain_tables(StainModel(white=(245.0, 245.0, 245.0), reference=(1.0, 1.0)))
TISSUE_OD = 0.2  # summed over the channels: glass of an unknown, darker white stays below
LEAST_TISSUE_PX = 500  # 1 % of a tile
LIMIT = 4.0  # spreads from the centre; farther out is an artefact
LEAST_TILE_PX = 16

# Boxes (px, applied twice) between which the bands of texture lie, up to 3 µm.
BAND_WIDTHS = (3, 7, 15)
CLUMP_WIDTH = 5  # px, box applied twice: chromatin clumps are finer
FIBRE_WIDTH = 11  # px of half the resolution
RING = ((0, 2), (2, 2), (2, 0), (2, -2), (0, -2), (-2, -2), (-2, 0), (-2, 2))  # px, in order
RING_STEP = 4  # grey levels a neighbour must exceed the centre by; less is JPEG noise


class Feature(NamedTuple):
    """Name of a feature and its fixed scale."""

    name: str
    centre: float
    spread: float


# Units are in the functions that compute them. The constants come from masked tiles of the twelve
# GlaS colon images, a skin section, a breast carcinoma and twelve phantoms: centre is the mean of
# the slides' medians, spread the geometric mean of the standard deviations within slides and over
# all of them; rounded to two digits.
FEATURES = (
    Feature("glass", 0.12, 0.12),
    Feature("hematoxylin_mean", -1.19, 0.26),
    Feature("hematoxylin_cv", 0.56, 0.11),
    Feature("hematoxylin_low", 0.29, 0.084),
    Feature("hematoxylin_median", 0.61, 0.13),
    Feature("hematoxylin_high", 1.64, 0.2),
    Feature("eosin_mean", -1.32, 0.23),
    Feature("eosin_cv", 0.22, 0.063),
    Feature("eosin_low", 0.52, 0.096),
    Feature("eosin_median", 0.79, 0.082),
    Feature("eosin_high", 1.06, 0.11),
    Feature("stain_ratio", 0.13, 0.35),
    Feature("red_mean", 0.21, 0.03),
    Feature("red_sd", 0.056, 0.011),
    Feature("blue_mean", 0.204, 0.014),
    Feature("blue_sd", 0.027, 0.0065),
    Feature("fibres", 0.37, 0.065),
    Feature("band_3", -1.95, 0.27),
    Feature("band_7", -1.72, 0.23),
    Feature("band_15", -1.67, 0.23),
    Feature("pattern_0", 0.58, 0.084),
    Feature("pattern_1", 0.393, 0.026),
    Feature("pattern_2", 0.34, 0.036),
    Feature("pattern_3", 0.37, 0.043),
    Feature("pattern_4", 0.25, 0.045),
    Feature("pattern_5", 0.13, 0.034),
    Feature("pattern_6", 0.102, 0.027),
    Feature("pattern_7", 0.092, 0.029),
    Feature("pattern_8", 0.051, 0.021),
    Feature("pattern_9", 0.36, 0.058),
    Feature("nuclear_share", 0.29, 0.11),
    Feature("nuclear_density", 8.45, 0.72),
    Feature("spacing", 2.1, 0.18),
    Feature("spacing_cv", 0.31, 0.19),
    Feature("spacing_second", 0.3, 0.13),
    Feature("alignment", 0.18, 0.14),
    Feature("area_mean", 3.66, 0.33),
    Feature("area_cv", 0.43, 0.14),
    Feature("area_high", 0.42, 0.13),
    Feature("elongation_mean", 0.34, 0.058),
    Feature("elongation_sd", 0.137, 0.026),
    Feature("chromatin_mean", -0.72, 0.23),
    Feature("chromatin_between", 0.116, 0.027),
    Feature("chromatin_within", 0.21, 0.031),
    Feature("chromatin_within_sd", 0.075, 0.02),
    Feature("chromatin_rim", -0.22, 0.047),
    Feature("chromatin_clumps", 0.21, 0.047),
    Feature("nuclear_red", 0.28, 0.022),
    Feature("nuclear_blue", 0.193, 0.013),
    Feature("cytoplasm_hematoxylin", 0.33, 0.079),
    Feature("cytoplasm_eosin", -0.74, 0.34),
    Feature("cytoplasm_red", 0.18, 0.032),
    Feature("cytoplasm_blue", 0.213, 0.015),
)
CENTRE = np.array([feature.centre for feature in FEATURES])
SPREAD = np.array([feature.spread for feature in FEATURES])


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


class StainTexture:
    """Encoder of `FEATURES`; satisfies the protocol `Encoder`."""

    name = "stain_texture"

    def __init__(self) -> None:
        self.width = len(FEATURES)

    def encode(self, tiles: UInt8) -> Float32:
        """Describe tiles.

        Parameters
        ----------
        tiles
            uint8 (B, height, width, 3), RGB at 0.5 µm per pixel; black or white outside the mask.

        Returns
        -------
        numpy.ndarray
            float32 (B, width), one row per tile, each computed from that tile alone.

        Raises
        ------
        ValueError
            If `tiles` has another shape or type.
        """
        if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.dtype != np.uint8:
            raise ValueError(
                f"tiles are uint8 (B, height, width, 3), got {tiles.dtype} {tiles.shape}"
            )
        if min(tiles.shape[1:3]) < LEAST_TILE_PX:
            raise ValueError(f"tiles of {tiles.shape[1:3]} px: at least {LEAST_TILE_PX} are needed")
        vectors = [scale(describe(np.ascontiguousarray(tile))) for tile in tiles]
        return np.array(vectors, np.float32).reshape(len(tiles), self.width)


def scale(values: dict[str, float]) -> Float64:
    """Put features by name on their fixed scale, in the order of `FEATURES`; missing ones are 0."""
    known = np.array([values.get(name, centre) for name, centre, _ in FEATURES])
    scaled: Float64 = ((known - CENTRE) / SPREAD).clip(-LIMIT, LIMIT)
    return scaled


def describe(tile: UInt8) -> dict[str, float]:
    """Compute the features of a tile in their natural units, by name; none without tissue.

    Parameters
    ----------
    tile
        uint8 (height, width, 3), RGB at 0.5 µm per pixel.
    """
    layers = separate(tile)
    if cv2.countNonZero(layers.tissue) < LEAST_TISSUE_PX:
        return {}
    nuclei = find_nuclei(layers.hematoxylin, LEVELS, layers.inside, layers.tissue)
    return (
        colour(layers)
        | texture(layers)
        | nuclear_population(layers, nuclei)
        | nuclear_shape(nuclei)
        | nuclear_colour(layers, nuclei)
    )


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


def colour(layers: Layers) -> dict[str, float]:
    """How much of each stain, how evenly, and the hue."""
    tissue = layers.tissue
    values = {"glass": 1 - cv2.countNonZero(tissue) / cv2.countNonZero(layers.inside)}
    for name, stain in (("hematoxylin", layers.hematoxylin), ("eosin", layers.eosin)):
        mean, sd = _mean_sd(stain, tissue)
        low, median, high = _quantiles(stain, tissue, (0.1, 0.5, 0.9))
        values |= {
            f"{name}_mean": np.log((mean + 5) / LEVELS),
            f"{name}_cv": sd / (mean + 5),
            f"{name}_low": low / (mean + 5),
            f"{name}_median": median / (mean + 5),
            f"{name}_high": high / (mean + 5),
        }
    values["stain_ratio"] = values["hematoxylin_mean"] - values["eosin_mean"]
    for name, share in (("red", layers.red), ("blue", layers.blue)):
        mean, sd = _mean_sd(share, tissue)
        values |= {f"{name}_mean": mean / SHARE_LEVELS, f"{name}_sd": sd / SHARE_LEVELS}
    return values


def texture(layers: Layers) -> dict[str, float]:
    """Contrast of hematoxylin in bands of size, its binary patterns, and fibres."""
    stain, inside = layers.hematoxylin, layers.inside
    values: dict[str, float] = {"fibres": _fibres(layers)}
    mean = _mean(stain, layers.tissue) + 5
    finer: UInt8 | Float32 = stain
    for width in BAND_WIDTHS:
        coarser = box_sum(stain, width)
        # The mean over the pixels inside alone; elsewhere nobody reads it.
        coarser /= width**4 if inside.all() else box_sum(inside & np.uint8(1), width).clip(min=1)
        values[f"band_{width}"] = np.log(_contrast(finer, coarser, layers.tissue) / mean + 0.01)
        finer = coarser
    shares = np.sqrt(_binary_patterns(stain, layers.tissue))
    return values | {f"pattern_{i}": share for i, share in enumerate(shares)}


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
    cytoplasm = _image(cv2.subtract(layers.tissue, nuclei.mask))
    core = _image(cv2.subtract(nuclei.mask, nuclei.rim))
    if len(nuclei.area_px) < 3 or not cytoplasm.any() or not core.any():
        return {}
    mean = _mean(hematoxylin, nuclei.mask)
    rim = _mean(hematoxylin, nuclei.rim) if nuclei.rim.any() else mean
    clumps = _contrast(
        hematoxylin, box_sum(hematoxylin, CLUMP_WIDTH) / np.float32(CLUMP_WIDTH**4), core
    )
    return {
        "chromatin_mean": np.log(mean / LEVELS),
        "chromatin_between": nuclei.mean.std() / nuclei.mean.mean(),
        "chromatin_within": nuclei.sd.mean() / nuclei.mean.mean(),
        "chromatin_within_sd": nuclei.sd.std() / nuclei.mean.mean(),
        "chromatin_rim": (rim - _mean(hematoxylin, core)) / mean,
        "chromatin_clumps": clumps / mean,
        "nuclear_red": _mean(layers.red, nuclei.mask) / SHARE_LEVELS,
        "nuclear_blue": _mean(layers.blue, nuclei.mask) / SHARE_LEVELS,
        "cytoplasm_hematoxylin": _mean(hematoxylin, cytoplasm) / mean,
        "cytoplasm_eosin": np.log((_mean(layers.eosin, cytoplasm) + 5) / (mean + 5)),
        "cytoplasm_red": _mean(layers.red, cytoplasm) / SHARE_LEVELS,
        "cytoplasm_blue": _mean(layers.blue, cytoplasm) / SHARE_LEVELS,
    }


def _image(values: npt.ArrayLike) -> UInt8:
    """Give OpenCV's results the one type they have here."""
    return np.asarray(values, np.uint8)


def _mean(values: npt.NDArray[Any], where: UInt8) -> float:
    """Mean of whole numbers that are nowhere negative, 0 of nothing.

    OpenCV's norms are its fastest masked sums; of whole numbers they are exact, so that neither the
    order of summation nor the alignment of the memory shows.
    """
    return cv2.norm(values, cv2.NORM_L1, where) / max(cv2.countNonZero(where), 1)


def _rms(values: npt.NDArray[Any], where: UInt8) -> float:
    return cv2.norm(values, cv2.NORM_L2, where) / math.sqrt(max(cv2.countNonZero(where), 1))


def _mean_sd(values: npt.NDArray[Any], where: UInt8) -> tuple[float, float]:
    mean = _mean(values, where)
    return mean, math.sqrt(max(_rms(values, where) ** 2 - mean**2, 0.0))


def _contrast(finer: UInt8 | Float32, coarser: Float32, where: UInt8) -> float:
    """Root mean square of what a coarser mean has lost, in grey levels, to 1/64."""
    return _rms(np.rint((finer - coarser) * 64), where) / 64


def _quantiles(values: UInt8, where: UInt8, shares: tuple[float, ...]) -> Float64:
    """Quantiles of grey levels, interpolated within a level so that they move smoothly."""
    counts = cv2.calcHist([values], [0], where, [256], [0, 256])[:, 0]
    cumulated = np.concatenate([[0], np.cumsum(counts, dtype=np.float64)])
    at = np.array(shares) * cumulated[-1]
    return np.asarray(np.interp(at, cumulated, np.arange(257) - 0.5), np.float64)


def _quantile(values: Float64, share: float) -> float:
    """Quantile by linear interpolation; NumPy's own takes longer to check its arguments."""
    return float(np.interp(share, np.linspace(0, 1, len(values)), np.sort(values)))


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
    counts = cv2.calcHist([code], [0], _image(clear).ravel()[middle], [256], [0, 256])[:, 0]
    shares: Float64 = np.bincount(PATTERN_OF_CODE, counts, 10) / max(counts.sum(), 1)
    return shares


def _fibres(layers: Layers) -> float:
    """Coherence of the gradient of eosin in boxes of 11 µm (structure tensor), 0 to 1."""
    height, width = layers.eosin.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    eosin = cv2.resize(layers.eosin, half, interpolation=cv2.INTER_AREA)
    tissue = _image(cv2.resize(layers.tissue, half, interpolation=cv2.INTER_AREA)) & np.uint8(128)
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
    return _mean(coherent, tissue) / (_mean(xx + yy, tissue) + 1)


def _pattern_table() -> UInt8:
    """Class 0 to 9 of each of the 256 codes of `_binary_patterns`."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


PATTERN_OF_CODE = _pattern_table()
