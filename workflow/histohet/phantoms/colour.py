"""From dye concentrations to the picture a scanner delivers."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.phantoms.fields import Bytes, Field, periodic_noise
from histohet.phantoms.overlay import defocus_patches, pen_strokes, window
from histohet.phantoms.paint import Canvas, paint_block
from histohet.phantoms.plan import PhantomPlan

BLOCK_PX = 1024
# Blocks overlap by what their point spread function reaches: the scanner's, or out of focus.
SHARP_REACH_UM, DEFOCUS_REACH_UM = 2.0, 10.0
DEFOCUS_UM = 2.6

# Optical density of felt-tip ink, RGB.
INK = {"green": (1.5, 0.35, 1.0), "blue": (1.6, 1.0, 0.2), "black": (1.9, 1.9, 1.8)}

# Optical densities are looked up in steps of 1/256 up to this value.
DENSITY_STEPS, DENSITY_MAX = 256, 8
STEPS, HALF = np.float32(DENSITY_STEPS), np.float32(0.5)


def expose(
    plan: PhantomPlan,
    canvas: Canvas,
    depth: Field,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Bytes:
    """Scan the slide.

    Beer-Lambert law with the plan's stain vectors, ink on the cover glass, point spread function,
    defocus, sensor noise.

    Parameters
    ----------
    plan
        Stain, scanner, pen and blur.
    canvas
        What to paint.
    depth
        Signed distance to the tissue's outline, see `Territory`.
    shape
        Height and width of level 0.
    rng
        Source of randomness.

    Returns
    -------
    uint8 (height, width, 3), RGB
    """
    ink = pen_strokes(depth, rng) if plan.pen else None
    defocus = defocus_patches(depth, plan.blurred_patches, rng) if plan.blurred_patches else None
    sensor = np.round(periodic_noise(512, 0.45, rng) * plan.scanner.noise).astype(np.int8)
    density, table = _density(plan), _light_table(plan)
    image = np.empty((*shape, 3), np.uint8)
    halo = int((SHARP_REACH_UM if defocus is None else DEFOCUS_REACH_UM) / plan.mpp)
    for x0, y0, width, height in _blocks(shape):
        outer = (x0 - halo, y0 - halo, (height + 2 * halo, width + 2 * halo))
        hematoxylin, eosin = paint_block(canvas, *outer, plan.mpp)
        marks = np.zeros((1, 1), np.float32) if ink is None else window(ink, *outer, plan.mpp)
        light = _transmit(hematoxylin, eosin, marks, density, table)
        seen = _focus(light, plan.scanner.psf_um / plan.mpp)
        if defocus is not None:
            seen = _blend(seen, window(defocus, *outer, plan.mpp), plan.mpp)
        inner = seen[halo : halo + height, halo : halo + width]
        image[y0 : y0 + height, x0 : x0 + width] = _add_noise(inner, sensor, x0, y0)
    return image


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield x, y, width, height of the blocks that cover the picture."""
    for y0 in range(0, shape[0], BLOCK_PX):
        for x0 in range(0, shape[1], BLOCK_PX):
            yield x0, y0, min(BLOCK_PX, shape[1] - x0), min(BLOCK_PX, shape[0] - y0)


def _density(plan: PhantomPlan) -> Field:
    """Optical density of a unit of hematoxylin, eosin and ink; (3, RGB)."""
    return np.array(
        [
            np.multiply(plan.stain.hematoxylin, plan.stain.hematoxylin_strength),
            np.multiply(plan.stain.eosin, plan.stain.eosin_strength),
            INK[plan.pen] if plan.pen else (0.0, 0.0, 0.0),
        ],
        np.float32,
    )


def _light_table(plan: PhantomPlan) -> Bytes:
    """Grey level per optical density step and channel; (densities, RGB)."""
    density = np.arange(DENSITY_STEPS * DENSITY_MAX) / DENSITY_STEPS
    grey = np.exp(-density * plan.scanner.gamma)[:, None] * np.array(plan.scanner.white)
    return np.asarray(np.round(grey), np.uint8)


@njit(cache=True)
def _transmit(hematoxylin: Field, eosin: Field, ink: Field, density: Field, light: Bytes) -> Bytes:
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


def _focus(light: Bytes, sigma_px: float, reach_px: int = 0) -> Bytes:
    """Apply a Gaussian point spread function, cut off at `reach_px` if that is given."""
    size = (2 * reach_px + 1, 2 * reach_px + 1) if reach_px else (0, 0)
    return np.asarray(cv2.GaussianBlur(light, size, sigma_px), np.uint8)


def _blend(seen: Bytes, defocus: Field, mpp: float) -> Bytes:
    """Replace the picture by a blurred one as far as it is out of focus."""
    if not defocus.any():
        return seen
    soft = _focus(seen, DEFOCUS_UM / mpp, int(DEFOCUS_REACH_UM / mpp)).astype(np.float32)
    return np.asarray(np.round(seen + defocus[..., None] * (soft - seen)), np.uint8)


@njit(cache=True)
def _add_noise(image: Bytes, sensor: npt.NDArray[np.int8], x0: int, y0: int) -> Bytes:
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
