"""How an encoder is made from its entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from histohet.encoders.base import Encoder, SymmetryAverage
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.settings import Kind


def make_encoder(entry: EncoderEntry, tile_px: int, checkpoint: Path | None = None) -> Encoder:
    """Build the encoder of an entry.

    Parameters
    ----------
    tile_px
        Side of the tiles it will see.
    checkpoint
        Weights, where the encoder has any. Nothing is downloaded.

    Raises
    ------
    EncoderError
        If something contradicts the checkpoint, or does not fit `tile_px`.
    """
    encoder = KINDS[entry.kind](entry, tile_px, checkpoint)
    return SymmetryAverage(encoder) if entry.symmetry == "d4" else encoder


# Imported where they are made, because only one is needed, and PyTorch takes seconds to import.


def _stain_texture(entry: EncoderEntry, tile_px: int, checkpoint: Path | None) -> Encoder:
    from histohet.encoders.stain_texture.descriptor import StainTexture

    return StainTexture()


def _network(entry: EncoderEntry, tile_px: int, checkpoint: Path | None) -> Encoder:
    from histohet.encoders.timm_model import TimmModel

    if checkpoint is None:
        raise EncoderError(f"encoder '{entry.name}': no file with its weights was given")
    return TimmModel(entry, checkpoint, tile_px)


KINDS: Mapping[Kind, Callable[[EncoderEntry, int, Path | None], Encoder]] = {
    "stain_texture": _stain_texture,
    "timm": _network,
    "sre_resnet18": _network,
}
"""What makes an encoder, by the `kind` of its entry."""
