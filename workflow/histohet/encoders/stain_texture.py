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

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histohet.encoders.nuclei import Nuclei, box_mean, find_nuclei
from histohet.stain import StainModel, concentrations, optical_density

UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PIXEL_UM = 0.5
LEVELS = 100  # grey levels per unit of optical density; saturated at 2.55
STAIN = StainModel(white=(245.0, 245.0, 245.0), reference=(1.0, 1.0))
TISSUE_OD = 0.2  # summed over the channels: glass of an unknown, darker white stays below
LEAST_TISSUE_PX = 500  # 1 % of a tile
LIMIT = 3.0

# Boxes (applied twice) whose differences are the bands of texture: 0.6 to 4.6 µm.
BAND_WIDTHS = (1, 3, 5, 9, 17)
RING = ((0, 2), (2, 2), (2, 0), (2, -2), (0, -2), (-2, -2), (-2, 0), (-2, 2))  # px, in order
RING_STEP = 4  # grey levels a neighbour must exceed the centre by; less is JPEG noise


class Feature(NamedTuple):
    """Name of a feature and its fixed scale."""

    name: str
    centre: float
    spread: float


# Rounded medians and spreads.
FEATURES = ()


class Layers(NamedTuple):
    """What the features are computed from; images of one tile.

    Attributes
    ----------
    inside, tissue
        bool (height, width), pixels within the epithelium mask, and the stained ones among them.
    density
        float32 (height, width, 3), optical density.
    hematoxylin, eosin
        uint8 (height, width), optical density times `LEVELS`, 0 outside.
    """

    inside: Bool
    tissue: Bool
    density: Float32
    hematoxylin: UInt8
    eosin: UInt8


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
        vectors = [scale(describe(np.ascontiguousarray(tile))) for tile in tiles]
        return np.array(vectors, np.float32).reshape(len(tiles), self.width)


def scale(values: dict[str, float]) -> Float64:
    """Put features by name on their fixed scale, in the order of `FEATURES`; missing ones are 0."""
    return np.array(
        [
            np.clip((values[name] - centre) / spread, -LIMIT, LIMIT) if name in values else 0.0
            for name, centre, spread in FEATURES
        ]
    )


def describe(tile: UInt8) -> dict[str, float]:
    """Compute the features of a tile in their natural units, by name; none without tissue.

    Parameters
    ----------
    tile
        uint8 (height, width, 3), RGB at 0.5 µm per pixel.
    """
    layers = separate(tile)
    if layers.tissue.sum() < LEAST_TISSUE_PX:
        return {}
    nuclei = find_nuclei(layers.hematoxylin, LEVELS, layers.inside, layers.tissue)
    return (
        colour(layers)
        | texture(layers)
        | nuclear_population(layers, nuclei)
        | nuclear_shape(layers, nuclei)
        | nuclear_colour(layers, nuclei)
    )


def separate(tile: UInt8) -> Layers:
    """Take a tile apart into what is inside, what is tissue, and its two stains."""
    # 0 and 765 are reached by pure black and pure white alone.
    total = np.einsum("yxc->yx", tile, dtype=np.uint16)
    inside = (total > 0) & (total < 765)
    density = optical_density(tile, STAIN)
    tissue = inside & (density[..., 0] + density[..., 1] + density[..., 2] > TISSUE_OD)
    grey = np.minimum(np.rint(concentrations(tile, STAIN) * LEVELS), 255) * inside[..., None]
    grey = grey.astype(np.uint8)
    return Layers(
        inside=inside,
        tissue=tissue,
        density=density,
        hematoxylin=np.ascontiguousarray(grey[..., 0]),
        eosin=np.ascontiguousarray(grey[..., 1]),
    )


