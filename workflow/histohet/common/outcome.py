"""What became of a slide: a result, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How far a slide came. Everything but ``OK`` carries a reason."""

    OK = "ok"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    NO_TISSUE = "no_tissue"
    NO_TILES = "no_tiles"
    NO_EPITHELIUM = "no_epithelium"
    TOO_FEW_TILES = "too_few_tiles"


@dataclass(frozen=True)
class Outcome:
    """Status of a slide after a step, handed on by every later step.

    Raises
    ------
    ValueError
        If a status other than ``ok`` comes without a reason.
    """

    status: Status
    reason: str = ""

    def __post_init__(self) -> None:
        if self.status is not Status.OK and not self.reason:
            raise ValueError(f"status '{self.status}' needs a reason")

    @property
    def ok(self) -> bool:
        """Whether the slide still takes part."""
        return self.status is Status.OK


OK = Outcome(Status.OK)
