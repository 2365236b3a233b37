"""Features of a tile's nuclei: their number, order, shape and chromatin, and the cytoplasm."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histohet.encoders.stain_texture.layers import LEVELS, SHARE_LEVELS, Layers
from histohet.encoders.stain_texture.masked_statistics import contrast_within, mean_within
from histohet.encoders.stain_texture.nuclei import Nuclei, box_sum

Float64 = npt.NDArray[np.float64]

PIXEL_UM = 0.5
CLUMP_WIDTH = 5  # px, box applied twice: chromatin clumps are finer


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


def _quantile(values: Float64, share: float) -> float:
    """Quantile by linear interpolation; NumPy's own takes longer to check its arguments."""
    return float(np.interp(share, np.linspace(0, 1, len(values)), np.sort(values)))
