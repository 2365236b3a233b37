"""What is known of a slide once preflight has looked at it; the steps after it start from this."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from histohet.common.files import read_json, write_json
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
        What is left out of the slide file, and what is unusual about the finished features: no
        reason to refuse them.
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
        if self.known_size is None:
            raise ValueError(f"slide '{self.slide}' has no known size: {self.reason}")
        return self.known_size

    @property
    def known_size(self) -> tuple[int, int] | None:
        """Width and height of level 0; None if the slide was never opened."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    @property
    def bounds_offset(self) -> tuple[int, int]:
        """Where QuPath's origin lies in the slide, level-0 px."""
        return self.bounds_x, self.bounds_y


def write_record(path: str | Path, record: SlideRecord) -> None:
    """Write what preflight found, as JSON."""
    write_json(path, asdict(record))


def read_record(path: str | Path) -> SlideRecord:
    """Read what `write_record` wrote."""
    return SlideRecord(**read_json(path))
