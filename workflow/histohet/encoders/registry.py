"""How the configured encoder is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from histohet.encoders.base import Encoder


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
