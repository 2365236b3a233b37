"""A descriptor of colour, texture and nuclei: an encoder that needs no weights.

It stands in for a foundation model where none is at hand: the demo, the tests, a machine without
GPU. It sees what a textbook describes (how dense, large, elongated, dark and clumped the nuclei
are, how they are spaced and aligned, how eosinophilic and how fibrous the rest is) and nothing of
what a network learns beyond that.

Every feature is put on a fixed scale, ``(value - centre) / spread`` with the constants of
`FEATURES`, and limited to ±`LIMIT`. A feature without a value (the shape of nuclei where there
are none) is 0, and so is the whole vector of a tile without tissue.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from histohet.common.arrays import Float32, Floats, UInt8
from histohet.encoders.stain_texture.features import (
    colour,
    nuclear_colour,
    nuclear_population,
    nuclear_shape,
    texture,
)
from histohet.encoders.stain_texture.layers import LEVELS, separate
from histohet.encoders.stain_texture.nuclei import find_nuclei

LEAST_TISSUE_PX = 500  # 1 % of a tile
LIMIT = 4.0  # spreads from the centre; farther out is an artefact
LEAST_TILE_PX = 16


class Feature(NamedTuple):
    """Name of a feature and its fixed scale."""

    name: str
    centre: float
    spread: float


# Units are in the functions that compute them, in `features`. The constants come from masked tiles
# of the twelve GlaS colon images, a skin section, a breast carcinoma and twelve phantoms: centre is
# the mean of the slides' medians, spread the geometric mean of the standard deviations within
# slides and over all of them; rounded to two digits.
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
            Or with the mask as a fourth channel, 0 outside.

        Returns
        -------
        numpy.ndarray
            float32 (B, width), one row per tile, each computed from that tile alone.

        Raises
        ------
        ValueError
            If `tiles` has another shape or type.
        """
        if tiles.ndim != 4 or tiles.shape[3] not in (3, 4) or tiles.dtype != np.uint8:
            raise ValueError(
                f"tiles are uint8 (B, height, width, 3 or 4), got {tiles.dtype} {tiles.shape}"
            )
        if min(tiles.shape[1:3]) < LEAST_TILE_PX:
            raise ValueError(f"tiles of {tiles.shape[1:3]} px: at least {LEAST_TILE_PX} are needed")
        if tiles.shape[3] == 4:
            tiles = np.where(tiles[..., 3:], tiles[..., :3], np.uint8(0))
        vectors = [scale(describe(np.ascontiguousarray(tile))) for tile in tiles]
        return np.array(vectors, np.float32).reshape(len(tiles), self.width)


def scale(values: dict[str, float]) -> Floats:
    """Put features by name on their fixed scale, in the order of `FEATURES`; missing ones are 0."""
    known = np.array([values.get(name, centre) for name, centre, _ in FEATURES])
    scaled: Floats = ((known - CENTRE) / SPREAD).clip(-LIMIT, LIMIT)
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
