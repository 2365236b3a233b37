"""Concentrations of hematoxylin and eosin, pixel by pixel.

The ground is painted first; mucin, red cells and nuclei are stamped onto it one by one. What lies
outside a block, whose corner is the level-0 pixel (x0, y0), is clipped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from histohet.common.arrays import Ints, UInt8
from histohet.phantoms.cells import Discs, Nuclei
from histohet.phantoms.fields import (
    FIBRE_PITCH_UM,
    GRAIN_PITCH_UM,
    Field,
    Numbers,
    resize,
    smooth_noise,
)
from histohet.phantoms.layout import PITCH_UM, Layout, trait_of_kind
from histohet.phantoms.phenotype import NAMES, TRAITS, Scores

# Largest reach of a nucleus beyond its semi-axis, as a factor.
REACH = 1.35
# Keeps grain indices positive on all sides of a nucleus.
GRAIN_ORIGIN_UM = 64.0

# The planes of `Canvas.maps`.
MATTER, GLAND, LUMEN, VESSEL, SECRETION, EOSIN, BASOPHILIA, STROMA, THICKNESS = range(9)
N_MAPS = 9
# Nothing stamped reaches further.
MARGIN_UM = 20.0

Rows = Ints


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
    fibre: UInt8
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

    def here(y: Numbers, x: Numbers) -> Ints:
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
def _bilinear(texture: UInt8, x: float, y: float) -> float:
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
    fibre: UInt8,
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


@njit(cache=True, inline="always")
def ramp(distance_um: float, slope_per_um: float) -> float:
    """0 well outside, 1 well inside, linear in between."""
    return min(max(distance_um * slope_per_um + 0.5, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def stamp_mucin(
    mucin: Discs, rows: Rows, x0: int, y0: int, mpp: float, hematoxylin: Field, eosin: Field
) -> None:
    """Thin the cytoplasm to what mucin leaves of it."""
    height, width = eosin.shape
    for n in rows:
        cx, cy = mucin.x[n] / mpp - x0, mucin.y[n] / mpp - y0
        reach = mucin.radius[n] / mpp + 2
        for i in range(max(int(cy - reach), 0), min(int(cy + reach) + 2, height)):
            for j in range(max(int(cx - reach), 0), min(int(cx + reach) + 2, width)):
                away_um = np.hypot(j + 0.5 - cx, i + 0.5 - cy) * mpp
                cover = ramp(mucin.radius[n] - away_um, 1.0)
                eosin[i, j] *= 1.0 - 0.86 * cover
                hematoxylin[i, j] *= 1.0 - 0.55 * cover


@njit(cache=True, error_model="numpy")
def stamp_red_cells(red: Discs, rows: Rows, x0: int, y0: int, mpp: float, eosin: Field) -> None:
    """Paint discs of strong eosin, a little paler in the middle."""
    height, width = eosin.shape
    for n in rows:
        radius = red.radius[n]
        cx, cy = red.x[n] / mpp - x0, red.y[n] / mpp - y0
        reach = radius / mpp + 2
        for i in range(max(int(cy - reach), 0), min(int(cy + reach) + 2, height)):
            for j in range(max(int(cx - reach), 0), min(int(cx + reach) + 2, width)):
                away_um = np.hypot(j + 0.5 - cx, i + 0.5 - cy) * mpp
                density = 1.25 * (0.8 + 0.3 * (away_um / radius) ** 2)
                cover = ramp(radius - away_um, 1.25)
                eosin[i, j] += cover * max(density - 0.6 * eosin[i, j], 0.0)


@njit(cache=True, error_model="numpy")
def stamp_nuclei(
    nuclei: Nuclei,
    rows: Rows,
    grain: Field,
    x0: int,
    y0: int,
    mpp: float,
    hematoxylin: Field,
    eosin: Field,
) -> None:
    """Paint nuclei: an uneven outline, chromatin, a rim, and nucleoli."""
    height, width = hematoxylin.shape
    mask = grain.shape[0] - 1
    for n in rows:
        along, across = nuclei.along[n], nuclei.across[n]
        cx, cy = nuclei.x[n] / mpp - x0, nuclei.y[n] / mpp - y0
        c, s = np.cos(nuclei.angle[n]), np.sin(nuclei.angle[n])
        reach_x = (REACH * np.hypot(along * c, across * s) + 0.5) / mpp
        reach_y = (REACH * np.hypot(along * s, across * c) + 0.5) / mpp
        # A nucleus has its own grain and outline, the same in whichever block it is seen.
        own = int(nuclei.x[n] * 37.0) * 31 + int(nuclei.y[n] * 41.0) * 17
        cos_2, sin_2 = np.cos(own % 628 / 100.0), np.sin(own % 628 / 100.0)
        cos_3, sin_3 = np.cos(own // 7 % 628 / 100.0), np.sin(own // 7 % 628 / 100.0)
        # Two nucleoli, at opposite sides of the middle.
        spot_u, spot_v = 0.45 * along * cos_3, 0.4 * across * sin_3
        for i in range(max(int(cy - reach_y), 0), min(int(cy + reach_y) + 2, height)):
            for j in range(max(int(cx - reach_x), 0), min(int(cx + reach_x) + 2, width)):
                dx, dy = (j + 0.5 - cx) * mpp, (i + 0.5 - cy) * mpp
                u, v = dx * c + dy * s, dy * c - dx * s
                p, q = u / along, v / across
                radius = np.sqrt(p * p + q * q) + 1e-6
                if radius > REACH:
                    continue
                # Second and third harmonics of the direction dent the ellipse.
                e, f = p / radius, q / radius
                e2, f2 = e * e - f * f, 2.0 * e * f
                e3, f3 = e * e2 - f * f2, f * e2 + e * f2
                dent = cos_2 * e2 + sin_2 * f2 + cos_3 * e3 + sin_3 * f3
                depth_um = (1.0 - radius * (1.0 + nuclei.roughness[n] * dent)) * across
                cover = ramp(depth_um, 1.67)
                if cover == 0.0:
                    continue
                spot = min(
                    (u - spot_u) ** 2 + (v - spot_v) ** 2, (u + spot_u) ** 2 + (v + spot_v) ** 2
                )
                gi = (int((dy + GRAIN_ORIGIN_UM) / GRAIN_PITCH_UM) + own) & mask
                gj = (int((dx + GRAIN_ORIGIN_UM) / GRAIN_PITCH_UM) + own // 3) & mask
                amount = _chromatin(nuclei, n, depth_um, spot, grain[gi, gj, 0], grain[gi, gj, 1])
                old = hematoxylin[i, j]
                hematoxylin[i, j] = old + cover * (amount - 0.8 * min(old, amount))
                eosin[i, j] *= 1.0 - 0.5 * cover


@njit(cache=True, error_model="numpy", inline="always")
def _chromatin(
    nuclei: Nuclei, n: int, depth_um: float, spot_um2: float, fine: float, coarse: float
) -> float:
    """Hematoxylin at a depth below the outline and a squared distance from the nucleolus."""
    density = 1.0 + 0.34 * nuclei.coarseness[n] * coarse + 0.1 * fine
    density *= 1.0 - 0.5 * nuclei.vesicular[n] * ramp(depth_um - 0.9, 1.25)
    density *= 1.0 + 0.2 * (1.0 - min(abs(depth_um - 0.35) * 2.0, 1.0))
    if nuclei.nucleolus[n] > 0.3:
        density += 0.9 * nuclei.nucleolus[n] * np.exp(-spot_um2 / 0.6)
    return float(nuclei.hematoxylin[n] * max(density, 0.15))
