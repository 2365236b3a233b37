from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from histohet.encoding import encode_in_batches, masked_tiles
from histohet.masks import Polygons
from histohet.slides import open_slide, read_tile
from slidefiles import gradient, write_plain


class MeanColour:
    name = "mean_colour"
    width = 3

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.batches.append(len(tiles))
        return tiles.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)


COORDS = np.array([[0, 0], [64, 0], [0, 64], [64, 64], [100, 20]])


def test_tiles_come_in_order_and_unmasked_ones_unchanged(tmp_path: Path) -> None:
    with open_slide(write_plain(tmp_path / "a.png", gradient(200, 200))) as slide:
        found = list(masked_tiles(slide, COORDS, 64, 32, None, (0, 0, 0)))
        for tile, (x, y) in zip(found, COORDS, strict=True):
            np.testing.assert_array_equal(tile, read_tile(slide, x, y, 64, 32))


def test_masked_tiles_keep_the_epithelium_and_fill_the_rest(tmp_path: Path) -> None:
    mask = Polygons([shapely.box(0, 0, 32, 200)])
    with open_slide(write_plain(tmp_path / "a.png", gradient(200, 200))) as slide:
        black = next(masked_tiles(slide, COORDS, 64, 64, mask, (0, 0, 0)))
        white = next(masked_tiles(slide, COORDS, 64, 64, mask, (244, 243, 242)))
        plain = read_tile(slide, 0, 0, 64, 64)
    np.testing.assert_array_equal(black[:, :32], plain[:, :32])
    assert not black[:, 32:].any()
    assert (white[:, 32:] == (244, 243, 242)).all()


def test_batches_hold_every_tile_once_in_order(tmp_path: Path) -> None:
    with open_slide(write_plain(tmp_path / "a.png", gradient(200, 200))) as slide:
        results = []
        for size in (1, 2, 5, 64):
            encoder = MeanColour()
            tiles = masked_tiles(slide, COORDS, 64, 32, None, (0, 0, 0))
            results.append(np.concatenate(list(encode_in_batches(tiles, 5, encoder, size))))
            assert encoder.batches == {1: [1] * 5, 2: [2, 2, 1], 5: [5], 64: [5]}[size]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert results[0].shape == (5, 3)
