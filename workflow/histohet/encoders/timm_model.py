"""Any timm model as an encoder, with weights from a local checkpoint."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch

from histohet.encoders.base import EncoderError
from histohet.encoders.torchvision_operators import import_timm
from histohet.slides import Pixels

NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Channel means and standard deviations by name, for RGB in 0 to 1."""

LAYER_MODULES = {"timm.layers", "torch.nn"}
"""Modules whose classes the arguments of an architecture may name."""

HEADS = {"head", "fc", "classifier"}
"""First part of the parameter names of timm's classifiers."""


@dataclass(frozen=True)
class TimmSettings:
    """What has to be known to run a timm model.

    Attributes
    ----------
    name
        Name under which its features are kept.
    model
        timm architecture, e.g. ``vit_large_patch16_224``.
    checkpoint
        ``.safetensors``, or ``.pth``/``.pt``/``.bin`` holding a state dict (read without unpickling
        objects).
    width
        Embedding length the checkpoint is expected to give.
    normalisation
        Name in `NORMALISATIONS`.
    arguments
        Further arguments of ``timm.create_model``. Layers are named by their place, such as
        ``timm.layers.SwiGLUPacked`` or ``torch.nn.SiLU``.
    """

    name: str
    model: str
    checkpoint: Path
    width: int
    normalisation: str
    arguments: Mapping[str, Any]

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> TimmSettings:
        """Take the settings from the ``encoder`` section of the configuration."""
        required = ("name", "model", "checkpoint", "width", "normalisation")
        missing = [key for key in required if not config.get(key)]
        if missing:
            raise EncoderError(f"encoder of kind 'timm': setting '{missing[0]}' is missing")
        return TimmSettings(
            name=config["name"],
            model=config["model"],
            checkpoint=Path(config["checkpoint"]),
            width=int(config["width"]),
            normalisation=config["normalisation"],
            arguments=config.get("arguments") or {},
        )


class TimmModel:
    """A timm model without its classifier, on the GPU if there is one.

    Raises
    ------
    EncoderError
        If the architecture is unknown or rejects its arguments, the checkpoint is missing,
        unreadable or does not fit to the last parameter, the embedding has another width than
        stated, the normalisation is unknown, or the model does not take tiles of `tile_px`.
    """

    def __init__(self, settings: TimmSettings, tile_px: int) -> None:
        self.name = settings.name
        self.width = settings.width
        if settings.normalisation not in NORMALISATIONS:
            raise EncoderError(
                f"encoder '{self.name}': unknown normalisation '{settings.normalisation}'; "
                f"there are {', '.join(NORMALISATIONS)}"
            )
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        mean, deviation = NORMALISATIONS[settings.normalisation]
        self._mean = torch.tensor(mean, device=self._device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(deviation, device=self._device).view(1, 3, 1, 1)
        self._model = _load(settings).eval().to(self._device)
        self._check_output(tile_px)

    def _check_output(self, tile_px: int) -> None:
        blank = np.zeros((1, tile_px, tile_px, 3), np.uint8)
        try:
            found = self.encode(blank).shape
        except (AssertionError, RuntimeError, ValueError) as error:
            raise EncoderError(
                f"encoder '{self.name}' does not take tiles of {tile_px} px: {error}"
            ) from error
        if found != (1, self.width):
            raise EncoderError(
                f"encoder '{self.name}' gives embeddings of shape {found[1:]}, "
                f"the configuration says width {self.width}"
            )

    def encode(self, tiles: Pixels) -> npt.NDArray[np.float32]:
        """Encode uint8 (B, S, S, 3) into float32 (B, width)."""
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(tiles)).to(self._device)
            scaled = batch.permute(0, 3, 1, 2).float().div_(255)
            embedding = self._model((scaled - self._mean) / self._deviation)
            result: npt.NDArray[np.float32] = embedding.float().cpu().numpy()
        return result


def create_architecture(settings: TimmSettings) -> torch.nn.Module:
    """Create the model without its classifier and without weights.

    Raises
    ------
    EncoderError
        If timm does not know the architecture, or it rejects its arguments.
    """
    timm = import_timm()
    try:
        model: torch.nn.Module = timm.create_model(
            settings.model, pretrained=False, num_classes=0, **_with_layers(settings.arguments)
        )
    except (AttributeError, RuntimeError, TypeError, AssertionError) as error:
        raise EncoderError(f"encoder '{settings.name}': {settings.model}: {error}") from error
    return model


def _load(settings: TimmSettings) -> torch.nn.Module:
    """Create the architecture and load its weights strictly."""
    model = create_architecture(settings)
    expected = set(model.state_dict())
    weights = {
        name: tensor
        for name, tensor in read_state_dict(settings.checkpoint).items()
        # The checkpoint of a whole classifier fits too: its head is not used.
        if name in expected or name.split(".")[0] not in HEADS
    }
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise EncoderError(
            f"encoder '{settings.name}': {settings.checkpoint} is not a checkpoint of "
            f"{settings.model} with these arguments: {error}"
        ) from error
    return model


def _with_layers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names of layers by the layers themselves; a configuration can only hold names."""
    resolved = dict(arguments)
    for key, value in arguments.items():
        module, _, name = value.rpartition(".") if isinstance(value, str) else ("", "", "")
        if module in LAYER_MODULES:
            resolved[key] = getattr(importlib.import_module(module), name)
    return resolved


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read named tensors from a checkpoint without unpickling objects.

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
    if not isinstance(weights, dict) or not all(torch.is_tensor(w) for w in weights.values()):
        raise EncoderError(f"checkpoint {path} does not hold a state dict of named tensors")
    return weights
