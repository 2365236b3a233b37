"""What an encoder is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from histohet.common.arrays import Float32
from histohet.encoders.entry import EncoderError, without_map
from histohet.slides.reader import Pixels


@dataclass(frozen=True)
class Position:
    """One of the eight ways in which a square lies on itself: mirrored or not, and turned.

    Attributes
    ----------
    mirrored
        Whether left and right are exchanged, before it is turned.
    turns
        Turns by 90°, 0 to 3.
    """

    mirrored: bool
    turns: int

    def of(self, tiles: Pixels) -> Pixels:
        """Return (B, S, S, ...) as they look in this position."""
        mirrored = tiles[:, :, ::-1] if self.mirrored else tiles
        return np.ascontiguousarray(np.rot90(mirrored, self.turns, axes=(1, 2)))

    def undone(self, maps: Float32) -> Float32:
        """Return maps (B, T, T, ...) of tiles in this position as they lay before."""
        turned = np.rot90(maps, -self.turns, axes=(1, 2))
        return turned[:, :, ::-1] if self.mirrored else turned


POSITIONS = [Position(mirrored, turns) for mirrored in (False, True) for turns in range(4)]
"""All eight, the dihedral group D4."""


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


@runtime_checkable
class DenseEncoder(Encoder, Protocol):
    """An encoder that also gives vectors of the parts of a tile: those with `entry.has_map`."""

    def encode_map(self, tiles: Pixels, tokens: int) -> Float32:
        """Encode the parts of tiles.

        Parameters
        ----------
        tiles
            uint8 (B, tile_px, tile_px, 3), RGB. Or with a fourth channel, 255 in the epithelium
            and 0 elsewhere: then a vector is of the epithelium of its part alone, zero without any.
        tokens
            Parts along the side of a tile, all of one size.

        Returns
        -------
        float32 (B, tokens, tokens, width)
            By row and column; each the mean of what the network gives for positions, by their share
            of the part. (Not the class token: of an encoder whose embedding joins that to the mean,
            half of its `width`, see `EncoderEntry.of_positions`.)

        Raises
        ------
        EncoderError
            If the encoder gives one vector for a tile and none for its parts, or has fewer
            positions than `tokens`.
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        ...


def with_map(encoder: Encoder) -> DenseEncoder:
    """Return an encoder that has to give vectors of the parts of a tile.

    Raises
    ------
    EncoderError
        If it does not.
    """
    if not isinstance(encoder, DenseEncoder):
        raise EncoderError(without_map(encoder.name))
    return encoder


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
        return _mean(self._encoder.encode(position.of(tiles)) for position in POSITIONS)

    def encode_map(self, tiles: Pixels, tokens: int) -> Float32:
        """Encode the parts of tiles, see `DenseEncoder`.

        The map of each position is turned back before the mean is taken, so that the map of a
        turned tile is the turned map.

        Raises
        ------
        EncoderError
            If the encoder gives one vector for a tile and none for its parts, or has fewer
            positions than `tokens`.
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        encode = with_map(self._encoder).encode_map
        return _mean(position.undone(encode(position.of(tiles), tokens)) for position in POSITIONS)


def _mean(of_positions: Iterable[Float32]) -> Float32:
    """Average in double precision, where the order of the positions does not show in the sum."""
    total = sum(found.astype(np.float64) for found in of_positions)
    return np.asarray(total / len(POSITIONS), np.float32)
