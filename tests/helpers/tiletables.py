"""Tables of a few tiles."""

from __future__ import annotations

import numpy as np

from histohet.common.arrays import Ints
from histohet.common.outcome import OK, Outcome
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec


def three_tiles(outcome: Outcome = OK) -> TileTable:
    """Return a tile of 112 µm at the corner of a slide, and those on its right and below it."""
    return tile_table(np.array([[0, 0], [443, 0], [0, 443]]), 0.2527, (1000, 900), outcome=outcome)


def tile_table(
    coords: Ints, mpp: float, size: tuple[int, int], *, tile_um: float = 112, outcome: Outcome = OK
) -> TileTable:
    """Return tiles, (N, 2), of slide ``a`` with so many µm per pixel, (width, height)."""
    attributes = tile_attributes("a", TileSpec(tile_um=tile_um), mpp, size, "tiles")
    return TileTable(coords, attributes, outcome)
