"""Boundaries moved at random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import norm

from histohet.radiomics.perturb import perturbed, signed_distance, smooth_field

SPACING = (1.0, 1.0, 2.0)


def ball(radius: float) -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (30, 60, 60)), indexing="ij")
    return (2 * z) ** 2 + y**2 + x**2 <= radius**2


def test_the_field_is_standard_and_smooth() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([smooth_field((16, 32, 32), SPACING, rng) for _ in range(200)])
    assert fields.std(axis=0).mean() == pytest.approx(1, abs=0.03)
    assert fields.mean() == pytest.approx(0, abs=0.02)
    # Correlation at distance d of noise smoothed by s is exp(-d² / 4s²), s = 4 mm.
    for step, d in ((4, 8), (2, 4)):
        along = (fields[:, :-step] * fields[:, step:]).mean()
        assert along == pytest.approx(np.exp(-(d**2) / 64), abs=0.05)
    across = (fields[..., :-4] * fields[..., 4:]).mean()
    assert across == pytest.approx(np.exp(-16 / 64), abs=0.05)


def test_distances_are_from_the_boundary_between_voxels() -> None:
    inside = np.zeros((9, 9, 9), bool)
    inside[:, :, 4:] = True
    line = signed_distance(inside, (2.0, 3.0, 5.0))[4, 4]
    np.testing.assert_allclose(line, 2.0 * (np.arange(9) - 3.5))


def test_a_boundary_moves_as_far_as_it_is_told() -> None:
    distance = signed_distance(ball(18), SPACING)
    still = perturbed(distance, SPACING, 1e-9, np.random.default_rng(1))
    np.testing.assert_array_equal(still, ball(18))
    moved = [perturbed(distance, SPACING, 1.5, np.random.default_rng(s)) for s in range(20)]
    differ = np.mean([(one != ball(18)).sum() for one in moved])
    # A shell on average 1.5·√(2/π) mm thick.
    expected = 4 * np.pi * 18**2 * 1.5 * np.sqrt(2 / np.pi) / 2
    assert differ == pytest.approx(expected, rel=0.15)


def test_a_flat_boundary_moves_by_its_standard_deviation() -> None:
    """Also between voxels of 2 mm, whose rounding adds 2²/12 to the variance.

    The difference of distances to the next voxel inside and outside, which leaves out the half
    voxels up to the boundary, would move it by 0.9 mm: nothing below 2 mm would.
    """
    sides = (2.0, 2.0, 2.0)
    inside = np.zeros((24, 40, 40), bool)
    inside[12:] = True
    to_voxels = ndimage.distance_transform_edt(inside, sides) - ndimage.distance_transform_edt(
        ~inside, sides
    )
    for distance, expected in (
        (signed_distance(inside, sides), np.sqrt(1.5**2 + 2**2 / 12)),
        (to_voxels, 2 * np.sqrt(2 * (norm.sf(2 / 1.5) + 3 * norm.sf(4 / 1.5)))),
    ):
        rng = np.random.default_rng(5)
        moved = np.stack([perturbed(distance, sides, 1.5, rng) for _ in range(60)])
        # Of a column; parts far from the boundary that come or go on their own hardly happen.
        shift = 2.0 * (moved.sum(axis=1) - 12)
        assert shift.std() == pytest.approx(expected, rel=0.05)


def test_a_seed_is_a_mask() -> None:
    distance = signed_distance(ball(10), SPACING)
    first, again, other = (
        perturbed(distance, SPACING, 1.5, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
