"""Encoders without a network, for tests of what is around an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from histohet.common.arrays import Float32, UInt8
from histohet.encoders.base import Encoder, EncoderOutOfMemory
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.settings import EncoderSettings

THIN: dict[str, Any] = {
    "name": "thin",
    "kind": "timm",
    "model": "vit_tiny_patch16_224",
    "checkpoint": "thin.safetensors",
    "width": 768,
    "normalisation": "imagenet",
    "arguments": {"embed_dim": 768, "depth": 1, "num_heads": 2},
}
"""Configuration of a transformer of one layer, of the width that CHIEF reads."""


def made(config: Mapping[str, Any], tile_px: int, checkpoint: Path | None = None) -> Encoder:
    """The encoder that a section of the configuration means, with its weights or the given ones."""
    entry = entry_of(EncoderSettings(**config), read_catalogue())
    if checkpoint is None and isinstance(entry.weights, str):
        checkpoint = Path(entry.weights)
    return make_encoder(entry, tile_px, checkpoint)


def write_thin_weights(folder: Path) -> None:
    """Write random weights for `THIN`, always the same."""
    import torch
    from safetensors.torch import save_file

    from histohet.encoders.networks import import_timm

    torch.manual_seed(0)
    model = import_timm().create_model(THIN["model"], num_classes=0, **THIN["arguments"])
    save_file(dict(model.state_dict()), folder / THIN["checkpoint"])


class ColourBlocks:
    """Mean colour of each of 4 × 4 blocks of a tile, exact whatever shares the batch."""

    name = "colour_blocks"
    width = 48

    def encode(self, tiles: UInt8) -> Float32:
        side = tiles.shape[1] // 4
        blocks = tiles.reshape(len(tiles), 4, side, 4, side, 3).mean(axis=(2, 4), dtype=np.float64)
        return blocks.reshape(len(tiles), -1).astype(np.float32)


class Greedy(ColourBlocks):
    """Has memory for some tiles only, notes what it is given, and stops when told to."""

    def __init__(self, memory_tiles: int, stop_after: int | None = None) -> None:
        self.memory_tiles = memory_tiles
        self.stop_after = stop_after
        self.sizes: list[int] = []

    def encode(self, tiles: UInt8) -> Float32:
        if len(self.sizes) == self.stop_after:
            raise RuntimeError("stop")
        self.sizes.append(len(tiles))
        if len(tiles) > self.memory_tiles:
            raise EncoderOutOfMemory(f"no memory for {len(tiles)} tiles")
        return super().encode(tiles)
