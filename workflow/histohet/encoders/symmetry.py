"""Embeddings that do not depend on how the tissue lay on the glass.

A network gives other numbers for a tile that is turned or mirrored. Averaged over all eight
positions (the dihedral group D4) they are the same for each of them.

It is the embeddings that are averaged, as the encoder gives them, not vectors of length 1: the mean
is then linear in them and keeps their scale, on which an attention network or a mean over a slide
depends. Whoever needs length 1 (the clustering) divides the mean by its own length.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from histohet.encoders.base import Encoder
from histohet.slides.reader import Pixels

TURNS = range(4)


class SymmetryAverage:
    """Mean embedding over the eight turns and mirror images of a tile; eight times the work.

    Satisfies the protocol `Encoder`. The eight positions are encoded one after another, so a batch
    needs no more memory than without.

    Parameters
    ----------
    encoder
        What encodes each position.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.name = f"{encoder.name}_d4"
        self.width = encoder.width
        self._encoder = encoder

    def encode(self, tiles: Pixels) -> npt.NDArray[np.float32]:
        """Encode uint8 (B, S, S, 3) into float32 (B, width).

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
        mean: npt.NDArray[np.float32] = (total / (2 * len(TURNS))).astype(np.float32)
        return mean
