"""What spoils a slide: ink on the cover glass and patches out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from histohet.phantoms.fields import Field, blur, smooth_noise
from histohet.phantoms.territory import LAND_PITCH_UM


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
