"""A network with published weights as an encoder: any of the catalogue, any of timm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

from histohet.common.arrays import Float32, Floats
from histohet.encoders.base import EncoderOutOfMemory
from histohet.encoders.checkpoints import load_published
from histohet.encoders.entry import EncoderEntry, EncoderError, without_map
from histohet.encoders.networks import create_empty
from histohet.encoders.sre_resnet18 import SreResNet18, check_kernels, expand_kernels
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
        blank = np.zeros((1, tile_px, tile_px, 3), np.uint8)
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

        With the pooling `positions` also (B, S, S, 4); a tile without epithelium is all zero.

        Raises
        ------
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        return self._run(tiles, self._embed)

    def encode_map(self, tiles: Pixels, tokens: int) -> Float32:
        """Encode the parts of tiles, see `DenseEncoder`.

        Raises
        ------
        EncoderError
            If the network gives one vector for a tile and none for its parts, or has fewer
            positions than `tokens`.
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        if not self._entry.has_map:
            raise EncoderError(without_map(self.name))

        def embed(image: Tensor, inside: Tensor) -> Tensor:
            return self._means(image, inside, tokens).permute(0, 2, 3, 1)

        return self._run(tiles, embed)

    def _run(self, tiles: Pixels, embed: Callable[[Tensor, Tensor], Tensor]) -> Float32:
        try:
            return self._try(tiles, embed)
        except torch.OutOfMemoryError:
            pass
        # Raised outside of the handler, so that nothing holds on to what did not fit.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        raise EncoderOutOfMemory(f"encoder '{self.name}': {len(tiles)} tiles do not fit in memory")

    @torch.inference_mode()
    def _try(self, tiles: Pixels, embed: Callable[[Tensor, Tensor], Tensor]) -> Float32:
        batch = torch.from_numpy(np.ascontiguousarray(tiles))
        batch = batch.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float()
        image, inside = batch[:, :3], batch[:, 3:]
        image = image.div_(255).sub_(self._mean).div_(self._std)
        return embed(image, inside).float().cpu().numpy()

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the precision of the entry on a GPU, plain float32 elsewhere."""
        if self._device.type != "cuda" or self._entry.precision == "float32":
            return nullcontext()
        return torch.autocast("cuda", dtype=getattr(torch, self._entry.precision))

    def _embed(self, image: Tensor, inside: Tensor) -> Tensor:
        """Return the embeddings, (B, width)."""
        if self._entry.pooling == "positions" or self._entry.stage is not None:
            return self._means(image, inside, tokens=1).flatten(1)
        with self._precision():
            if self._entry.pooling == "own":
                embedding: Tensor = self._model(image)
                return embedding
            # Only vision transformers are pooled so; of other modules PyTorch knows no such method.
            network: Any = self._model
            tokens: Tensor = network.forward_features(image)
            patches = tokens[:, network.num_prefix_tokens :]
            return torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1)

    def _means(self, image: Tensor, inside: Tensor, tokens: int) -> Tensor:
        """Return the mean of the positions of each part, (B, width, tokens, tokens), in float32."""
        with self._precision():
            positions = self._positions(image)
        rows, columns = positions.shape[2:]
        if min(rows, columns) < tokens:
            raise EncoderError(
                f"encoder '{self.name}' gives {rows} × {columns} positions for tiles of "
                f"{image.shape[3]} px, too few for {tokens} × {tokens} tokens"
            )
        if inside.shape[1] == 0:
            return area_means(positions.float(), (tokens, tokens))
        return means_inside(positions.float(), inside, tokens)

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


def area_means(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Average maps over the cells of another grid, by area.

    Cells of the two grids may cut each other. A turned or mirrored map gives the turned or mirrored
    means, since shares are exact.

    Parameters
    ----------
    maps
        float (B, width, rows, columns).
    size
        Rows and columns of the other grid.

    Returns
    -------
    torch.Tensor
        (B, width, *size).
    """
    down, across = (
        torch.tensor(overlaps(before, after), dtype=maps.dtype, device=maps.device)
        for before, after in zip(maps.shape[2:], size, strict=True)
    )
    return down @ maps @ across.T


def overlaps(before: int, after: int) -> Floats:
    """Return which share of each of `after` cells each of `before` cells is, (after, before)."""
    # In units of which both grids have whole numbers: a line of before · after.
    starts, own_starts = np.arange(before) * after, np.arange(after)[:, np.newaxis] * before
    first, last = np.maximum(starts, own_starts), np.minimum(starts + after, own_starts + before)
    shares: Floats = (last - first).clip(min=0) / before
    return shares


def means_inside(positions: Tensor, inside: Tensor, tokens: int = 1) -> Tensor:
    """Average the parts of a map over what lies inside a mask.

    Parameters
    ----------
    positions
        float (B, width, rows, columns).
    inside
        float (B, 1, S, S), not negative: what each pixel of the tile counts.
    tokens
        Parts along the side of the tile.

    Returns
    -------
    torch.Tensor
        (B, width, tokens, tokens). Each position counts as much as the pixels of its cell do; zero
        where none does.
    """
    rows, columns = positions.shape[2:]
    cells = area_means(inside, (rows, columns))
    whole = area_means(cells, (tokens, tokens))
    smallest = torch.finfo(whole.dtype).tiny
    return area_means(positions * cells, (tokens, tokens)) / whole.clamp(min=smallest)


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
        if isinstance(model, SreResNet18):
            check_kernels(model, published)
        load_published(model, published, entry.layout)
    except EncoderError as error:
        raise EncoderError(
            f"encoder '{entry.name}': {checkpoint} is not a checkpoint of {entry.model} with these "
            f"arguments: {error}"
        ) from error
    return expand_kernels(model).eval()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a checkpoint without unpickling objects.

    Where they are kept under ``model`` or ``state_dict``, beside other things, those are returned.

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
    for key in ("model", "state_dict"):
        if isinstance(weights, Mapping) and isinstance(weights.get(key), Mapping):
            weights = weights[key]
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(w) for w in weights.values()):
        raise EncoderError(f"checkpoint {path} does not hold a state dict of named tensors")
    return dict(weights)
