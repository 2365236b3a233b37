"""What an encoder is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Whoever only reads the configuration of an encoder needs none of these.
    import numpy as np
    import numpy.typing as npt

    from histohet.slides.reader import Pixels


class EncoderError(ValueError):
    """An encoder cannot be used as configured; the message says which setting and why."""


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

    def encode(self, tiles: Pixels) -> npt.NDArray[np.float32]:
        """Encode tiles.

        Parameters
        ----------
        tiles
            uint8 (B, tile_px, tile_px, 3), RGB.

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
