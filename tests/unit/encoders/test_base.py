from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.encoders import made
from histohet.common.arrays import Float32, UInt8
from histohet.encoders.base import SymmetryAverage

Pixels = UInt8


class Projection:
    """A random linear encoder: about as far from symmetric as encoders get."""

    name = "projection"
    width = 5

    def __init__(self, side: int) -> None:
        self.weights = np.random.default_rng(0).standard_normal((3 * side**2, self.width))
        self.batches: list[int] = []

    def encode(self, tiles: Pixels) -> Float32:
        self.batches.append(len(tiles))
        flat = tiles.reshape(len(tiles), -1).astype(np.float64)
        return np.einsum("bp,pw->bw", flat, self.weights).astype(np.float32)


def positions(tiles: Pixels) -> list[Pixels]:
    """All turns and mirror images, by the eight signed exchanges of the axes."""
    both = (tiles, tiles.transpose(0, 2, 1, 3))
    return [each[:, ::rows, ::columns] for each in both for rows in (1, -1) for columns in (1, -1)]


def some_tiles(seed: int, number: int, side: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 9), st.integers(0, 7))
def test_a_turned_or_mirrored_tile_has_the_embedding_of_the_tile(
    seed: int, number: int, side: int, position: int
) -> None:
    tiles = some_tiles(seed, number, side)
    encoder = SymmetryAverage(Projection(side))
    moved = np.ascontiguousarray(positions(tiles)[position])
    np.testing.assert_array_equal(encoder.encode(moved), encoder.encode(tiles))


def test_it_is_the_mean_over_the_eight_positions() -> None:
    tiles = some_tiles(1, 3, 6)
    plain = Projection(6)
    expected = np.mean([plain.encode(np.ascontiguousarray(p)) for p in positions(tiles)], axis=0)
    averaged = SymmetryAverage(Projection(6))
    found = averaged.encode(tiles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (averaged.name, averaged.width) == ("projection_d4", 5)


def test_without_it_a_turned_tile_has_another_embedding() -> None:
    tiles = some_tiles(2, 1, 6)
    plain = Projection(6)
    assert not np.allclose(plain.encode(np.rot90(tiles, axes=(1, 2))), plain.encode(tiles))


def test_batches_are_no_larger_than_without() -> None:
    plain = Projection(6)
    SymmetryAverage(plain).encode(some_tiles(3, 4, 6))
    assert plain.batches == [4] * 8


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_configured_for_stain_texture(turns: int) -> None:
    tiles = some_tiles(4, 2, 64)
    encoder = made({"symmetry": "d4"}, 64)
    assert encoder.name == "stain_texture_d4"
    moved = np.ascontiguousarray(np.rot90(tiles, turns, axes=(1, 2)))
    np.testing.assert_array_equal(encoder.encode(moved), encoder.encode(tiles))
