"""Will this cohort run? What every slide is, and what is wrong with the sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from histohet.outcome import Outcome, Status
from histohet.scale import ScaleUnknownError, resolve_scale
from histohet.sheets import SlideRow, SlideSheet
from histohet.slides import SlideError, SlideInfo, open_slide


@dataclass(frozen=True)
class SlideRecord:
    """One row of the preflight table.

    Attributes
    ----------
    mpp
        Micrometres per level-0 pixel that every later step uses; None if the slide is refused
        before its scale is known.
    mpp_source
        ``file`` or ``sheet``.
    bounds_x, bounds_y
        Where QuPath's origin lies in the slide, level-0 px.
    conflicts
        What contradicts what; a conflict alone does not refuse a slide.
    status, reason
        See `histohet.outcome`.
    """

    slide: str
    patient: str
    path: str
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


@dataclass(frozen=True)
class Problem:
    """Something wrong with a row of a sheet, and what becomes of the row."""

    sheet: str
    row: int
    subject: str
    problem: str
    consequence: str


def check_slide(
    row: SlideRow,
    *,
    target_mpp: float,
    mpp_tolerance: float,
    prefer_mpp: Literal["file", "sheet"],
    duplicate_rows: Sequence[int] = (),
) -> SlideRecord:
    """Open a slide, read its header and decide whether it takes part.

    Parameters
    ----------
    target_mpp
        Scale of the tiles that will be read, µm per pixel.
    mpp_tolerance
        How much coarser than `target_mpp` a slide may be, as a fraction of it.
    prefer_mpp
        Which of two disagreeing scales counts, see `histohet.scale.resolve_scale`.
    duplicate_rows
        All rows of the sheet that carry this id, if more than one does.
    """
    record = SlideRecord(row.slide, row.patient, row.path)
    problem = _problem_of_row(row, duplicate_rows)
    if problem:
        return _refuse(record, problem)
    try:
        with open_slide(row.path) as slide:
            info = slide.info
            slide.read(len(info.level_dimensions) - 1, 0, 0, 1, 1)
    except SlideError as error:
        return _refuse(record, str(error))
    offset = qupath_offset(info)
    record = replace(
        record,
        bounds_x=offset[0],
        bounds_y=offset[1],
        format=info.format,
        width=info.width,
        height=info.height,
        levels=len(info.level_dimensions),
        objective_power=info.objective_power,
    )
    try:
        scale = resolve_scale(info, None if row.mpp is None else _positive(row.mpp), prefer_mpp)
    except ScaleUnknownError as error:
        return _refuse(record, str(error))
    record = replace(
        record, mpp=scale.mpp, mpp_source=scale.source, conflicts="; ".join(scale.conflicts)
    )
    if scale.mpp > target_mpp * (1 + mpp_tolerance):
        return _refuse(
            record,
            f"the slide has {scale.mpp:.4g} µm per pixel, the tiles need {target_mpp:.4g} "
            f"(scale.tolerance {mpp_tolerance:.0%}): too coarse",
        )
    return record


def qupath_offset(info: SlideInfo) -> tuple[int, int]:
    """Return how far QuPath's origin is from the slide's corner, in level-0 px.

    QuPath crops a slide to its bounds, and measures from their corner, only if they are smaller
    than the slide in width and height.
    """
    x, y, width, height = info.bounds
    return (x, y) if width != info.width and height != info.height else (0, 0)


def _refuse(record: SlideRecord, reason: str) -> SlideRecord:
    return replace(record, status=Status.REFUSED, reason=reason)


def _problem_of_row(row: SlideRow, duplicate_rows: Sequence[int]) -> str | None:
    """Say why a row cannot be used as written, before its slide is opened."""
    if duplicate_rows:
        rows = ", ".join(map(str, duplicate_rows))
        return f"the id stands in rows {rows} of the sheet: give each slide its own"
    missing = [
        f"{column}: {file} {'is not a file' if Path(file).exists() else 'does not exist'}"
        for column, file in row.files.items()
        if not Path(file).is_file()
    ]
    if missing:
        return "; ".join(missing)
    if row.mpp is not None and _positive(row.mpp) is None:
        return f"mpp '{row.mpp}' in the sheet is not a positive number like 0.25"
    return None


def list_problems(
    records: Sequence[SlideRecord], sheet: SlideSheet, name: str, patients: set[str] | None
) -> list[Problem]:
    """List what is wrong with the slides: refusals, contradicted scales, patients not to be found.

    Parameters
    ----------
    records
        What `check_slide` found, of every slide of the sheet.
    name
        The sheet as the user knows it (its path).
    patients
        Patients of the clinical table, or None if the run has none.
    """
    problems = []
    for record in records:
        row = sheet.slides[record.slide]
        # Of an id that comes again, the row to look at is the one that repeats it.
        number = sheet.duplicates.get(record.slide, (row.row,))[-1]
        if not record.outcome.ok:
            problems.append(Problem(name, number, record.slide, record.reason, "refused"))
        elif record.conflicts:
            used = f"{record.mpp:.4g} µm per pixel are used ({record.mpp_source})"
            problems.append(Problem(name, number, record.slide, record.conflicts, used))
        if patients is not None and row.patient not in patients:
            problem = f"patient '{row.patient}' has no usable row in the clinical table"
            consequence = "measured, but not in the survival analysis"
            problems.append(Problem(name, row.row, record.slide, problem, consequence))
    return problems


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
