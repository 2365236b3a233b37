"""Will this cohort run? What every slide is, and what is wrong with the sheets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations

import pandas as pd

from histohet.agreement.truth import read_truth
from histohet.clinical.join import ClinicalTable
from histohet.common.outcome import SlideLost, Status
from histohet.epithelium.coverage import check_mask
from histohet.epithelium.masks import MaskError
from histohet.features.imported.layouts import (
    canonical_encoder,
    read_source,
    read_tile_positions,
)
from histohet.features.imported.placement import check_tile_size, place_tiles
from histohet.measures.traits import read_traits
from histohet.slides.reader import SlideInfo, open_slide
from histohet.slides.record import SlideRecord
from histohet.slides.scale import Scale, resolve_scale, resolve_scale_of_features
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow, SlideSheet
from histohet.tiles.settings import TileSpec
from histohet.tumour.attention import read_attention_of

NAMED_SLIDES = 5
"""So many slides are named in a message about many."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a row of a sheet, and what becomes of the row."""

    sheet: str
    row: int
    subject: str
    problem: str
    consequence: str

    def __str__(self) -> str:
        return f"{self.sheet}, row {self.row}: {self.subject}: {self.problem}"


def check_slide(
    row: SlideRow,
    *,
    tiles: TileSpec,
    scale: ScaleSettings,
    duplicate_rows: Sequence[int] = (),
    problems_of_files: Sequence[str] = (),
) -> SlideRecord:
    """Open a slide, read its header and decide whether it takes part.

    Of a slide that brings finished features everything but the embeddings themselves is checked.

    Parameters
    ----------
    tiles
        Tiles that will be read, or were read for finished features.
    scale
        Which of two disagreeing scales counts, and how far from the tiles' a slide's may be.
    duplicate_rows
        All rows of the sheet that carry this id, if more than one does.
    problems_of_files
        What is wrong with the files of the row, see `SlideRow.problems_of_files`.
    """
    record = SlideRecord(row.slide, row.path)
    if duplicate_rows:
        rows = ", ".join(map(str, duplicate_rows))
        return _refuse(record, f"the id stands in rows {rows} of the sheet: give each its own")
    if problem := "; ".join(problems_of_files) or _problem_of_row(row):
        return _refuse(record, problem)
    info = None
    if row.path is not None:
        try:
            with open_slide(row.path) as slide:
                info = slide.info
                slide.read(len(info.level_dimensions) - 1, 0, 0, 1, 1)
        except SlideLost as error:
            return _refuse(record, str(error))
        record = _with_header(record, info)
    check = _check_scale if row.features is None else _check_features
    return check(record, row, info, tiles, scale)


def check_companions(record: SlideRecord, files: Mapping[str, str], tiles: TileSpec) -> SlideRecord:
    """Read the files that the sheet names beside a slide and refuse it if they cannot be its own.

    Not part of `check_slide`, so that another mask or attention does not encode a slide again.

    Parameters
    ----------
    files
        By column of the sheet, `histohet.slides.sheet.COMPANIONS`.
    """
    if not record.outcome.ok or record.mpp is None:
        return record
    problem = _problem_of_companions(files, record.known_size, tiles.side_px(record.mpp))
    return _refuse(record, problem) if problem else record


def _problem_of_companions(
    files: Mapping[str, str], size: tuple[int, int] | None, side_px: float
) -> str | None:
    """Read mask, attention, traits and truth of a slide as far as it goes; say what is wrong.

    Of a label image only the header is read, of GeoJSON nothing: it may be large.

    Parameters
    ----------
    files
        By column of the sheet, `histohet.slides.sheet.COMPANIONS`.
    size
        (width, height) of level 0; None without a slide, which then has no mask either.
    side_px
        Side of a tile, level-0 px.
    """
    checks: dict[str, Callable[[str], object]] = {
        "mask": lambda path: None if size is None else check_mask(path, size, side_px),
        "attention": lambda path: read_attention_of(path, size),
        "traits": read_traits,
        "truth": read_truth,
    }
    problems = []
    for column, file in files.items():
        try:
            checks[column](file)
        except MaskError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{column}: {error}")
    return "; ".join(problems) or None


