"""What an encoder is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from histohet.common.arrays import Float32
from histohet.encoders.entry import EncoderError
from histohet.slides.reader import Pixels

TURNS = range(4)


class EncoderOutOfMemory(EncoderError):
    """The device has no memory for a batch. Nothing is lost: a smaller batch may fit."""


class Encoder(Protocol):
    """Turns tiles into vectors.

    Attributes
    ----------
    name
        Name of the encoder, as it appears in paths and files.
    width
        Length of an embedding.
    """

    name: str
    width: int

    def encode(self, tiles: Pixels) -> Float32:
        """Encode tiles.

        Parameters
        ----------
        tiles
            uint8 (B, tile_px, tile_px, 3), RGB. Or with a fourth channel, 255 in the epithelium
            and 0 elsewhere: then the embedding is of the epithelium alone.

        Returns
        -------
        float32 (B, width)
            One row per tile, independent of which tiles share its batch.

        Raises
        ------
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        ...


class SymmetryAverage:
    """Mean embedding over the eight turns and mirror images of a tile; eight times the work.

    A network gives other numbers for a tile that is turned or mirrored. Averaged over all eight
    positions (the dihedral group D4) they are the same, however the tissue lay on the glass.

    It is the embeddings that are averaged, as the encoder gives them, not vectors of length 1: the
    mean is then linear in them and keeps their scale, on which an attention network or a mean over
    a slide depends. Whoever needs length 1 (the clustering) divides the mean by its own length.

    The positions are encoded one after another, so a batch needs no more memory than without.

    Parameters
    ----------
    encoder
        What encodes each position.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.name = f"{encoder.name}_d4"
        self.width = encoder.width
        self._encoder = encoder

    def encode(self, tiles: Pixels) -> Float32:
        """Encode uint8 (B, S, S, 3 or 4) into float32 (B, width).

        Raises
        ------
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        # In double precision the order of the positions does not show in the sum.
        total = np.zeros((len(tiles), self.width))
        for mirrored in (tiles, tiles[:, :, ::-1]):
            for turns in TURNS:
                position = np.rot90(mirrored, turns, axes=(1, 2))
                total += self._encoder.encode(np.ascontiguousarray(position))
        return (total / (2 * len(TURNS))).astype(np.float32)
