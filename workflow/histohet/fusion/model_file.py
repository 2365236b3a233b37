"""The two files of a saved model as they are on disk: checked, and the network that is in them.

Jobs that apply the network alone need no more than this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from histohet.common.arrays import Floats
from histohet.common.files import read_json
from histohet.fusion.errors import FusionError, check_make

FORMAT = "histohet fusion 1"

NETWORK = "mil.network."
"""How the names of a network's parameters begin."""


def numbers_beside(path: str | Path) -> Path:
    """Return the file of the numbers of a model."""
    return Path(path).with_suffix(".safetensors")


def read_model_files(path: str | Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return what ``model.json`` says, and the numbers beside it by name.

    Raises
    ------
    FusionError
        If a file is none of ours, is damaged, or the two do not belong together.
    """
    numbers = numbers_beside(path)
    try:
        about = read_json(path)
        content = numbers.read_bytes()
    except (OSError, ValueError) as error:
        raise FusionError(f"model {path} cannot be read: {error}") from error
    if about.get("format") != FORMAT:
        raise FusionError(f"model {path} is no '{FORMAT}' but '{about.get('format', 'unknown')}'")
    if hashlib.sha256(content).hexdigest() != about.get("numbers", {}).get("sha256"):
        raise FusionError(
            f"{numbers} is not the file that {path} was written with: copy both together"
        )
    try:
        return about, safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise FusionError(f"model {path} is damaged: {error!r}") from error


def network_in(tensors: Mapping[str, Floats]) -> dict[str, Floats] | None:
    """Return the network that is among the numbers of a model, None if there is none."""
    found = {
        name.removeprefix(NETWORK): one for name, one in tensors.items() if name.startswith(NETWORK)
    }
    return found or None


def read_network(path: str | Path, made_by: Mapping[str, str]) -> dict[str, Floats]:
    """Return the network of a model, for embeddings of the make that it was trained with.

    Raises
    ------
    FusionError
        As `read_model_files`; or if they are of another make, or the model has no network.
    """
    about, tensors = read_model_files(path)
    network = network_in(tensors)
    if network is None:
        raise FusionError("the model has no block 'mil': leave it out of fusion.blocks")
    check_make("mil", made_by, about["blocks"]["mil"]["made_by"])
    return network
