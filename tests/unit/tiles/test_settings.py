"""Sizes of tiles."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from histohet.common.settings import explain
from histohet.tiles.settings import TileSettings, TileSpec


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tile_um": 0}, "tile_um: 0 must be above 0"),
        ({"tile_um": -5}, "tile_um: -5 must be above 0"),
        ({"tile_px": 0}, "tile_px: 0 must be above 0"),
        ({"overlap_um": -1}, "overlap_um: -1 must be at least 0"),
        ({"overlap_um": 112}, "an overlap of 112 µm leaves nothing of tiles of 112 µm"),
    ],
)
def test_impossible_sizes(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        TileSpec(**wrong)
    assert message in explain(error.value, wrong)


def test_an_encoder_takes_no_tiles_of_a_few_pixels() -> None:
    assert TileSpec(tile_px=1).mpp == 112
    with pytest.raises(ValidationError, match="16"):
        TileSettings(tile_px=15)
