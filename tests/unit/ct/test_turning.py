"""Volumes turned: every voxel stays where it is in the patient."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from histohet.ct.reading import Geometry
from histohet.ct.turning import orientation_of, turned

ALL = ["".join(letters) for axes in permutations(("RL", "AP", "IS")) for letters in product(*axes)]


def oblique() -> Geometry:
    """Axes 20 degrees off those of the patient."""
    a = np.deg2rad(20)
    direction = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return Geometry((5, 4, 3), (0.7, 0.8, 3.0), (-20.0, 35.5, -410.0), direction)


@pytest.mark.parametrize("orientation", ALL)
def test_voxels_keep_their_places(orientation: str) -> None:
    voxels, geometry = np.arange(60, dtype=np.int16).reshape(3, 4, 5), oblique()
    assert orientation_of(geometry) == "LPS"
    found, moved = turned(voxels, geometry, orientation)
    assert orientation_of(moved) == orientation
    assert found.shape == moved.size[::-1]
    for value in (0, 7, 31, 59):
        place, now = (np.argwhere(one == value)[0][::-1] for one in (voxels, found))
        np.testing.assert_allclose(moved.place(now), geometry.place(place), atol=1e-9)


def test_there_and_back_again() -> None:
    voxels, geometry = np.arange(60, dtype=np.int16).reshape(3, 4, 5), oblique()
    back, again = turned(*turned(voxels, geometry, "SAR"), "LPS")
    np.testing.assert_array_equal(back, voxels)
    np.testing.assert_allclose(again.origin, geometry.origin, atol=1e-9)
    assert again.spacing == geometry.spacing
