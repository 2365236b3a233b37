"""The data that come with histohet: YAML files and folders of ``resources/``."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_PLACES = (
    Path(__file__).parents[1] / "resources",  # of an installed package
    Path(__file__).parents[3] / "resources",  # of a checkout
)


def resource_path(name: str) -> Path:
    """Return the file ``<name>.yaml`` of the resources.

    Raises
    ------
    FileNotFoundError
        If there is none of this name.
    """
    return _existing(f"{name}.yaml")


def resource_folder(name: str) -> Path:
    """Return the folder of this name among the resources.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    return _existing(name)


def _existing(name: str) -> Path:
    paths = [folder / name for folder in _PLACES]
    for path in paths:
        if path.exists():
            return path
    raise FileNotFoundError(f"no resource named {name}: neither {paths[0]} nor {paths[1]}")


def read_resource(name: str) -> Any:
    """Read ``<name>.yaml`` of the resources.

    Returns
    -------
    Any
        What the file holds; a copy, the caller's to change.

    Raises
    ------
    FileNotFoundError
        If there is none of this name.
    """
    return deepcopy(_parse(resource_path(name)))


@cache
def _parse(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
