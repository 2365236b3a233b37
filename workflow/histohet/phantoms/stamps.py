"""Things painted one by one onto the ground: mucin, red cells, nuclei.

Each function paints the listed rows onto a block of the slide whose corner is the level-0 pixel
(x0, y0); what lies outside the block is clipped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.phantoms.cells import Discs, Nuclei
from histohet.phantoms.fields import Field
from histohet.phantoms.texture import GRAIN_PITCH_UM

# Largest reach of a nucleus beyond its semi-axis, as a factor.
REACH = 1.35
# Keeps grain indices positive on all sides of a nucleus.
GRAIN_ORIGIN_UM = 64.0

Rows = npt.NDArray[np.int64]


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