def _check_scale(
    record: SlideRecord,
    row: SlideRow,
    info: SlideInfo | None,
    tiles: TileSpec,
    settings: ScaleSettings,
) -> SlideRecord:
    """Find out the scale of a slide, and whether tiles can be made at it."""
    try:
        scale = resolve_scale(info, _positive(row.mpp), settings.prefer)
    except SlideLost as error:
        return _refuse(record, str(error))
    record = _with_scale(record, scale)
    if scale.mpp > tiles.mpp * (1 + settings.tolerance):
        too_coarse = (
            f"the slide has {scale.mpp:.4g} µm per pixel, the tiles need {tiles.mpp:.4g} "
            f"(scale.tolerance {settings.tolerance:.0%}): too coarse"
        )
        return _refuse(record, "; ".join([too_coarse, *scale.conflicts]))
    return record


def _check_features(
    record: SlideRecord,
    row: SlideRow,
    info: SlideInfo | None,
    tiles: TileSpec,
    settings: ScaleSettings,
) -> SlideRecord:
    """Read all of the finished features but the embeddings, and place their tiles."""
    try:
        source = read_source(row.features or "")
        record = replace(
            record,
            imported=source.layout,
            encoder=source.encoder,
            feature_width=source.width or None,
        )
        positions = None if row.tiles is None else read_tile_positions(row.tiles)
        features_mpp = source.facts.mpp or (positions.facts.mpp if positions else None)
        scale = resolve_scale_of_features(features_mpp, info, _positive(row.mpp), settings.prefer)
        record = _with_scale(record, scale)
        placed = place_tiles(
            source,
            scale.mpp,
            tiles=positions,
            side_px=_positive(row.tile_px_level0),
            size=None if info is None else (info.width, info.height),
        )
        check_tile_size(source.path, placed, scale.mpp, tiles, settings.tolerance)
    except SlideLost as error:
        return _refuse(record, str(error))
    notes = [record.notes] if record.notes else []
    return replace(record, notes="; ".join([*notes, *placed.notes]))


def _with_header(record: SlideRecord, info: SlideInfo) -> SlideRecord:
    offset = qupath_offset(info)
    return replace(
        record,
        bounds_x=offset[0],
        bounds_y=offset[1],
        format=info.format,
        width=info.width,
        height=info.height,
        levels=len(info.level_dimensions),
        objective_power=info.objective_power,
        notes="; ".join(info.notes),
    )


def _with_scale(record: SlideRecord, scale: Scale) -> SlideRecord:
    return replace(
        record, mpp=scale.mpp, mpp_source=scale.source, conflicts="; ".join(scale.conflicts)
    )


def qupath_offset(info: SlideInfo) -> tuple[int, int]:
    """Return how far QuPath's origin is from the slide's corner, in level-0 px.

    QuPath crops a slide to its bounds, and measures from their corner, only if they are smaller
    than the slide in width and height.
    """
    x, y, width, height = info.bounds
    return (x, y) if width != info.width and height != info.height else (0, 0)


def _refuse(record: SlideRecord, reason: str) -> SlideRecord:
    return replace(record, status=Status.REFUSED, reason=reason)


def _problem_of_row(row: SlideRow) -> str | None:
    """Say why a row cannot be used as written, before its slide is opened."""
    if row.mpp is not None and _positive(row.mpp) is None:
        return f"mpp '{row.mpp}' in the sheet is not a positive number like 0.25"
    if row.features is None and (row.tiles or row.tile_px_level0):
        return "tiles and tile_px_level0 in the sheet belong to features, and there are none"
    if row.tile_px_level0 is not None and _positive(row.tile_px_level0) is None:
        return f"tile_px_level0 '{row.tile_px_level0}' in the sheet is not a positive number"
    return None


