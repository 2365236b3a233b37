"""What is known of a slide once preflight has looked at it; the steps after it start from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from histohet.common.outcome import Outcome, Status


@dataclass(frozen=True)
class SlideRecord:
    """What preflight found a slide to be: one row of its table.

    Attributes
    ----------
    mpp
        Micrometres per level-0 pixel that every later step uses; None if the slide is refused
        before its scale is known.
    mpp_source
        ``file``, ``sheet`` or ``features``.
    bounds_x, bounds_y
        Where QuPath's origin lies in the slide, level-0 px.
    conflicts
        What contradicts what; a conflict alone does not refuse a slide.
    imported
        Layout of the finished features that the slide brings; None if it is encoded here.
    encoder, feature_width
        Of the finished features: encoder as their tool calls it, if it says so, and numbers per
        tile.
    notes
        What is unusual about the finished features, but no reason to refuse them.
    status, reason
        See `histohet.common.outcome`.
    """

    slide: str
    path: str | None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    levels: int | None = None
    mpp: float | None = None
    mpp_source: str | None = None
    objective_power: float | None = None
    bounds_x: int = 0
    bounds_y: int = 0
    conflicts: str = ""
    imported: str | None = None
    encoder: str | None = None
    feature_width: int | None = None
    notes: str = ""
    status: str = Status.OK
    reason: str = ""

    @property
    def outcome(self) -> Outcome:
        """Whether the slide takes part."""
        return Outcome(Status(self.status), self.reason)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of level 0.

        Raises
        ------
        ValueError
            If the slide was never opened.
        """
        if self.width is None or self.height is None:
            raise ValueError(f"slide '{self.slide}' has no known size: {self.reason}")
        return self.width, self.height

    @property
    def bounds_offset(self) -> tuple[int, int]:
        """Where QuPath's origin lies in the slide, level-0 px."""
        return self.bounds_x, self.bounds_y

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> SlideRecord:
        """Rebuild a record from `as_dict`."""
        return SlideRecord(**data)
