"""Places in the lattice: of arrays that are tilted, bent, in blocks, with gaps."""

from __future__ import annotations

import numpy as np
import pytest

from histohet.common.arrays import Floats, Ints
from histohet.cores.find import Discs
from histohet.cores.lattice import ALONE, basis_of, choose_cores, misfit, places_of

D = 28.0


def block(rows: int, columns: int, pitch: float = 40.0) -> tuple[Floats, Ints]:
    places = np.argwhere(np.ones((rows, columns)))
    return places[:, ::-1] * pitch + 100.0, places


def turned(xy: Floats, degrees: float) -> Floats:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(xy @ turn, np.float64)


@pytest.mark.parametrize("degrees", [-12, -5, 0, 3, 12, 25])
def test_every_core_gets_its_place_whatever_the_tilt_and_order(degrees: float) -> None:
    rng = np.random.default_rng(1)
    xy, places = block(9, 12)
    xy = turned(xy, degrees) + rng.normal(0, 2.5, xy.shape)
    kept = rng.permutation(len(xy))[: int(0.9 * len(xy))]
    found = places_of(xy[kept], basis_of(xy[kept], D))
    np.testing.assert_array_equal(found, places[kept])


def test_blocks_are_numbered_on() -> None:
    first, places = block(6, 4)
    second = first + np.array([4 * 40 + 65.0, 7.0])
    xy = turned(np.vstack([first, second]), 6)
    expected = np.vstack([places, places + np.array([0, 4])])
    np.testing.assert_array_equal(places_of(xy, basis_of(xy, D)), expected)


def test_no_place_is_given_twice() -> None:
    xy, _ = block(5, 5)
    xy = np.vstack([xy, xy[12] + np.array([9.0, 8.0]), xy[3] + np.array([10.0, -9.0])])
    places = places_of(xy, basis_of(xy, D))
    assert len(np.unique(places, axis=0)) == len(xy)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_cores_have_places_too(n: int) -> None:
    xy = np.array([[100.0, 100], [140, 102], [180, 99]])[:n]
    places = places_of(xy, basis_of(xy, D))
    np.testing.assert_array_equal(places, [[0, column] for column in range(n)] or np.empty((0, 2)))


def test_faint_cores_are_taken_in_their_places_alone() -> None:
    xy, _ = block(6, 6)
    response = np.full(36, 0.8)
    response[14] = 0.2
    dust = np.array([[121.0, 119.0], [700.0, 700.0]])
    discs = Discs(np.vstack([xy, dust, [[700, 100]]]), np.array([*response, 0.2, 0.2, 0.7]), D)
    chosen, basis = choose_cores(discs)
    assert len(chosen) == 37
    assert {(180.0, 180.0), (700.0, 100.0)} <= set(map(tuple, chosen.tolist()))
    np.testing.assert_allclose(basis, [[40, 0], [0, 40]], atol=1e-9)
    assert misfit(dust, xy, basis)[1] > 0.3
    assert ALONE > 0.2
