"""Other readers, imitated: the boundary of a region moved at random."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from histohet.common.arrays import Bools, Floats

CORRELATED_MM = 4.0
"""Standard deviation of the Gaussian that makes neighbouring parts of the boundary move together;
movements 8 mm apart still correlate by e^-1."""


def signed_distance(inside: Bools, spacing: tuple[float, ...]) -> Floats:
    """Return how far voxels lie within the region, negative outside of it, mm.

    Parameters
    ----------
    inside
        (Z, Y, X).
    spacing
        mm (x, y, z).

    Returns
    -------
    ndarray
        (Z, Y, X); the boundary lies half way between voxels.
    """
    return _depth(inside, spacing[::-1]) - _depth(~inside, spacing[::-1])


def _depth(inside: Bools, sides: tuple[float, ...]) -> Floats:
    """Return how far voxels lie from the boundary, mm, 0 outside of it.

    The next voxel outside lies half a voxel beyond the boundary, in its own direction.
    """
    distance, nearest = ndimage.distance_transform_edt(inside, sides, return_indices=True)
    steps = np.abs(nearest - np.indices(inside.shape)).max(axis=0)
    depth: Floats = distance * (1 - 0.5 / np.maximum(steps, 1))
    return depth


def smooth_field(
    shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator
) -> Floats:
    """Return a smooth random field with mean 0 and standard deviation 1.

    Parameters
    ----------
    shape
        (Z, Y, X).
    spacing
        mm (x, y, z).
    """
    sigmas = [CORRELATED_MM / side for side in reversed(spacing)]
    field: Floats = rng.standard_normal(shape)
    for axis, sigma in enumerate(sigmas):
        # Wrapped around, every voxel is the same weighted sum of independent ones.
        impulse = np.zeros(shape[axis])
        impulse[0] = 1
        weights = ndimage.gaussian_filter1d(impulse, sigma, mode="wrap")
        field = ndimage.gaussian_filter1d(field, sigma, axis, mode="wrap")
        field /= np.sqrt((weights**2).sum())
    return field


def perturbed(
    distance: Floats, spacing: tuple[float, ...], boundary_mm: float, rng: np.random.Generator
) -> Bools:
    """Return the region with its boundary moved.

    Parameters
    ----------
    distance
        (Z, Y, X) of `signed_distance`.
    spacing
        mm (x, y, z).
    boundary_mm
        Standard deviation of the movement.

    Returns
    -------
    ndarray
        (Z, Y, X) bool.
    """
    moved: Bools = distance + boundary_mm * smooth_field(distance.shape, spacing, rng) > 0
    return moved
