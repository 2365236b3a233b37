"""What input functions get and give, and how a plan fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class PlanError(ValueError):
    """What is asked for cannot be done; the message says which key or slide is at fault."""


class Wildcards(Protocol):
    """What a job is about: those of these that its rule has."""

    slide: str
    encoder: str
    masking: str
    procedure: str
    pooling: str
    variant: str
    compared: str
    analysis: str


Files = str | list[str]
"""One file, or several; none is an empty list."""

Input = Callable[[Wildcards], Files]
"""Says which files a job reads."""
