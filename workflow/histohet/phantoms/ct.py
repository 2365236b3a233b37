"""CTs of a small trunk with a tumour in the wall of its stomach, which takes up most contrast.

Coordinates are mm from the middle of the volume: x to the patient's left, y to the back, z upwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histohet.common.arrays import Bools, Floats
from histohet.phantoms.scan_plan import ScanPlan

SHAPE, SPACING_MM = (36, 56, 68), 3.0
"""Voxels (z, y, x) and their side."""

AIR_HU, FAT_HU, FLUID_HU = -1000.0, -100.0, 8.0
TUMOUR_HU, WALL_HU = 130.0, 60.0
LUMEN_LEVEL_MM = -24.0
"""The patient lies on the back: what is before this is gas, the rest fluid."""
WALL_MM = 5.0
ORGAN_SPREAD_HU, ORGAN_SHIFT_MM = 4.0, 3.0
PSF_MM = 1.8
"""Standard deviation of the point spread function."""
NOISE_GRAIN_MM = 1.5

# How far the outline of a tumour with a score of 0 leaves an ellipsoid, in shares of its radius,
# over how many mm it does so, and how a unit of score multiplies it.
IRREGULARITY, OUTLINE_MM, PER_IRREGULARITY = 0.13, 7.0, 1.5
# As much for the standard deviation of HU in it.
HETEROGENEITY_HU, TEXTURE_MM, PER_HETEROGENEITY = 14.0, 4.5, 1.55
READER_MM = 1.0
"""Standard deviation by which a second reader's boundary differs, over `OUTLINE_MM`."""


class Organ(NamedTuple):
    """An ellipsoid of one density: its middle and semi-axes, mm."""

    middle: tuple[float, float, float]
    axes: tuple[float, float, float]
    hu: float


BODY = Organ((0, 0, 0), (95, 76, 1e4), FAT_HU)
MUSCLE = Organ((0, 0, 0), (84, 65, 1e4), 56.0)
CAVITY = Organ((0, -3, 0), (77, 55, 1e4), FAT_HU)
VERTEBRA = Organ((0, 44, 0), (19, 16, 1e4), 200.0)
CANAL = Organ((0, 62, 0), (8, 7, 1e4), 25.0)
ORGANS = (
    Organ((7, 23, 0), (9, 9, 1e4), 100.0),  # aorta
    Organ((-14, 23, 0), (9, 8, 1e4), 90.0),  # vena cava
    Organ((-38, -8, 10), (36, 42, 60), 75.0),  # liver
    Organ((58, 22, 10), (15, 22, 36), 95.0),  # spleen
    Organ((-44, 34, -38), (16, 15, 32), 105.0),  # right kidney
    Organ((40, 36, -34), (15, 14, 32), 105.0),  # left kidney
    Organ((8, 6, -14), (36, 8, 10), 78.0),  # pancreas
)
STOMACH = Organ((32, -24, 4), (30, 23, 36), WALL_HU)

SIDES = ((-0.8, 0.5, -0.2), (0.1, 0.85, -0.4), (0.6, 0.7, -0.3), (-0.3, 0.5, -0.8))
"""Where in the wall tumours grow, all below the gas: directions from the middle of the stomach."""


class PhantomCt(NamedTuple):
    """A CT and what is planted in it, (z, y, x).

    Attributes
    ----------
    hu
        int16.
    tumour
        Its voxels.
    second
        As another reader sees them.
    """

    hu: npt.NDArray[np.int16]
    tumour: Bools
    second: Bools


def render_ct(plan: ScanPlan) -> PhantomCt:
    """Generate a CT; the same plan gives the same voxels."""
    streams = np.random.SeedSequence(plan.seed).spawn(4)
    of_trunk, of_tumour, of_reader, of_noise = map(np.random.default_rng, streams)
    trunk, stomach = _trunk(of_trunk)
    tumour = _tumour(plan, stomach, of_tumour)
    spread_hu = HETEROGENEITY_HU * PER_HETEROGENEITY**plan.heterogeneity
    texture = smooth_field(TEXTURE_MM, of_tumour)
    # The standard deviation is that of the tumour, and its mean stays.
    texture = (texture - texture[tumour].mean()) / texture[tumour].std()
    trunk[tumour] = TUMOUR_HU + spread_hu * texture[tumour]
    hu = ndimage.gaussian_filter(trunk, PSF_MM / SPACING_MM, mode="nearest")
    hu += plan.noise_hu * smooth_field(NOISE_GRAIN_MM, of_noise)
    moved = _depth(tumour) + READER_MM * smooth_field(OUTLINE_MM, of_reader)
    second = _largest(moved > 0)
    return PhantomCt(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), tumour, second)


