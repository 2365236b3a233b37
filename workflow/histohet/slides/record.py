"""What is known of a slide once preflight has looked at it; the steps after it start from this."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, Status
from histohet.slides.frame import Frame
from histohet.slides.settings import Origin

INCOMPARABLE = "refused: not comparable"
"""What becomes of a slide that is sound, but other than the rest of its cohort: no step of a single
slide knows that."""


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
    width, height
        Size of level 0; of the region, where the slide is a region of its file.
    bounds_x, bounds_y, bounds_width, bounds_height
        What QuPath shows of the file, level-0 px measured from the corner of the slide; without
        size all of it.
    region_x, region_y, file_width, file_height
        Where the corner of the slide lies in its file, and how large level 0 of that is; without
        size the slide is the whole file.
    core_diameter_um
        Outside of the disc of this diameter around the centre of the slide is glass; None if all
        of it counts.
    conflicts
        What contradicts what; a conflict alone does not refuse a slide.
    imported
        Layout of the finished features that the slide brings; None if it is encoded here.
    encoder, feature_width
        Of the finished features: encoder as their tool calls it, if it says so, and numbers per
        tile.
    notes
        What is left out of the slide file, and what is unusual about the other files of the slide:
        no reason to refuse it.
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
    bounds_width: int | None = None
    bounds_height: int | None = None
    region_x: int = 0
    region_y: int = 0
    file_width: int | None = None
    file_height: int | None = None
    core_diameter_um: float | None = None
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

    def refused(self, reason: str) -> SlideRecord:
        """Return the record of the slide if it is refused."""
        return replace(self, status=Status.REFUSED, reason=reason)

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

    @property
    def region(self) -> Frame | None:
        """What the slide is of its file, level-0 px of that; None if it is all of it."""
        if self.file_width is None or self.file_height is None:
            return None
        return Frame(self.region_x, self.region_y, *self.size)

    @property
    def frames(self) -> dict[Origin, Frame]:
        """All of the file, the part that QuPath shows, and the slide, measured from its corner.

        The first is the last unless the slide is a region of its file, and the second without
        bounds.

        Raises
        ------
        ValueError
            If the slide was never opened.
        """
        region = Frame(0, 0, *self.size)
        plane, bounds = region, None
        if self.file_width is not None and self.file_height is not None:
            plane = Frame(-self.region_x, -self.region_y, self.file_width, self.file_height)
        if self.bounds_width is not None and self.bounds_height is not None:
            bounds = Frame(self.bounds_x, self.bounds_y, self.bounds_width, self.bounds_height)
        return {"plane": plane, "bounds": bounds or plane, "region": region}


def write_record(path: str | Path, record: SlideRecord) -> None:
    """Write what preflight found, as JSON."""
    write_json(path, asdict(record))


def read_record(path: str | Path) -> SlideRecord:
    """Read what `write_record` wrote."""
    return SlideRecord(**read_json(path))