def colour(layers: Layers) -> dict[str, float]:
    """How much of each stain, how evenly, and the hue."""
    values = {"glass": 1 - layers.tissue.sum() / layers.inside.sum()}
    hematoxylin, eosin = layers.hematoxylin[layers.tissue], layers.eosin[layers.tissue]
    for name, stain in (("hematoxylin", hematoxylin), ("eosin", eosin)):
        mean, sd = stain.mean() / LEVELS, stain.std() / LEVELS
        low, median, high = _quantiles(stain, (0.1, 0.5, 0.9)) / LEVELS
        values |= {
            f"{name}_mean": np.log(mean + 0.05),
            f"{name}_cv": sd / (mean + 0.05),
            f"{name}_low": low / (mean + 0.05),
            f"{name}_median": median / (mean + 0.05),
            f"{name}_high": high / (mean + 0.05),
        }
    values["stain_ratio"] = np.log((hematoxylin.mean() + 5) / (eosin.mean() + 5))
    h, e = hematoxylin - hematoxylin.mean(), eosin - eosin.mean()
    values["stain_correlation"] = (h * e).mean() / (h.std() * e.std() + 1)
    red, blue = _chromaticity(layers, layers.tissue)
    return values | {
        "red_mean": red.mean(),
        "red_sd": red.std(),
        "blue_mean": blue.mean(),
        "blue_sd": blue.std(),
    }


def texture(layers: Layers) -> dict[str, float]:
    """Contrast of each stain in bands of size, local binary patterns, fibres."""
    values: dict[str, float] = {}
    # Far enough inside that no filter of a fine texture sees the outside.
    weight = layers.inside.astype(np.uint8)
    for name, stain in (("hematoxylin", layers.hematoxylin), ("eosin", layers.eosin)):
        mean = stain[layers.tissue].mean() + 5
        smoother = [_mean_inside(stain, weight, width) for width in BAND_WIDTHS]
        for i, (fine, coarse) in enumerate(zip(smoother, smoother[1:], strict=False)):
            band = (fine - coarse)[layers.tissue]
            values[f"{name}_band_{i}"] = np.log(np.sqrt((band**2).mean()) / mean + 0.01)
    patterns = _binary_patterns(layers.hematoxylin, layers.tissue)
    values |= {f"pattern_{i}": float(share) for i, share in enumerate(np.sqrt(patterns))}
    return values | _fibres(layers)


def nuclear_population(layers: Layers, nuclei: Nuclei) -> dict[str, float]:
    """How many nuclei, how they are spaced, whether they point the same way."""
    tissue_mm2 = layers.tissue.sum() * (PIXEL_UM / 1000) ** 2
    values = {
        "nuclear_share": nuclei.mask.sum() / layers.tissue.sum(),
        "nuclear_density": np.log(nuclei.count / tissue_mm2 + 200),
    }
    if len(nuclei.area_px) < 3:
        return values
    distance = cKDTree(nuclei.centre_px).query(nuclei.centre_px, k=3)[0][:, 1:] * PIXEL_UM
    strength = nuclei.elongation.sum() + 1e-9
    return values | {
        "spacing": np.log(distance[:, 0].mean()),
        "spacing_cv": distance[:, 0].std() / distance[:, 0].mean(),
        "spacing_second": np.log(distance[:, 1].mean() / distance[:, 0].mean()),
        "alignment": abs((nuclei.elongation * nuclei.axis).sum()) / strength,
    }


def nuclear_shape(layers: Layers, nuclei: Nuclei) -> dict[str, float]:
    """Size and elongation, of the nuclei that no border cuts."""
    if nuclei.whole.sum() < 3:
        return {}
    area = nuclei.area_px[nuclei.whole] * PIXEL_UM**2
    elongation = nuclei.elongation[nuclei.whole]
    return {
        "area_mean": np.log(area.mean()),
        "area_cv": area.std() / area.mean(),
        "area_high": np.log(np.quantile(area, 0.9) / area.mean()),
        "elongation_mean": elongation.mean(),
        "elongation_sd": elongation.std(),
    }