def smooth_field(scale_mm: float, rng: np.random.Generator) -> Floats:
    """Draw a smooth field with mean 0 and standard deviation 1; `SHAPE`.

    Parameters
    ----------
    scale_mm
        Standard deviation of the Gaussian that white noise is smoothed with.
    rng
        Source of randomness.
    """
    field = ndimage.gaussian_filter(rng.standard_normal(SHAPE), scale_mm / SPACING_MM, mode="wrap")
    scaled: Floats = (field - field.mean()) / field.std()
    return scaled


def _places() -> tuple[Floats, Floats, Floats]:
    """Return x, y and z of voxels, in shapes that broadcast to `SHAPE`."""
    z, y, x = (_along(n) for n in SHAPE)
    return x[None, None, :], y[None, :, None], z[:, None, None]


def _along(n: int) -> Floats:
    middles: Floats = SPACING_MM * (np.arange(n, dtype=np.float64) - (n - 1) / 2)
    return middles


def _radius(organ: Organ) -> Floats:
    """Return how far voxels lie from the middle of an organ; 1 on its surface."""
    parts = zip(_places(), organ.middle, organ.axes, strict=True)
    squares = [((place - middle) / axis) ** 2 for place, middle, axis in parts]
    distance: Floats = np.sqrt(squares[0] + squares[1] + squares[2])
    return distance


def _trunk(rng: np.random.Generator) -> tuple[Floats, Organ]:
    """Return a trunk without a tumour, HU, and where its stomach is."""
    hu = np.full(SHAPE, AIR_HU)
    size = rng.uniform(0.93, 1.03)
    for organ in (BODY, MUSCLE, CAVITY, VERTEBRA, CANAL):
        _fill(hu, _scaled(organ, size), organ.hu)
    for organ in ORGANS:
        _fill(hu, _varied(organ, size, rng), organ.hu + rng.normal(0, ORGAN_SPREAD_HU))
    stomach = _varied(STOMACH, size, rng)
    _fill(hu, stomach, WALL_HU + rng.normal(0, ORGAN_SPREAD_HU))
    x_axis, y_axis, z_axis = (axis - WALL_MM for axis in stomach.axes)
    lumen = Organ(stomach.middle, (x_axis, y_axis, z_axis), FLUID_HU)
    inside = _radius(lumen) < 1
    _, before, _ = _places()
    hu[inside] = FLUID_HU
    hu[inside & (before < LUMEN_LEVEL_MM - 8)] = AIR_HU
    return hu, stomach


def _fill(hu: Floats, organ: Organ, value: float) -> None:
    hu[_radius(organ) < 1] = value


def _scaled(organ: Organ, size: float) -> Organ:
    x, y, z = (size * part for part in organ.middle)
    a, b, c = (size * part for part in organ.axes)
    return Organ((x, y, z), (a, b, c), organ.hu)


def _varied(organ: Organ, size: float, rng: np.random.Generator) -> Organ:
    """Return an organ of another patient: shifted, and a little larger or smaller."""
    x, y, z = (size * np.array(organ.middle) + rng.normal(0, ORGAN_SHIFT_MM, 3)).tolist()
    a, b, c = (size * np.array(organ.axes) * np.exp(rng.normal(0, 0.06, 3))).tolist()
    return Organ((x, y, z), (a, b, c), organ.hu)


def _tumour(plan: ScanPlan, stomach: Organ, rng: np.random.Generator) -> Bools:
    """Return an ellipsoid in the wall, whose outline leaves it as the plan says."""
    side = np.array(SIDES[int(rng.integers(len(SIDES)))]) + rng.normal(0, 0.1, 3)
    side /= np.linalg.norm(side)
    x, y, z = (np.array(stomach.middle) + 0.95 * side * stomach.axes).tolist()
    stretch = np.exp(rng.normal(0, 0.12, 3))
    mean_mm = (3 * 1000 * plan.volume_ml / (4 * np.pi)) ** (1 / 3)
    a, b, c = (mean_mm * stretch / np.cbrt(stretch.prod())).tolist()
    depth = 1 - _radius(Organ((x, y, z), (a, b, c), TUMOUR_HU))
    amount = IRREGULARITY * PER_IRREGULARITY**plan.irregularity
    moved = depth + amount * smooth_field(OUTLINE_MM, rng)
    # Far away the field alone must not make a tumour, and the volume is that of the plan.
    moved[depth < -0.5] = -np.inf
    wanted = round(1000 * plan.volume_ml / SPACING_MM**3)
    level = np.partition(moved.ravel(), -wanted)[-wanted]
    return _largest(moved >= level)


def _largest(inside: Bools) -> Bools:
    """Return the largest connected part, without holes."""
    labels, n = ndimage.label(inside)
    if n == 0:
        return inside
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled: Bools = ndimage.binary_fill_holes(largest)
    return filled


def _depth(inside: Bools) -> Floats:
    """Return how far voxels lie within, negative outside, mm."""
    within, without = (ndimage.distance_transform_edt(part) for part in (inside, ~inside))
    depth: Floats = SPACING_MM * (np.maximum(within - 0.5, 0) - np.maximum(without - 0.5, 0))
    return depth
