"""How the configured encoder is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histohet.encoders.base import Encoder, EncoderError
from histohet.encoders.configured import entry_of
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.symmetry import SymmetryAverage


def make_encoder(
    config: Mapping[str, Any], tile_px: int, checkpoint: Path | None = None
) -> Encoder:
    """Build the configured encoder.

    Parameters
    ----------
    config
        The ``encoder`` section of the configuration: see `entry_of`; with ``symmetry: d4`` the
        mean over the turns and mirror images of a tile.
    tile_px
        Side of the tiles it will see.
    checkpoint
        Weights, where the encoder has any; by default ``config["checkpoint"]``. Nothing is
        downloaded.

    Raises
    ------
    EncoderError
        If a setting is missing, contradicts the checkpoint, or does not fit `tile_px`.
    """
    symmetry = config.get("symmetry") or "none"
    if symmetry not in {"none", "d4"}:
        raise EncoderError(f"encoder.symmetry '{symmetry}' is unknown; there is 'none', 'd4'")
    if checkpoint is None and config.get("checkpoint"):
        checkpoint = Path(config["checkpoint"])
    encoder = _encoder_of(entry_of(config), tile_px, checkpoint)
    return SymmetryAverage(encoder) if symmetry == "d4" else encoder


def _encoder_of(entry: EncoderEntry, tile_px: int, checkpoint: Path | None) -> Encoder:
    # Imported here because only one of the two is needed, and PyTorch takes seconds to import.
    if not entry.needs_torch:
        from histohet.encoders.stain_texture.descriptor import StainTexture

        return StainTexture()
    if checkpoint is None:
        raise EncoderError(f"encoder '{entry.name}': no file with its weights was given")
    from histohet.encoders.timm_model import TimmModel

    return TimmModel(entry, checkpoint, tile_px)
