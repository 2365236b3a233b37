"""What became of a slide: a result, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Status(StrEnum):
    """How far a slide came. Everything but ``OK`` carries a reason."""

    OK = "ok"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    NO_TISSUE = "no_tissue"
    NO_TILES = "no_tiles"
    NO_EPITHELIUM = "no_epithelium"
    TOO_FEW_TILES = "too_few_tiles"
    NO_REGION = "no_region"


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

    def with_note(self, note: str) -> Outcome:
        """Return the outcome with something more to be said of a slide that takes part."""
        if not self.ok or note in self.reason:
            return self
        return Outcome(self.status, joined([self.reason, note]))

    def raise_if_lost(self) -> None:
        """Go on only with a slide that still takes part.

        Raises
        ------
        SlideLost
            If the status is not ``ok``.
        """
        if not self.ok:
            raise SlideLost(self.reason, self.status)


OK = Outcome(Status.OK)


def joined(reasons: Iterable[str]) -> str:
    """Return reasons or notes as one text, empty ones left out."""
    return "; ".join(filter(None, reasons))


class SlideLost(ValueError):
    """A slide gives no result from here on; the message says why.

    What makes a slide of one kind unusable derives from it. `attempt` turns it into an outcome.
    """

    status = Status.REFUSED

    def __init__(self, reason: str, status: Status | None = None) -> None:
        super().__init__(reason)
        if status is not None:
            self.status = status

    @property
    def outcome(self) -> Outcome:
        """How far the slide came."""
        return Outcome(self.status, str(self))


def attempt(step: Callable[[], T], otherwise: T, so_far: Outcome = OK) -> tuple[T, Outcome]:
    """Take a step with a slide: what it made, or `otherwise` if the slide is lost by it or was.

    Parameters
    ----------
    so_far
        How far the slide came before. Its note on a slide that takes part, such as on tiles that
        were left out, goes on with the slide.
    """
    try:
        so_far.raise_if_lost()
        return step(), so_far
    except SlideLost as lost:
        return otherwise, lost.outcome
