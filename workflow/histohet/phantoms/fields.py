"""Random fields, distance maps and fine texture: the raw material of tissue."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import Bools, Float32, Floats, Int32, UInt8

Field = Float32
Points = Floats
Numbers = npt.NDArray[np.floating[Any]]

FIBRE_PITCH_UM = 1.0
GRAIN_PITCH_UM = 0.25
GRAIN_SIZE = 1024

# Streamline: steps on each side and the length of one, in fibre pixels.
STROMA_STEPS, GLAND_STEPS = 8, 4
STEP_PX = 1.5
# Brings the sum to the contrast named in `fibre_texture`.
GAIN = 0.66


def blur(field: Numbers, sigma_px: float) -> Field:
    """Smooth with a Gaussian; float32."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), np.float32)


def resize(field: Numbers, shape: tuple[int, ...], interpolation: int = cv2.INTER_LINEAR) -> Field:
    """Interpolate to `shape` (height, width); float32."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(field, size, interpolation=interpolation), np.float32)


def slope(field: Field, sigma_px: float) -> tuple[Field, Field]:
    """Return the gradient (x, y) of the smoothed field, up to a factor."""
    smooth = blur(field, sigma_px)
    rise_x, rise_y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(rise_x, np.float32), np.asarray(rise_y, np.float32)


def smooth_noise(shape: tuple[int, ...], scale_px: float, rng: np.random.Generator) -> Field:
    """Draw a smooth Gaussian field with about unit variance and zero mean.

    Parameters
    ----------
    shape
        Height and width.
    scale_px
        Distance over which the field changes, in its own pixels.
    rng
        Source of randomness.

    Returns
    -------
    float32 array of `shape`
    """
    step = max(scale_px / 2.5, 1.0)
    border = 8
    coarse = (int(shape[0] / step) + 2 * border, int(shape[1] / step) + 2 * border)
    grains = cv2.GaussianBlur(
        rng.standard_normal(coarse, dtype=np.float32), (0, 0), scale_px / step
    )
    grains = grains[border // 2 : -border // 2, border // 2 : -border // 2]
    grains = (grains - grains.mean()) / grains.std()
    return resize(grains, shape, cv2.INTER_CUBIC)


def periodic_noise(size: int, scale_px: float, rng: np.random.Generator) -> Field:
    """Draw a smooth field (size, size) that tiles the plane; zero mean, unit variance."""
    margin = int(4 * scale_px) + 1
    grains = np.pad(rng.standard_normal((size, size), dtype=np.float32), margin, mode="wrap")
    inner = slice(margin, margin + size)
    field = blur(grains, scale_px)[inner, inner]
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def distance_inside(mask: Bools, pitch_um: float) -> Field:
    """Return each pixel's distance (µm) to the nearest pixel outside `mask`; 0 outside."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance * pitch_um, np.float32)


def signed_distance(mask: Bools, pitch_um: float) -> Field:
    """Return the distance (µm) to the border of `mask`, positive inside, negative outside."""
    return distance_inside(mask, pitch_um) - distance_inside(~mask, pitch_um)


def nearest_seed(points: Points, shape: tuple[int, ...], pitch_um: float) -> tuple[Int32, Field]:
    """Assign each pixel of a grid to its nearest point.

    Parameters
    ----------
    points
        (n, 2), x and y in µm from the grid's corner; n at least 1. Where two fall on one pixel, the
        later one wins.
    shape
        Height and width of the grid.
    pitch_um
        Pixel size of the grid.

    Returns
    -------
    index
        int32, row number of the nearest point.
    distance
        float32, µm to it.
    """
    column, row = np.floor(points / pitch_um).astype(int).T
    column, row = np.clip(column, 0, shape[1] - 1), np.clip(row, 0, shape[0] - 1)
    free = np.ones(shape, np.uint8)
    free[row, column] = 0
    distance, pixel_label = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index_of_label = np.zeros(int(pixel_label.max()) + 1, np.int32)
    index_of_label[pixel_label[row, column]] = np.arange(len(points), dtype=np.int32)
    return index_of_label[pixel_label], np.asarray(distance * pitch_um, np.float32)


def sample(field: npt.NDArray[Any], points: npt.NDArray[Any], pitch_um: float) -> npt.NDArray[Any]:
    """Return the value of the pixel under each point ((n, 2), x and y in µm)."""
    column, row = np.floor(points / pitch_um).astype(int).T
    row, column = np.clip(row, 0, field.shape[0] - 1), np.clip(column, 0, field.shape[1] - 1)
    values: npt.NDArray[Any] = field[row, column]
    return values


@njit(cache=True)
def throw_darts(points: Points, along: Numbers, across: Numbers, angle: Numbers) -> Bools:
    """Keep points, in the order given, unless their ellipse overlaps one already kept.

    Overlap is approximate: the other's centre lies in an ellipse in this one's frame whose
    semi-axes are the sums of both.

    Parameters
    ----------
    points
        (n, 2), x and y, not negative.
    along, across
        (n,) semi-axes, in the unit of the points, with `along` not smaller than `across`.
    angle
        (n,) direction of `along`, radians.

    Returns
    -------
    bool (n,)
    """
    n = points.shape[0]
    kept = np.zeros(n, np.bool_)
    if n == 0:
        return kept
    reach = 2.0 * along.max()
    columns = int(points[:, 0].max() / reach) + 1
    rows = int(points[:, 1].max() / reach) + 1
    first = np.full(rows * columns, -1, np.int64)
    following = np.full(n, -1, np.int64)
    for i in range(n):
        x, y = points[i, 0], points[i, 1]
        c, s = np.cos(angle[i]), np.sin(angle[i])
        column, row = int(x / reach), int(y / reach)
        free = True
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for k in range(max(column - 1, 0), min(column + 2, columns)):
                j = first[r * columns + k]
                while j >= 0 and free:
                    dx, dy = points[j, 0] - x, points[j, 1] - y
                    u = (dx * c + dy * s) / (along[i] + along[j])
                    v = (dy * c - dx * s) / (across[i] + across[j])
                    free = u * u + v * v > 1.0
                    j = following[j]
        if free:
            kept[i] = True
            following[i] = first[row * columns + column]
            first[row * columns + column] = i
    return kept


def fibre_texture(
    along: tuple[Field, Field],
    matter: Field,
    gland: Field,
    pitch_um: float,
    rng: np.random.Generator,
) -> UInt8:
    """Smear noise along the direction field (line integral convolution, Cabral & Leedom 1993).

    Parameters
    ----------
    along, matter, gland
        Fields of `Layout`; `along` is (`along_x`, `along_y`).
    pitch_um
        Pixel size of their grid.
    rng
        Source of randomness.

    Returns
    -------
    uint8 (height, width) on a grid of `FIBRE_PITCH_UM`
        128 + 40 times a field of about unit variance; 128 where there is no tissue.
    """
    fine, broad = (periodic_noise(GRAIN_SIZE, scale, rng) for scale in (0.6, 1.7))
    noise = np.round(np.clip(0.75 * fine + 0.65 * broad, -3, 3) * 40).astype(np.int8)
    fold = int(pitch_um / FIBRE_PITCH_UM)
    return _smear(*along, matter, gland, noise, fold)


@njit(cache=True)
def _smear(
    along_x: Field,
    along_y: Field,
    matter: Field,
    gland: Field,
    noise: npt.NDArray[np.int8],
    fold: int,
) -> UInt8:
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
