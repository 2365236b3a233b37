"""Concentrations of hematoxylin and eosin, pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.phantoms.cells import Discs, Nuclei
from histohet.phantoms.fields import Bytes, Field, Numbers, resize, smooth_noise
from histohet.phantoms.layout import PITCH_UM, Layout, trait_of_kind
from histohet.phantoms.phenotype import NAMES, TRAITS, Scores
from histohet.phantoms.stamps import ramp, stamp_mucin, stamp_nuclei, stamp_red_cells
from histohet.phantoms.texture import FIBRE_PITCH_UM, GRAIN_PITCH_UM

# The planes of `Canvas.maps`.
MATTER, GLAND, LUMEN, VESSEL, SECRETION, EOSIN, BASOPHILIA, STROMA, THICKNESS = range(9)
N_MAPS = 9
# Nothing stamped reaches further.
MARGIN_UM = 20.0


class Canvas(NamedTuple):
    """What a slide is painted from.

    Attributes
    ----------
    maps
        float32 (height, width, `N_MAPS`) on the layout's grid: the layout's distance maps,
        secretion, eosin and basophilia of the cytoplasm, eosin of the stroma, section thickness.
    fibre
        Direction-following texture.
    grain
        Fine and coarse periodic grain.
    nuclei, mucin, red_cells
        What is stamped on it.
    """

    maps: Field
    fibre: Bytes
    grain: Field
    nuclei: Nuclei
    mucin: Discs
    red_cells: Discs


def make_maps(layout: Layout, scores: Scores, drift: Field, rng: np.random.Generator) -> Field:
    """Stack what the painter interpolates; see `Canvas.maps`."""
    shape = layout.gland.shape
    cytoplasm = []
    for name in ("eosin", "basophilia"):
        of_kind = trait_of_kind(name, scores).astype(np.float32)
        vary = np.exp(np.float32(TRAITS[name].spread) * drift[NAMES.index(name)])
        cytoplasm.append(of_kind[layout.kind] * resize(vary, shape))
    stroma = 0.30 * smooth_noise(shape, 150 / PITCH_UM, rng)
    stroma += 0.22 * smooth_noise(shape, 500 / PITCH_UM, rng)
    stroma = np.float32(0.55) * np.exp(stroma)
    thickness = 0.07 * smooth_noise(shape, 900 / PITCH_UM, rng)
    thickness += 0.05 * smooth_noise(shape, 180 / PITCH_UM, rng)
    maps = np.empty((*shape, N_MAPS), np.float32)
    maps[..., MATTER], maps[..., GLAND], maps[..., LUMEN] = (
        layout.matter,
        layout.gland,
        layout.lumen,
    )
    maps[..., VESSEL], maps[..., SECRETION] = layout.vessel, layout.secretion
    maps[..., EOSIN], maps[..., BASOPHILIA] = cytoplasm
    maps[..., STROMA], maps[..., THICKNESS] = stroma, np.exp(thickness)
    return maps


def paint_block(
    canvas: Canvas, x0: int, y0: int, shape: tuple[int, int], mpp: float
) -> tuple[Field, Field]:
    """Paint one block of the slide.

    Parameters
    ----------
    canvas
        What the slide consists of.
    x0, y0
        Level-0 pixel of the block's corner; may be negative.
    shape
        Height and width of the block, pixels.
    mpp
        Pixel size.

    Returns
    -------
    hematoxylin, eosin
        float32 concentrations of `shape`.
    """
    hematoxylin, eosin = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    _ground(canvas.maps, canvas.fibre, canvas.grain, x0, y0, mpp, hematoxylin, eosin)
    top, bottom = y0 * mpp - MARGIN_UM, (y0 + shape[0]) * mpp + MARGIN_UM
    left, right = x0 * mpp - MARGIN_UM, (x0 + shape[1]) * mpp + MARGIN_UM

    def here(y: Numbers, x: Numbers) -> npt.NDArray[np.int64]:
        first, last = np.searchsorted(y, (top, bottom))
        near = (x[first:last] > left) & (x[first:last] < right)
        return np.arange(first, last)[near]

    mucin, red = canvas.mucin, canvas.red_cells
    stamp_mucin(mucin, here(mucin.y, mucin.x), x0, y0, mpp, hematoxylin, eosin)
    stamp_red_cells(red, here(red.y, red.x), x0, y0, mpp, eosin)
    nuclei = canvas.nuclei
    rows = here(nuclei.y, nuclei.x)
    stamp_nuclei(nuclei, rows, canvas.grain, x0, y0, mpp, hematoxylin, eosin)
    return hematoxylin, eosin


@njit(cache=True, inline="always")
def _bilinear(texture: Bytes, x: float, y: float) -> float:
    x = min(max(x, 0.0), texture.shape[1] - 1.001)
    y = min(max(y, 0.0), texture.shape[0] - 1.001)
    column, row = int(x), int(y)
    u, v = x - column, y - row
    upper = texture[row, column] * (1.0 - u) + texture[row, column + 1] * u
    lower = texture[row + 1, column] * (1.0 - u) + texture[row + 1, column + 1] * u
    return float(upper * (1.0 - v) + lower * v)


@njit(cache=True, error_model="numpy")
def _ground(
    maps: Field,
    fibre: Bytes,
    grain: Field,
    x0: int,
    y0: int,
    mpp: float,
    hematoxylin: Field,
    eosin: Field,
) -> None:
    """Paint everything but nuclei and red cells."""
    map_height, map_width = maps.shape[:2]
    grain_mask = grain.shape[0] - 1
    line = np.empty((map_width, N_MAPS), np.float32)
    v = np.empty(N_MAPS, np.float32)
    for i in range(hematoxylin.shape[0]):
        y_um = (y0 + i + 0.5) * mpp
        y = min(max(y_um / PITCH_UM - 0.5, 0.0), map_height - 1.001)
        row = int(y)
        part = np.float32(y - row)
        first = max(int(x0 * mpp / PITCH_UM) - 2, 0)
        last = min(int((x0 + hematoxylin.shape[1]) * mpp / PITCH_UM) + 3, map_width)
        for c in range(first, last):
            for k in range(N_MAPS):
                line[c, k] = maps[row, c, k] + part * (maps[row + 1, c, k] - maps[row, c, k])
        grain_row = int(y_um / GRAIN_PITCH_UM) & grain_mask
        for j in range(hematoxylin.shape[1]):
            x_um = (x0 + j + 0.5) * mpp
            x = min(max(x_um / PITCH_UM - 0.5, 0.0), map_width - 1.001)
            column = int(x)
            share = np.float32(x - column)
            near, far = line[column], line[column + 1]
            if (
                max(near[MATTER], far[MATTER]) < -3.0
                and max(near[SECRETION], far[SECRETION]) == 0.0
            ):
                continue
            for k in range(N_MAPS):
                v[k] = near[k] + share * (far[k] - near[k])
            grain_column = int(x_um / GRAIN_PITCH_UM) & grain_mask
            fine = grain[grain_row, grain_column, 0]
            coarse = grain[grain_row, grain_column, 1]
            # A little jitter keeps the interpolated fibres from looking smooth.
            strand = _bilinear(
                fibre,
                x_um / FIBRE_PITCH_UM - 0.5 + 0.3 * fine,
                y_um / FIBRE_PITCH_UM - 0.5 + 0.3 * coarse,
            )
            strand = (strand - 128.0) * 0.025

            ragged = 0.3 * coarse + (0.08 if v[GLAND] > 0 else 0.3) * strand
            tissue = ramp(v[MATTER] + ragged, 1.43)
            gland = ramp(v[GLAND] + 0.4 * coarse, 1.43)

            inside = outside = (0.0, 0.0)
            if gland > 0.0:
                inside = _cytoplasm(v, strand, fine, coarse)
            if gland < 1.0:
                outside = _stroma(v, strand, fine, coarse)
            basic = inside[0] * gland + outside[0] * (1.0 - gland)
            acid = inside[1] * gland + outside[1] * (1.0 - gland)
            clumps = max(0.8 + 0.35 * coarse + 0.3 * strand, 0.0)
            fluid = v[SECRETION] * ramp(v[LUMEN] - 1.5, 0.25) * clumps
            stained = v[THICKNESS] * tissue
            hematoxylin[i, j] = max(stained * basic, 0.0)
            eosin[i, j] = max(stained * acid + (1.0 - tissue) * fluid, 0.0)


@njit(cache=True, error_model="numpy", inline="always")
def _cytoplasm(v: Field, strand: float, fine: float, coarse: float) -> tuple[float, float]:
    """Hematoxylin and eosin of gland cells: streaked lengthwise, denser at the luminal border."""
    basic = v[BASOPHILIA] * (1.0 + 0.12 * strand + 0.10 * coarse)
    border = 1.0 - min(abs(v[LUMEN] + 0.8) * 0.83, 1.0)
    acid = v[EOSIN] * (1.0 + 0.09 * strand + 0.07 * fine + 0.06 * coarse)
    acid *= 1.0 + 0.25 * border
    return basic, acid


@njit(cache=True, error_model="numpy", inline="always")
def _stroma(v: Field, strand: float, fine: float, coarse: float) -> tuple[float, float]:
    """Hematoxylin and eosin of fibre bundles with pale gaps; denser around vessels and glands."""
    body = min(max(0.6 + 0.3 * strand, 0.1), 1.4)
    gap = ramp(strand + 1.1 + 2.2 * (v[STROMA] - 0.4), 1.25)
    acid = v[STROMA] * (0.3 + 0.8 * body) * (0.22 + 0.78 * gap) * (1.0 + 0.08 * fine)
    acid += 0.35 * ramp(v[VESSEL] + 5.0, 0.5) * (1.0 + 0.2 * strand)
    acid += 0.14 * (1.0 - min(abs(v[GLAND] + 1.2) * 0.77, 1.0))
    return 0.05 + 0.03 * coarse + 0.05 * body, acid
