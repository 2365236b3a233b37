"""Fine texture: fibres that follow a direction field, and grain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.phantoms.fields import Bytes, Field, periodic_noise
from histohet.phantoms.layout import PITCH_UM, Layout

FIBRE_PITCH_UM = 1.0
GRAIN_PITCH_UM = 0.25
GRAIN_SIZE = 1024

# Streamline: steps on each side and the length of one, in fibre pixels.
STROMA_STEPS, GLAND_STEPS = 8, 4
STEP_PX = 1.5
# Brings the sum to the contrast named in `fibre_texture`.
GAIN = 0.66


def fibre_texture(layout: Layout, rng: np.random.Generator) -> Bytes:
    """Smear noise along the direction field (line integral convolution, Cabral & Leedom 1993).

    Returns
    -------
    uint8 (height, width) on a grid of `FIBRE_PITCH_UM`
        128 + 40 times a field of about unit variance; 128 where there is no tissue.
    """
    fine, broad = (periodic_noise(GRAIN_SIZE, scale, rng) for scale in (0.6, 1.7))
    noise = np.round(np.clip(0.75 * fine + 0.65 * broad, -3, 3) * 40).astype(np.int8)
    fold = int(PITCH_UM / FIBRE_PITCH_UM)
    return _smear(layout.along_x, layout.along_y, layout.matter, layout.gland, noise, fold)


@njit(cache=True)
def _smear(
    along_x: Field,
    along_y: Field,
    matter: Field,
    gland: Field,
    noise: npt.NDArray[np.int8],
    fold: int,
) -> Bytes:
    height, width = matter.shape
    texture = np.full((height * fold, width * fold), np.uint8(128))
    mask = noise.shape[0] - 1
    to_map, step = np.float32(1.0 / fold), np.float32(STEP_PX)
    for row in range(height):
        for column in range(width):
            if matter[row, column] < -2.0:
                continue
            steps = GLAND_STEPS if gland[row, column] > 1.0 else STROMA_STEPS
            gain = np.float32(GAIN / np.sqrt(steps))
            for k in range(fold * fold):
                i, j = row * fold + k // fold, column * fold + k % fold
                total = np.int64(noise[i & mask, j & mask])
                for side in (-step, step):
                    x, y = np.float32(j + 0.5), np.float32(i + 0.5)
                    dx, dy = along_x[row, column] * side, along_y[row, column] * side
                    for _ in range(steps):
                        x += dx
                        y += dy
                        # Unsigned: one comparison, and no negative index to wrap.
                        r, c = np.uint64(np.int64(y * to_map)), np.uint64(np.int64(x * to_map))
                        if r >= np.uint64(height) or c >= np.uint64(width):
                            break
                        total += noise[np.int64(y) & mask, np.int64(x) & mask]
                        nx, ny = along_x[r, c] * step, along_y[r, c] * step
                        # Directions have no sign: keep going the way we came.
                        if nx * dx + ny * dy < 0:
                            nx, ny = -nx, -ny
                        dx, dy = nx, ny
                level = np.float32(128) + gain * np.float32(total)
                texture[i, j] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
    return texture


def grain_texture(rng: np.random.Generator) -> Field:
    """Two periodic grains, fine and coarse; float32 (1024, 1024, 2) at `GRAIN_PITCH_UM`."""
    scales_um = (0.22, 0.55)
    return np.stack(
        [periodic_noise(GRAIN_SIZE, um / GRAIN_PITCH_UM, rng) for um in scales_um], axis=2
    )
