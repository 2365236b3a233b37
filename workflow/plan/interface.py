"""What input functions get and give, and how a plan fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Asked = TypeVar("Asked", bound=Callable[..., Any])


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
    trait: str
    fold: str
    round: str
    combination: str
    array: str
    scan: str
    repeat: str


Files = str | list[str]
"""One file, or several; none is an empty list."""

Input = Callable[[Wildcards], Files]
"""Says which files a job reads."""


def with_signature(asked: Asked) -> Asked:
    """Keep the signature of a function, or of every method of a class, with it.

    Snakemake asks for it whenever it calls one, tens of times for a job, and Python would work it
    out anew each time.
    """
    for function in vars(asked).values() if inspect.isclass(asked) else [asked]:
        if inspect.isfunction(function):
            function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return asked
