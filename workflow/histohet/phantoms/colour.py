"""From dye concentrations to the picture a scanner delivers, with what spoils a slide.

That is ink on the cover glass, and patches out of focus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import UInt8
from histohet.phantoms.fields import Field, blur, periodic_noise, smooth_noise
from histohet.phantoms.plan import PhantomPlan, Section
from histohet.phantoms.territory import LAND_PITCH_UM

BLOCK_PX = 1024
# Blocks overlap by what their point spread function reaches: the scanner's, or out of focus.
SHARP_REACH_UM, DEFOCUS_REACH_UM = 2.0, 10.0
DEFOCUS_UM = 2.6

# Optical density of felt-tip ink, RGB.
INK = {"green": (1.5, 0.35, 1.0), "blue": (1.6, 1.0, 0.2), "black": (1.9, 1.9, 1.8)}

# Optical densities are looked up in steps of 1/256 up to this value.
DENSITY_STEPS, DENSITY_MAX = 256, 8
STEPS, HALF = np.float32(DENSITY_STEPS), np.float32(0.5)


Painter = Callable[[int, int, tuple[int, int], float], tuple[Field, Field]]
"""Paints hematoxylin and eosin of a block of a section, see `paint.paint_block`."""


class Marks(NamedTuple):
    """What spoils a slide; each may be absent.

    Attributes
    ----------
    ink
        See `pen_strokes`.
    defocus
        See `defocus_patches`.
    """

    ink: Field | None = None
    defocus: Field | None = None


CLEAN = Marks()


def draw_marks(plan: PhantomPlan, depth: Field, rng: np.random.Generator) -> Marks:
    """Draw ink and defocus where the plan has them; `depth` as in `Territory`."""
    return Marks(
        pen_strokes(depth, rng) if plan.pen else None,
        defocus_patches(depth, plan.blurred_patches, rng) if plan.blurred_patches else None,
    )


def expose(
    section: Section,
    paint: Painter,
    shape: tuple[int, int],
    rng: np.random.Generator,
    marks: Marks = CLEAN,
) -> UInt8:
    """Scan the slide.

    Beer-Lambert law with the plan's stain vectors, ink on the cover glass, point spread function,
    defocus, sensor noise.

    Parameters
    ----------
    section
        Its stain and scanner.
    paint
        See `Painter`.
    shape
        Height and width of level 0.
    rng
        Source of randomness.
    marks
        What spoils it.

    Returns
    -------
    uint8 (height, width, 3), RGB
    """
    ink, defocus = marks
    mpp = section.mpp
    sensor = np.round(periodic_noise(512, 0.45, rng) * section.scanner.noise).astype(np.int8)
    density, table = _density(section), _light_table(section)
    image = np.empty((*shape, 3), np.uint8)
    halo = int((SHARP_REACH_UM if defocus is None else DEFOCUS_REACH_UM) / mpp)
    for x0, y0, width, height in _blocks(shape):
        outer = (x0 - halo, y0 - halo, (height + 2 * halo, width + 2 * halo))
        hematoxylin, eosin = paint(*outer, mpp)
        inked = np.zeros((1, 1), np.float32) if ink is None else window(ink, *outer, mpp)
        light = _transmit(hematoxylin, eosin, inked, density, table)
        seen = _focus(light, section.scanner.psf_um / mpp)
        if defocus is not None:
            seen = _blend(seen, window(defocus, *outer, mpp), mpp)
        inner = seen[halo : halo + height, halo : halo + width]
        image[y0 : y0 + height, x0 : x0 + width] = _add_noise(inner, sensor, x0, y0)
    return image


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield x, y, width, height of the blocks that cover the picture."""
    for y0 in range(0, shape[0], BLOCK_PX):
        for x0 in range(0, shape[1], BLOCK_PX):
            yield x0, y0, min(BLOCK_PX, shape[1] - x0), min(BLOCK_PX, shape[0] - y0)


def _density(section: Section) -> Field:
    """Optical density of a unit of hematoxylin, eosin and ink; (3, RGB)."""
    return np.array(
        [
            np.multiply(section.stain.hematoxylin, section.stain.hematoxylin_strength),
            np.multiply(section.stain.eosin, section.stain.eosin_strength),
            INK[section.pen] if section.pen else (0.0, 0.0, 0.0),
        ],
        np.float32,
    )


def _light_table(section: Section) -> UInt8:
    """Grey level per optical density step and channel; (densities, RGB)."""
    density = np.arange(DENSITY_STEPS * DENSITY_MAX) / DENSITY_STEPS
    grey = np.exp(-density * section.scanner.gamma)[:, None] * np.array(section.scanner.white)
    return np.asarray(np.round(grey), np.uint8)


