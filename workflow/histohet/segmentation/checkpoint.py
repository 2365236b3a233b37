"""Checkpoints of nnU-Net: tensors and plain values are read, and no Python object is made."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from histohet.segmentation.plans import ModelError

SCALAR = np.float64(0).__reduce__()[0]
ALLOWED: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int64")),
]
"""What nnU-Net's log of its training needs beside PyTorch's own: NumPy's scalars, whose module had
another name before NumPy 2."""

LOST = (UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
"""What PyTorch says of a file that is none of its own, or not whole."""


@dataclass(frozen=True)
class Checkpoint:
    """What is used of a checkpoint.

    Attributes
    ----------
    weights
        By the name of the parameter.
    configuration
        That of the plans which was trained.
    trainer
        Name of the class that trained it.
    mirrored
        Axes along which it may be averaged over mirror images; none where it was trained without.
    """

    weights: dict[str, Tensor]
    configuration: str
    trainer: str
    mirrored: tuple[int, ...] | None


def load_tensors(path: str | Path) -> Any:
    """Read a file of `torch.save` that holds tensors, NumPy's scalars and plain values only.

    Raises
    ------
    ModelError
        If it holds anything else, is damaged or is no such file.
    """
    try:
        # Files of PyTorch before 1.6 are bare pickles, of which it cannot say what they hold.
        with Path(path).open("rb") as file:
            whole = zipfile.is_zipfile(file)
        if not whole:
            raise ModelError(f"{path} is no checkpoint of PyTorch, or was not copied to its end")
        with safe_globals(ALLOWED):
            if objects := sorted(get_unsafe_globals_in_checkpoint(str(path))):
                raise ModelError(
                    f"{path} holds Python objects ({', '.join(objects)}) and is not read"
                )
            return torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except LOST as error:
        said = _said(error)
        raise ModelError(f"{path} is no checkpoint of PyTorch, or damaged: {said}") from error


def _said(error: Exception) -> str:
    """Return the cause in what PyTorch says, without its advice to unpickle the file after all."""
    text = str(error)
    return text.rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read the weights of one fold.

    Raises
    ------
    ModelError
        As `load_tensors`, and if it is none of nnU-Net v2.
    """
    found = load_tensors(path)
    try:
        mirrored = found.get("inference_allowed_mirroring_axes")
        checkpoint = Checkpoint(
            _tensors(found["network_weights"]),
            str(found["init_args"]["configuration"]),
            str(found["trainer_name"]),
            None if mirrored is None else tuple(int(axis) for axis in mirrored),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is no checkpoint of nnU-Net v2: {error!r}") from error
    return checkpoint


def _tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, value in weights.items():
        if not torch.is_tensor(value):
            raise TypeError(f"'{name}' is no tensor")
    return dict(weights)
