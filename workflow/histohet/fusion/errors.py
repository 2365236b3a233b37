"""What is wrong with a fusion, in words."""

from __future__ import annotations

from collections.abc import Mapping


class FusionError(ValueError):
    """What is wrong with the tables or settings of a fusion, and what to do about it."""


def in_words(identity: Mapping[str, str]) -> str:
    """Return what made the columns of a block."""
    return ", ".join(f"{key} {value}" for key, value in identity.items()) or "an unknown source"


def check_make(block: str, here: Mapping[str, str], trained: Mapping[str, str]) -> None:
    """Refuse columns of another make than a model was trained with.

    Raises
    ------
    FusionError
        Naming both.
    """
    if dict(here) != dict(trained):
        raise FusionError(
            f"features of block '{block}' come from {in_words(here)}; the model was trained "
            f"with {in_words(trained)}: one of them"
        )
