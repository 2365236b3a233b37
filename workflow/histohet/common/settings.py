"""Single values of the configuration: codes, keys, and names for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def quoted(names: Iterable[str]) -> str:
    """Return names for a message."""
    return ", ".join(f"'{name}'" for name in names)


def code(value: object) -> str:
    """Return a code as text. YAML reads an unquoted ``yes`` as true, which no table would hold.

    Raises
    ------
    ValueError
        If it is a truth value.
    """
    if isinstance(value, bool):
        raise ValueError(f"the code {value} must be put in quotes")
    return str(value)


def codes(values: object) -> tuple[str, ...]:
    """Return a list of codes as texts.

    Raises
    ------
    ValueError
        If it is no list, or holds a truth value.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"the codes {values!r} must be a list")
    return tuple(code(value) for value in values)


def check_keys(
    config: Mapping[str, Any], required: Iterable[str], known: Iterable[str], where: str
) -> None:
    """Check the keys of a section.

    Raises
    ------
    ValueError
        If one is missing or unknown.
    """
    absent = sorted(set(required) - set(config))
    unknown = sorted(set(config) - set(known))
    if absent:
        raise ValueError(f"{where} lacks {quoted(absent)}")
    if unknown:
        raise ValueError(f"{where} has no key {quoted(unknown)}")
