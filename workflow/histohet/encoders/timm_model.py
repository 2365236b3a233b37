"""A network with published weights as an encoder: any of the catalogue, any of timm."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from math import isqrt
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from histohet.common.arrays import Float32
from histohet.encoders.base import EncoderOutOfMemory
from histohet.encoders.checkpoints import load_published
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.networks import create_empty
from histohet.slides.reader import Pixels


class TimmModel:
    """A network without its classifier, on the GPU if there is one.

    On a GPU it computes in the precision of its entry (autocast: normalisation and softmax stay in
    float32), on a CPU in float32. Tiles travel to the device as bytes and are normalised there.

    Parameters
    ----------
    entry
        What to run.
    checkpoint
        Its weights: ``.safetensors``, or ``.pth``/``.pt``/``.bin`` with a state dict.
    tile_px
        Side of the tiles it will see.

    Raises
    ------
    EncoderError
        If the architecture is unknown or rejects its arguments, the checkpoint is missing,
        unreadable or does not fit to the last parameter, the embedding has another width than
        stated, or the model does not take tiles of `tile_px`.
    """

    def __init__(self, entry: EncoderEntry, checkpoint: Path, tile_px: int) -> None:
        self.name = entry.name
        self.width = entry.width
        self._entry = entry
        entry.check_tile_px(tile_px)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._mean, self._std = (
            torch.tensor(values, device=self._device).view(1, 3, 1, 1)
            for values in (entry.channels.mean, entry.channels.std)
        )
        self._model = load_model(entry, checkpoint).to(self._device)
        self._check_output(tile_px)

    def _check_output(self, tile_px: int) -> None:
        channels = 4 if self._entry.pooling == "epithelium" else 3
        blank = np.zeros((1, tile_px, tile_px, channels), np.uint8)
        try:
            found = self.encode(blank).shape
        except EncoderOutOfMemory:
            raise
        except (AssertionError, RuntimeError, ValueError) as error:
            raise EncoderError(
                f"encoder '{self.name}' does not take tiles of {tile_px} px: {error}"
            ) from error
        if found != (1, self.width):
            raise EncoderError(
                f"encoder '{self.name}' gives embeddings of shape {found[1:]}, "
                f"the configuration says width {self.width}"
            )

    def encode(self, tiles: Pixels) -> Float32:
        """Encode uint8 (B, S, S, 3) into float32 (B, width).

        With the pooling `epithelium`, (B, S, S, 4); a tile without any is all zero.

        Raises
        ------
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        try:
            return self._encode(tiles)
        except torch.OutOfMemoryError:
            pass
        # Raised outside of the handler, so that nothing holds on to what did not fit.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        raise EncoderOutOfMemory(f"encoder '{self.name}': {len(tiles)} tiles do not fit in memory")

    @torch.inference_mode()
    def _encode(self, tiles: Pixels) -> Float32:
        batch = torch.from_numpy(np.ascontiguousarray(tiles))
        batch = batch.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float()
        image, inside = batch[:, :3], batch[:, 3:]
        image = image.div_(255).sub_(self._mean).div_(self._std)
        with self._precision():
            embedding = self._embed(image, inside)
        return embedding.float().cpu().numpy()

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the precision of the entry on a GPU, plain float32 elsewhere."""
        if self._device.type != "cuda" or self._entry.precision == "float32":
            return nullcontext()
        return torch.autocast("cuda", dtype=getattr(torch, self._entry.precision))

    def _embed(self, image: Tensor, inside: Tensor) -> Tensor:
        if self._entry.pooling == "epithelium":
            return mean_inside(self._positions(image), inside)
        if self._entry.stage is not None:
            return self._positions(image).mean(dim=(2, 3))
        if self._entry.pooling == "own":
            embedding: Tensor = self._model(image)
            return embedding
        # Only vision transformers are pooled so; of other modules PyTorch knows no such method.
        network: Any = self._model
        tokens: Tensor = network.forward_features(image)
        patches = tokens[:, network.num_prefix_tokens :]
        return torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1)

    def _positions(self, image: Tensor) -> Tensor:
        """Return what the network gives for positions, (B, width, rows, columns)."""
        network: Any = self._model
        if self._entry.stage is not None:
            found: list[Tensor] = network.forward_intermediates(
                image, indices=[self._entry.stage], intermediates_only=True
            )
            return found[0]
        features: Tensor = network.forward_features(image)
        if features.ndim == 3:
            patches = features[:, network.num_prefix_tokens :]
            side = isqrt(patches.shape[1])
            grid: Tensor = patches.unflatten(1, (side, side))
            return grid.permute(0, 3, 1, 2)
        # timm's Swin transformers, unlike its convolutional networks, have channels last.
        last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return features.permute(0, 3, 1, 2) if last else features


def mean_inside(positions: Tensor, inside: Tensor) -> Tensor:
    """Average a map over what lies inside a mask.

    Parameters
    ----------
    positions
        (B, width, rows, columns).
    inside
        (B, 1, S, S), not negative: what each pixel of the tile counts.

    Returns
    -------
    torch.Tensor
        (B, width). Each position counts as much as the pixels of its cell do; zero where none does.
    """
    rows, columns = positions.shape[2:]
    cells = functional.adaptive_avg_pool2d(inside, (rows, columns))
    total = cells.sum(dim=(2, 3), keepdim=True)
    weights = cells / total.clamp(min=torch.finfo(cells.dtype).tiny)
    return (positions.float() * weights).sum(dim=(2, 3))


def load_model(entry: EncoderEntry, checkpoint: Path) -> torch.nn.Module:
    """Create the network of an entry and load its weights strictly, for inference.

    Raises
    ------
    EncoderError
        If the checkpoint is missing, unreadable, or does not fit.
    """
    model = create_empty(entry)
    published = read_state_dict(checkpoint)
    try:
        load_published(model, published, entry.layout)
    except EncoderError as error:
        raise EncoderError(
            f"encoder '{entry.name}': {checkpoint} is not a checkpoint of {entry.model} with these "
            f"arguments: {error}"
        ) from error
    return model.eval()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a checkpoint without unpickling objects.

    Where they are kept under ``model``, beside other things, those are returned.

    Raises
    ------
    EncoderError
        If the file is missing, of an unknown kind, or holds anything but named tensors.
    """
    if not path.is_file():
        raise EncoderError(f"checkpoint {path} does not exist")
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise EncoderError(f"checkpoint {path} is not a safetensors file: {error}") from error
    if path.suffix not in {".pth", ".pt", ".bin"}:
        raise EncoderError(f"checkpoint {path}: .safetensors, .pth, .pt or .bin is expected")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise EncoderError(
            f"checkpoint {path} is damaged or holds more than tensors; only plain state dicts "
            f"are read: {error}"
        ) from error
    if isinstance(weights, Mapping) and isinstance(weights.get("model"), Mapping):
        weights = weights["model"]
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(w) for w in weights.values()):
        raise EncoderError(f"checkpoint {path} does not hold a state dict of named tensors")
    return dict(weights)
