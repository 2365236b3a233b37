"""From tiles of a slide to embeddings: read, mask, batch, encode."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from histohet.encoders.base import Encoder
from histohet.logs import track
from histohet.masks import EpitheliumMask, apply_mask
from histohet.slides import Pixels, Slide, read_tile
from histohet.tiles import Coords


def masked_tiles(
    slide: Slide,
    coords: Coords,
    side_px: float,
    tile_px: int,
    mask: EpitheliumMask | None,
    colour: tuple[int, int, int],
) -> Iterator[Pixels]:
    """Read tiles one by one, in order.

    Parameters
    ----------
    coords
        int64 (N, 2), level-0 px.
    side_px
        Side of a tile, level-0 px.
    tile_px
        Side of a tile as it is read.
    mask
        Epithelium; None leaves tiles as they are.
    colour
        What replaces pixels outside the epithelium.

    Yields
    ------
    uint8 (tile_px, tile_px, 3)
    """
    for x, y in coords.tolist():
        tile = read_tile(slide, x, y, side_px, tile_px)
        if mask is not None:
            tile = apply_mask(tile, mask.pixels(x, y, side_px, tile_px), colour)
        yield tile


def encode_in_batches(
    tiles: Iterator[Pixels], total: int, encoder: Encoder, batch_size: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Encode `total` tiles, logging progress.

    Yields
    ------
    float32 (B, width)
        B is `batch_size`, and less for the last batch.
    """
    batch: list[Pixels] = []
    for tile in track(tiles, total, "tiles encoded"):
        batch.append(tile)
        if len(batch) == batch_size:
            yield encoder.encode(np.stack(batch))
            batch = []
    if batch:
        yield encoder.encode(np.stack(batch))