@njit(cache=True)
def _transmit(hematoxylin: Field, eosin: Field, ink: Field, density: Field, light: UInt8) -> UInt8:
    """Beer-Lambert law through a table; `ink` may be a single pixel that stands for all."""
    height, width = hematoxylin.shape
    image = np.empty((height, width, 3), np.uint8)
    last = light.shape[0] - 1
    inked = ink.size > 1
    for i in range(height):
        for j in range(width):
            mark = ink[i, j] if inked else ink[0, 0]
            basic, acid = hematoxylin[i, j], eosin[i, j]
            for k in range(3):
                total = basic * density[0, k] + acid * density[1, k] + mark * density[2, k]
                image[i, j, k] = light[min(int(total * STEPS + HALF), last), k]
    return image


def _focus(light: UInt8, sigma_px: float, reach_px: int = 0) -> UInt8:
    """Apply a Gaussian point spread function, cut off at `reach_px` if that is given."""
    size = (2 * reach_px + 1, 2 * reach_px + 1) if reach_px else (0, 0)
    return np.asarray(cv2.GaussianBlur(light, size, sigma_px), np.uint8)


def _blend(seen: UInt8, defocus: Field, mpp: float) -> UInt8:
    """Replace the picture by a blurred one as far as it is out of focus."""
    if not defocus.any():
        return seen
    soft = _focus(seen, DEFOCUS_UM / mpp, int(DEFOCUS_REACH_UM / mpp)).astype(np.float32)
    return np.asarray(np.round(seen + defocus[..., None] * (soft - seen)), np.uint8)


@njit(cache=True)
def _add_noise(image: UInt8, sensor: npt.NDArray[np.int8], x0: int, y0: int) -> UInt8:
    noisy = np.empty_like(image)
    mask = sensor.shape[0] - 1
    for i in range(image.shape[0]):
        y = y0 + i
        for j in range(image.shape[1]):
            # Each row of repeats starts elsewhere.
            x = x0 + j + (y >> 9) * 37
            for k in range(3):
                # Each channel reads the noise elsewhere.
                grain = sensor[(y + 131 * k) & mask, (x + 197 * k) & mask]
                noisy[i, j, k] = min(max(np.int64(image[i, j, k]) + grain, 0), 255)
    return noisy


def pen_strokes(depth: Field, rng: np.random.Generator) -> Field:
    """Draw one to three strokes across the tissue's edge.

    Parameters
    ----------
    depth
        Signed distance to the tissue's outline on a grid of `LAND_PITCH_UM`.
    rng
        Source of randomness.

    Returns
    -------
    float32 of the same shape: amount of ink, 0 to about 1.
    """
    size = np.sqrt(depth.size)
    edge = np.argwhere(np.abs(depth) < 2 * LAND_PITCH_UM)
    strokes = np.zeros(depth.shape, np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        middle = edge[rng.integers(len(edge))][::-1]
        steps = int(rng.uniform(0.05, 0.13) * size)
        heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.035) * np.arange(steps)
        heading += 0.03 * rng.standard_normal(steps).cumsum()
        path = 4 * np.stack([np.cos(heading), np.sin(heading)], axis=1).cumsum(0)
        path += middle - path[steps // 2]
        thickness = max(int(rng.uniform(0.012, 0.03) * size), 2)
        cv2.polylines(strokes, [np.round(path).astype(np.int32)], False, 255, thickness)
    ink = blur(strokes.astype(np.float32) / 255, 0.8)
    patchy = np.clip(0.75 + 0.22 * smooth_noise(depth.shape, 6, rng), 0.2, 1.3)
    return np.asarray(ink * patchy, np.float32)


def defocus_patches(depth: Field, n_patches: int, rng: np.random.Generator) -> Field:
    """Mark roundish patches in the tissue; float32 of the same shape, 0 sharp to 1 out of focus."""
    y, x = np.indices(depth.shape, np.float32)
    inside = np.argwhere(depth > 0)
    patches = np.zeros(depth.shape, np.float32)
    for _ in range(n_patches):
        row, column = inside[rng.integers(len(inside))]
        radius = rng.uniform(0.05, 0.12) * np.sqrt(depth.size)
        away = np.hypot(y - row, x - column) / np.float32(radius)
        np.maximum(patches, np.clip(3 * (1 - away), 0, 1), out=patches)
    return patches


def window(overlay: Field, x0: int, y0: int, shape: tuple[int, int], mpp: float) -> Field:
    """Interpolate an overlay at the pixels of a block of the slide; float32 of `shape`."""
    fold = mpp / LAND_PITCH_UM
    at = np.array([[fold, 0, (x0 + 0.5) * fold - 0.5], [0, fold, (y0 + 0.5) * fold - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    seen = cv2.warpAffine(overlay, at, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)