def nuclear_colour(layers: Layers, nuclei: Nuclei) -> dict[str, float]:
    """Chromatin: how dark, how uneven, how clumped; and the cytoplasm between the nuclei."""
    cytoplasm = layers.tissue & ~nuclei.mask
    if len(nuclei.area_px) < 3 or not cytoplasm.any():
        return {}
    hematoxylin, eosin = layers.hematoxylin, layers.eosin
    inner, outer = hematoxylin[nuclei.mask], hematoxylin[cytoplasm]
    rim, core = hematoxylin[nuclei.rim], hematoxylin[nuclei.mask & ~nuclei.rim]
    mean = inner.mean()
    clumps = hematoxylin - box_mean(hematoxylin, 5)
    red, blue = _chromaticity(layers, nuclei.mask)
    cytoplasm_red, cytoplasm_blue = _chromaticity(layers, cytoplasm)
    values = {
        "chromatin_mean": np.log(mean / LEVELS),
        "chromatin_between": nuclei.mean.std() / nuclei.mean.mean(),
        "chromatin_within": nuclei.sd.mean() / nuclei.mean.mean(),
        "chromatin_within_sd": nuclei.sd.std() / nuclei.mean.mean(),
        "nuclear_red": red.mean(),
        "nuclear_blue": blue.mean(),
        "cytoplasm_hematoxylin": outer.mean() / mean,
        "cytoplasm_eosin": np.log((eosin[cytoplasm].mean() + 5) / (mean + 5)),
        "cytoplasm_red": cytoplasm_red.mean(),
        "cytoplasm_blue": cytoplasm_blue.mean(),
    }
    if len(core):
        values["chromatin_core"] = (core.mean() - rim.mean()) / mean if len(rim) else 0.0
        values["chromatin_clumps"] = np.sqrt((clumps[nuclei.mask & ~nuclei.rim] ** 2).mean()) / mean
    return values


def _quantiles(values: UInt8, shares: tuple[float, ...]) -> Float64:
    """Quantiles of grey levels, interpolated within a level so that they move smoothly."""
    cumulated = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=256))])
    return np.interp(np.array(shares) * cumulated[-1], cumulated, np.arange(257) - 0.5)


def _chromaticity(layers: Layers, where: Bool) -> tuple[Float64, Float64]:
    """Share of red and of blue in the optical density of the pixels `where`."""
    density = layers.density[where].astype(np.float64)
    total = density.sum(axis=1) + 1e-3
    return density[:, 0] / total, density[:, 2] / total


def _mean_inside(stain: UInt8, weight: UInt8, width: int) -> Float64:
    """Local mean over the pixels inside; where all are, the plain mean."""
    if width == 1:
        return stain.astype(np.float64)
    mean = box_mean(stain, width)
    return mean if weight.all() else mean / np.maximum(box_mean(weight, width), 1e-9)


def _binary_patterns(stain: UInt8, tissue: Bool) -> Float64:
    """Shares of the rotation-invariant uniform binary patterns on a ring of 8 neighbours.

    Ojala et al. (2002), with a step that a neighbour must exceed the centre by. Pattern i < 9 has i
    brighter neighbours in one arc, the last are all others.
    """
    height, width = stain.shape
    inner = np.s_[2 : height - 2, 2 : width - 2]
    bar = cv2.add(stain[inner], RING_STEP)
    code = np.zeros(bar.shape, np.uint8)
    for bit, (dy, dx) in enumerate(RING):
        neighbour = stain[2 + dy : height - 2 + dy, 2 + dx : width - 2 + dx]
        code |= (neighbour > bar).view(np.uint8) << bit
    clear = cv2.erode(tissue.view(np.uint8), np.ones((5, 5), np.uint8))[inner] > 0
    counts = np.bincount(PATTERN_OF_CODE[code[clear]], minlength=10)
    return counts / max(counts.sum(), 1)


def _fibres(layers: Layers) -> dict[str, float]:
    """Coherence of the gradient of eosin in boxes of some 10 µm (structure tensor)."""
    gx = cv2.Sobel(layers.eosin, cv2.CV_32F, 1, 0)
    gy = cv2.Sobel(layers.eosin, cv2.CV_32F, 0, 1)
    xx, yy, xy = (
        cv2.boxFilter(p, cv2.CV_64F, (21, 21), normalize=False) for p in (gx * gx, gy * gy, gx * gy)
    )
    energy = (xx + yy)[layers.tissue]
    coherent = np.hypot(xx - yy, 2 * xy)[layers.tissue]
    return {"fibres": coherent.sum() / (energy.sum() + 1)}


def _pattern_table() -> UInt8:
    """Class 0 to 9 of each of the 256 codes of `_binary_patterns`."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


PATTERN_OF_CODE = _pattern_table()