def list_problems(
    records: Sequence[SlideRecord],
    opened: Collection[str],
    sheet: SlideSheet,
    name: str,
    clinical: ClinicalTable | None,
) -> list[Problem]:
    """List what is wrong with the slides, and with the clinical rows of their patients.

    Of slides: refusals, contradicted scales, patients not to be found.

    Parameters
    ----------
    records
        What `check_companions` found, of every slide of the sheet.
    opened
        Slides that `check_slide` found sound, whatever lies beside them.
    name
        The sheet as the user knows it (its path).
    clinical
        The clinical tables, or None if the run has none.
    """
    problems = []
    patients = None if clinical is None else set(clinical.frame["patient"])
    for record in records:
        row = sheet.slides[record.slide]
        # Of an id that comes again, the row to look at is the one that repeats it.
        number = sheet.duplicates.get(record.slide, (row.row,))[-1]
        if not record.outcome.ok:
            # Variants of whole tiles, say, need no mask.
            refused = "refused where it is used" if record.slide in opened else "refused"
            problems.append(Problem(name, number, record.slide, record.reason, refused))
        elif record.conflicts:
            used = f"{record.mpp:.4g} µm per pixel are used ({record.mpp_source})"
            problems.append(Problem(name, number, record.slide, record.conflicts, used))
        if record.notes:
            problems.append(Problem(name, number, record.slide, record.notes, "used as they are"))
        if patients is not None and row.patient not in patients:
            problem = f"patient '{row.patient}' has no usable row in the clinical tables"
            consequence = "measured, but not in the survival analysis"
            problems.append(Problem(name, row.row, record.slide, problem, consequence))
    if clinical is not None:
        problems += _problems_of_rows(clinical, {row.patient for row in sheet.slides.values()})
    return problems


def _problems_of_rows(clinical: ClinicalTable, patients: Collection[str]) -> list[Problem]:
    """List what is wrong with the clinical rows of `patients`, and with whole clinical tables."""
    found = clinical.problems
    return [
        Problem(
            row["table"],
            int(row["row"]),
            row["patient"],
            _cell(row) + row["problem"],
            row["consequence"],
        )
        for _, row in found[found["patient"].isin({*patients, ""})].iterrows()
    ]


def _cell(row: pd.Series) -> str:
    """Name what a clinical problem is about: a cell, a column, or the whole table."""
    if row["patient"] or row["value"]:
        return f"{row['column']} '{row['value']}': "
    return f"{row['column']}: " if row["column"] else ""


def slide_table(records: Sequence[SlideRecord], sheet: SlideSheet) -> pd.DataFrame:
    """Return one row per slide: its record, and its patient."""
    table = pd.DataFrame([asdict(record) for record in records])
    table.insert(1, "patient", [sheet.slides[record.slide].patient for record in records])
    return table


def problem_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """Return one row per problem."""
    columns = [field.name for field in fields(Problem)]
    return pd.DataFrame([asdict(problem) for problem in problems], columns=columns)


def disagreeing_features(
    records: Sequence[SlideRecord], encoder: str, width: int | None
) -> str | None:
    """Say which slides of a cohort have features that cannot be compared.

    Parameters
    ----------
    records
        What `check_slide` found, of every slide of the sheet.
    encoder, width
        What the slides without finished features are encoded with; the width if it is known.

    Returns
    -------
    str or None
        One message that names the encoders, their widths and slides; None if all agree. A file that
        does not name its encoder (CLAM) agrees with every encoder of its width.
    """
    slides: defaultdict[tuple[str | None, int | None], list[str]] = defaultdict(list)
    for record in records:
        if record.outcome.ok and record.imported is None:
            slides[encoder, width].append(record.slide)
        elif record.outcome.ok and record.feature_width is not None:
            slides[record.encoder, record.feature_width].append(record.slide)
    if all(_agree(*pair) for pair in combinations(slides, 2)):
        return None
    groups = [
        f"{name or 'an encoder without a name'}, {numbers or 'unknown'} numbers per tile: "
        + ", ".join(found[:NAMED_SLIDES])
        + (f" and {len(found) - NAMED_SLIDES} more" if len(found) > NAMED_SLIDES else "")
        for (name, numbers), found in slides.items()
    ]
    return "slides of one cohort need features of one encoder; here are " + "; ".join(groups)


def _agree(one: tuple[str | None, int | None], other: tuple[str | None, int | None]) -> bool:
    """Whether two encoders, by name and width, can be the same; what is None is not known."""
    names = {canonical_encoder(name) for name, _ in (one, other) if name is not None}
    widths = {width for _, width in (one, other) if width is not None}
    return len(names) < 2 and len(widths) < 2


def _positive(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
