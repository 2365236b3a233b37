"""Tiles that fit cores of a diameter, and the settings written for them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from histohet.config import read_config
from histohet.cores.tiling import (
    FEWEST,
    CoreSize,
    expected_tiles,
    fitting_tiles,
    misfit,
    settings_text,
)
from histohet.tiles.settings import TileSpec


@pytest.mark.parametrize(
    ("diameter_um", "tile_um", "tiles"),
    [(600, 112, 22), (1000, 112, 62), (1200, 112, 90), (600, 56, 90), (1000, 28, 1001)],
)
def test_tiles_of_a_core_are_counted_by_area(diameter_um: float, tile_um: float, tiles: int):
    assert expected_tiles(diameter_um, tile_um) == tiles


@pytest.mark.parametrize(
    ("diameter_um", "mpp", "tile_um", "min_tiles"),
    [
        (600, 0.25, 56, 20),
        (600, 0.2527, 56, 20),
        (600, 0.5, 112, 11),
        (1000, 0.25, 56, 20),
        (1000, 0.5, 112, 20),
        (2000, 0.25, 112, 20),
        (600, 0.12, 28, 20),
        (300, 0.12, 28, 20),
        (300, 0.25, 56, 11),
        (60, 0.25, 56, 1),
        (1000, 5.0, 112, 20),
    ],
)
def test_tiles_are_as_large_as_a_core_has_enough_of(
    diameter_um: float, mpp: float, tile_um: float, min_tiles: int
) -> None:
    found = fitting_tiles([CoreSize(diameter_um, mpp)], 224, 0.1)
    assert (found.tile_um, found.min_tiles) == (tile_um, min_tiles)


def test_the_smallest_core_and_the_coarsest_slide_decide() -> None:
    both = [CoreSize(1000, 0.5), CoreSize(600, 0.25)]
    assert fitting_tiles(both, 224, 0.1) == fitting_tiles([CoreSize(600, 0.5)], 224, 0.1)
    assert fitting_tiles(both[::-1], 224, 0.1) == fitting_tiles(both, 224, 0.1)


@given(st.floats(100, 5000), st.floats(0.1, 1.0))
def test_what_fits_is_no_misfit(diameter_um: float, mpp: float) -> None:
    core = CoreSize(diameter_um, mpp)
    fits = fitting_tiles([core], 224, 0.1)
    tiles = TileSpec(tile_um=fits.tile_um)
    if fits.expected:
        assert misfit(core, tiles, fits.min_tiles, 0.1) == ""
    assert fits.min_tiles <= FEWEST
    assert "clustering.min_tiles" in misfit(core, tiles, fits.expected + 1, 0.1)


def test_the_settings_are_keys_of_the_configuration() -> None:
    text = settings_text([CoreSize(600, 0.25), CoreSize(1000, 0.2527)], 224, 0.1, "core")
    config = read_config({"slides": "slides.tsv", **yaml.safe_load(text)})
    assert (config.tiles.tile_um, config.tissue.preset) == (56, "core")
    assert config.clustering.min_tiles == 20
    assert "# What fits cores of 600 µm, the smallest of these arrays" in text
    assert "slides of up to 0.2527 µm per pixel" in text
    assert "some 90 tiles; it would have 22 of 112 µm, 360 of 28 µm" in text
