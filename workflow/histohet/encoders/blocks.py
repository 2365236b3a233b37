"""Squares of a slide that are encoded at once, and the tiles in them that have a vector each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histohet.common.arrays import Bools, Float32, Ints
from histohet.encoders.base import Encoder, with_map
from histohet.slides.reader import Pixels
from histohet.tiles.lattice import Coords, places
from histohet.tiles.settings import Block


@dataclass(frozen=True)
class Blocks:
    """Blocks with at least one tile each, in the order of their tiles.

    Attributes
    ----------
    corners
        int64 (M, 2), level-0 px.
    first
        int64 (M + 1,), row of the tile with which each begins, and how many tiles there are.
    part
        int64 (N,), which part of its block each tile is, row by row, margin and all.
    side
        Parts along the side of a block.
    """

    corners: Coords
    first: Ints
    part: Ints
    side: int = 1

    @classmethod
    def of(cls, coords: Coords, pitch_px: float, block: Block) -> Blocks:
        """Gather tiles in blocks.

        Parameters
        ----------
        coords
            int64 (N, 2) corners, level-0 px; those of a block follow one another.
        pitch_px
            Distance between neighbouring tiles, level-0 px.
        block
            Of a single tile: whatever its corner.

        Raises
        ------
        ValueError
            If the tiles of a block do not follow one another.
        """
        if block.side == 1:
            return cls(coords, np.arange(len(coords) + 1), np.zeros(len(coords), np.int64))
        number, within = np.divmod(places(coords, pitch_px), block.kept)
        begins = np.ones(len(coords), np.bool_)
        begins[1:] = (np.diff(number, axis=0) != 0).any(axis=1)
        own = number[begins]
        if len(np.unique(own, axis=0)) < len(own):
            raise ValueError("tiles of one block do not follow one another")
        # As `lattice` rounds the corner of the first tile of the block, which may not be there.
        corners = np.rint((own * block.kept - block.margin) * pitch_px).astype(np.int64)
        first = np.append(np.flatnonzero(begins), len(coords))
        column, row = (within + block.margin).T
        return cls(corners, first, row * block.side + column, block.side)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, some: slice) -> Blocks:
        """Return consecutive blocks, at least one."""
        start, stop, _ = some.indices(len(self))
        first = self.first[start : stop + 1]
        part = self.part[first[0] : first[-1]]
        return Blocks(self.corners[some], first - first[0], part, self.side)

    def vectors_of_tiles(self, readable: Bools, vectors: Float32) -> tuple[Bools, Float32]:
        """Return which tiles could be decoded, bool (N,), and their vectors, (R, width).

        Parameters
        ----------
        readable
            bool (M,), which blocks could be decoded.
        vectors
            One row for each of those: the vectors of all of its parts, one behind the other.
        """
        block = np.repeat(np.arange(len(self)), np.diff(self.first))
        is_readable = readable[block]
        row = (np.cumsum(readable) - 1)[block[is_readable]]
        n_parts = self.side**2
        by_part = vectors.reshape(len(vectors), n_parts, vectors.shape[1] // n_parts)
        return is_readable, by_part[row, self.part[is_readable]]


class BlockEncoder:
    """Encodes blocks; an embedding is the vectors of all parts of a block, one behind the other.

    Parameters
    ----------
    encoder
        Gives the vectors, `EncoderEntry.of_positions`.
    side
        Parts along the side of a block.

    Raises
    ------
    EncoderError
        If it gives one vector for a block and none for its parts.
    """

    def __init__(self, encoder: Encoder, side: int) -> None:
        self.name = f"{encoder.name}_dense"
        self.width = encoder.width * side**2
        self._encoder = with_map(encoder)
        self._side = side

    def encode(self, tiles: Pixels) -> Float32:
        """Encode uint8 (B, S, S, 3 or 4) into float32 (B, width).

        Raises
        ------
        EncoderError
            If the encoder has fewer positions than parts.
        EncoderOutOfMemory
            If the device has no memory for so many blocks at once.
        """
        return self._encoder.encode_map(tiles, self._side).reshape(len(tiles), self.width)
