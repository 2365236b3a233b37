"""What an encoder is, and how the configured one is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from histohet.slides import Pixels


class EncoderError(ValueError):
    """An encoder cannot be used as configured; the message says which setting and why."""


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
        """
        ...


def make_encoder(config: Mapping[str, Any], tile_px: int) -> Encoder:
    """Build the configured encoder.

    Parameters
    ----------
    config
        The ``encoder`` section of the configuration: ``name``, ``kind`` and what the kind needs.
    tile_px
        Side of the tiles it will see.

    Raises
    ------
    EncoderError
        If a setting is missing, contradicts the checkpoint, or does not fit `tile_px`.
    """
    # Imported here because only one of the two is needed, and PyTorch takes seconds to import.
    if config["kind"] == "stain_texture":
        from histohet.encoders.stain_texture import StainTexture

        return StainTexture()
    from histohet.encoders.timm_model import TimmModel, TimmSettings

    return TimmModel(TimmSettings.from_config(config), tile_px)
