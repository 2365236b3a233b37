from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.slidefiles import gradient, write_aperio, write_plain
from histohet.common.arrays import UInt8
from histohet.slides import sampling
from histohet.slides.reader import open_slide
from histohet.slides.sampling import read_overview, read_tile


def test_tile_at_the_scale_of_the_slide_is_the_pixels_themselves(tmp_path: Path) -> None:
    image = gradient(200, 200)
    with open_slide(write_plain(tmp_path / "a.png", image)) as slide:
        np.testing.assert_array_equal(read_tile(slide, 13, 29, 64, 64), image[29:93, 13:77])


def assert_on_ramp(tile: UInt8, x: float, y: float, side: float, slope: float) -> None:
    """Red rises with x, green with y; pixel i of a tile lies (i + ½)·side/out - ½ from its corner.

    Single values are rounded twice, to ± 1; their mean tells a shift of a fifth of a pixel.
    """
    out = len(tile)
    centres = ((np.arange(out) + 0.5) * side / out - 0.5)[3:-3]
    found = tile[3:-3, 3:-3].astype(float)
    for line, expected in (
        (found[..., 0].mean(axis=0), (x + centres) * slope),
        (found[..., 1].mean(axis=1), (y + centres) * slope),
    ):
        np.testing.assert_allclose(line, expected, atol=1)
        assert abs((line - expected).mean()) < 0.2 * slope


def ramp(width: int) -> UInt8:
    line = np.tile(np.linspace(0, 255, width), (width, 1))
    return np.dstack([line, line.T, line]).round().astype(np.uint8)


@pytest.mark.parametrize("side", [100.0, 219.7, 150.7, 443.2])
def test_tile_has_the_exact_physical_scale(tmp_path: Path, side: float) -> None:
    with open_slide(write_plain(tmp_path / "a.png", ramp(600))) as slide:
        assert_on_ramp(read_tile(slide, 31, 57, side, 112), 31, 57, side, 255 / 599)


def test_tile_from_a_pyramid_level_lies_where_level_0_says(tmp_path: Path) -> None:
    # Steps of 4 px, so that averaging 4 × 4 px down to level 2 is exact.
    steps = np.tile(np.arange(1024) // 4, (1024, 1)).astype(np.uint8)
    path = write_aperio(tmp_path / "a.svs", np.dstack([steps, steps.T, steps]), 0.25, 40)
    with open_slide(path) as slide:
        assert slide.info.best_level(443.2 / 112) == 1
        assert slide.info.best_level(4) == 2
        # Pixel j of level 2 has the value j and its centre at 4j + 1.5.
        assert_on_ramp(read_tile(slide, 103, 201, 460.3, 112), 103 - 1.5, 201 - 1.5, 460.3, 1 / 4)


def test_overview_is_the_area_average_whatever_the_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (300, 240, 3), dtype=np.uint8)
    path = write_plain(tmp_path / "a.png", image)
    with open_slide(path) as slide:
        whole = read_overview(slide, 10)
        monkeypatch.setattr(sampling, "STRIP_PX", 240 * 31)
        strips = read_overview(slide, 10)
    mean = image.reshape(30, 10, 24, 10, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(whole, mean, atol=1)
    np.testing.assert_array_equal(strips, whole)


def test_overview_of_a_fractional_downsample_keeps_proportions(tmp_path: Path) -> None:
    with open_slide(write_plain(tmp_path / "a.png", gradient(250, 130))) as slide:
        assert read_overview(slide, 7.3).shape == (round(130 / 7.3), round(250 / 7.3), 3)
