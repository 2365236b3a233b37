"""Will this cohort run? What every slide is, and what is wrong with the sheets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd

from histohet.agreement.truth import read_truth
from histohet.clinical.table import ClinicalTable
from histohet.common.arrays import Float32
from histohet.common.outcome import Outcome, SlideLost, Status
from histohet.common.sheets import number_of
from histohet.epithelium.base import MaskError, MaskRules
from histohet.epithelium.coverage import LISTED_BELOW, check_mask
from histohet.features.imported.layouts import (
    canonical_encoder,
    read_source,
    read_tile_positions,
)
from histohet.features.imported.placement import check_tile_size, place_tiles
from histohet.features.imported.rows import check_repeats
from histohet.measures.traits import read_traits
from histohet.slides.identity import same_files
from histohet.slides.reader import SlideInfo, open_slide
from histohet.slides.record import INCOMPARABLE, Frame, SlideRecord
from histohet.slides.scale import Scale, resolve_scale, resolve_scale_of_features
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow, SlideSheet
from histohet.tiles.file import TileTable
from histohet.tiles.settings import TileSpec
from histohet.tumour.attention import read_attention_of

REFUSED, NO_RESULT = "refused", "no result"
WHERE_USED = " where it is used"
"""What becomes of a slide; of its mask, say, variants of whole tiles need none."""

READERS: Mapping[str, Callable[[str, tuple[int, int] | None], object]] = {
    "attention": read_attention_of,
    "traits": lambda path, size: read_traits(path),
    "truth": lambda path, size: read_truth(path),
}
"""What reads the files beside a slide but for the mask, by column of the sheet."""

Features = tuple[str | None, int | None]
"""Encoder and width of features; None where it is not known."""


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


def check_companions(
    record: SlideRecord, files: Mapping[str, str], tiles: TileSpec, rules: MaskRules
) -> SlideRecord:
    """Read the files that the sheet names beside a slide and refuse it if they cannot be its own.

    Not part of `check_slide`, so that another mask or attention does not encode a slide again.

    Parameters
    ----------
    files
        By column of the sheet, `histohet.slides.sheet.COMPANIONS`.
    rules
        How a mask is read.
    """
    if not record.outcome.ok or record.mpp is None:
        return record
    side_px, size = tiles.side_px(record.mpp), record.known_size

    problems, notes = [], [record.notes]
    for column, file in files.items():
        try:
            if column == "mask":
                # Without a slide there is no mask either.
                notes += check_mask(file, rules, record, side_px)
            else:
                READERS[column](file, size)
        except MaskError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{column}: {error}")
    record = replace(record, notes=_joined(notes))
    return _refuse(record, _joined(problems)) if problems else record


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(filter(None, texts))


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
            f"(scale.tolerance {settings.tolerance:.0%}): too coarse, unless tiles.mpp or "
            "scale.tolerance allow for it"
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
        check_repeats(source, placed.repeats)
    except SlideLost as error:
        return _refuse(record, str(error))
    return replace(record, notes=_joined([record.notes, *placed.notes]))


def _with_header(record: SlideRecord, info: SlideInfo) -> SlideRecord:
    bounds = qupath_bounds(info)
    return replace(
        record,
        bounds_x=bounds.x,
        bounds_y=bounds.y,
        bounds_width=bounds.width,
        bounds_height=bounds.height,
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


def qupath_bounds(info: SlideInfo) -> Frame:
    """Return what QuPath shows of a slide.

    QuPath crops a slide to its bounds, and measures from their corner, only if they are smaller
    than the slide in width and height.
    """
    x, y, width, height = info.bounds
    if width != info.width and height != info.height:
        return Frame(x, y, width, height)
    return Frame(0, 0, info.width, info.height)


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


@dataclass(frozen=True)
class Outlook:
    """What will become of a slide, as far as its files, tissue, tiles and mask tell.

    Attributes
    ----------
    record
        What the slide is; its status and reason as they will be.
    consequence
        What becomes of a slide that is not ok, or what one that is has yet to show.
    n_tissue_tiles
        Tiles on tissue, or of the finished features; None if the slide did not come so far.
    mask_on_tissue
        Share of the epithelium of a mask that lies on tissue, if known.
    """

    record: SlideRecord
    consequence: str = ""
    n_tissue_tiles: int | None = None
    mask_on_tissue: float | None = None


@dataclass(frozen=True)
class MeasuredMask:
    """What a mask says of the tiles of its slide.

    Attributes
    ----------
    coverage
        (N,) epithelium of each tile.
    outcome
        Why the mask cannot be used, if it cannot.
    on_tissue
        Share of its epithelium that lies on tissue, if known.
    """

    coverage: Float32
    outcome: Outcome
    on_tissue: float | None


def foresee(
    opened: SlideRecord,
    beside: SlideRecord,
    tissue: Outcome,
    tiles: TileTable,
    mask: MeasuredMask | None,
    *,
    min_tiles: int,
    min_coverage: float,
    by_stain: bool,
) -> Outlook:
    """Say what will become of a slide.

    Parameters
    ----------
    opened, beside
        What `check_slide` and `check_companions` found.
    tissue
        How far it came, and what is unusual about it.
    tiles
        Those on tissue, or of the finished features.
    mask
        None if the slide brings none.
    min_tiles, min_coverage
        Tiles that are needed, and epithelium that one of them needs.
    by_stain
        Whether the stain will tell the epithelium of a slide that brings no mask.
    """
    if not opened.outcome.ok:
        return Outlook(opened, REFUSED)
    n_tiles, share = len(tiles.coords), None if mask is None else mask.on_tissue
    notes = [beside.notes, tissue.reason if tissue.ok else ""]
    if share is not None and share < LISTED_BELOW:
        notes.append(f"{share:.0%} of the epithelium of the mask lies on tissue")
    record = replace(beside, notes=_joined(notes))
    by_tiles = _lost_by_tiles(tiles, min_tiles)
    lost = [by_tiles, beside.outcome]
    if by_tiles.ok and mask is not None:
        lost.append(_lost_by_mask(mask, min_tiles, min_coverage))
    lost = [one for one in lost if not one.ok]
    if not lost:
        condition = f"used if {min_tiles} of its {n_tiles} tiles are epithelium by the stain"
        return Outlook(record, condition if by_stain and mask is None else "", n_tiles, share)
    # What is wrong with a mask is told with the files beside the slide, and again with the tiles.
    reasons = [
        one.reason
        for number, one in enumerate(lost)
        if not any(one.reason in before.reason for before in lost[:number])
    ]
    record = replace(record, status=lost[0].status, reason=_joined(reasons))
    consequence = REFUSED if lost[0].status is Status.REFUSED else NO_RESULT
    where_used = WHERE_USED if by_tiles.ok else ""
    return Outlook(record, f"{consequence}{where_used}", n_tiles, share)


def _lost_by_tiles(tiles: TileTable, min_tiles: int) -> Outcome:
    """Whether there are tiles enough, whatever the mask."""
    if not tiles.outcome.ok or len(tiles.coords) >= min_tiles:
        return tiles.outcome
    return Outcome(
        Status.TOO_FEW_TILES,
        f"{len(tiles.coords)} tiles on tissue, at least {min_tiles} are needed "
        "(clustering.min_tiles)",
    )


def _lost_by_mask(mask: MeasuredMask, min_tiles: int, min_coverage: float) -> Outcome:
    """Whether there are tiles enough with epithelium."""
    if not mask.outcome.ok:
        return mask.outcome
    n_covered = int((mask.coverage > min_coverage).sum())
    found = f"{n_covered} tiles are more than {min_coverage:.0%} epithelium"
    if n_covered == 0:
        return Outcome(Status.NO_EPITHELIUM, found)
    if n_covered < min_tiles:
        needed = f"at least {min_tiles} are needed (clustering.min_tiles)"
        return Outcome(Status.TOO_FEW_TILES, f"{found}, {needed}")
    return mask.outcome


def list_problems(
    outlooks: Sequence[Outlook], sheet: SlideSheet, name: str, clinical: ClinicalTable | None
) -> list[Problem]:
    """List what is wrong with the slides, and with the clinical rows of their patients.

    Of slides: those without a result, contradicted scales, what is unusual about files, files of
    several slides, patients not to be found.

    Parameters
    ----------
    outlooks
        Of every slide of the sheet.
    name
        The sheet as the user knows it (its path).
    clinical
        The clinical tables, or None if the run has none.
    """
    problems = []
    patients = None if clinical is None else set(clinical.frame["patient"])
    for outlook in outlooks:
        record = outlook.record
        row = sheet.slides[record.slide]
        # Of an id that comes again, the row to look at is the one that repeats it.
        number = sheet.duplicates.get(record.slide, (row.row,))[-1]
        if not record.outcome.ok:
            problems.append(Problem(name, number, record.slide, record.reason, outlook.consequence))
        if record.conflicts and outlook.consequence != REFUSED:
            used = f"{record.mpp:.4g} µm per pixel are used ({record.mpp_source})"
            problems.append(Problem(name, number, record.slide, record.conflicts, used))
        if record.notes:
            problems.append(Problem(name, number, record.slide, record.notes, "used all the same"))
        if patients is not None and row.patient not in patients:
            problem = f"patient '{row.patient}' has no usable row in the clinical tables"
            consequence = "measured, but not in the survival analysis"
            problems.append(Problem(name, row.row, record.slide, problem, consequence))
    problems += [
        Problem(
            name,
            again.row.row,
            again.row.slide,
            f"{again.column}: the same file as of slide '{again.first.slide}' in row "
            f"{again.first.row}, or a copy of it",
            "both are used",
        )
        for again in same_files(sheet.slides.values())
    ]
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


def slide_table(outlooks: Sequence[Outlook], sheet: SlideSheet) -> pd.DataFrame:
    """Return one row per slide: its record, its patient, and what will become of it."""
    rows = [
        {
            **asdict(outlook.record),
            "consequence": outlook.consequence,
            "n_tissue_tiles": outlook.n_tissue_tiles,
            "mask_on_tissue": outlook.mask_on_tissue,
        }
        for outlook in outlooks
    ]
    table = pd.DataFrame(rows).astype({"n_tissue_tiles": "Int64", "mask_on_tissue": float})
    patients = [sheet.slides[outlook.record.slide].patient for outlook in outlooks]
    table.insert(1, "patient", patients)
    return table


def read_outlooks(table: pd.DataFrame) -> list[Outlook]:
    """Return what `slide_table` was made of."""
    of_record = [field.name for field in fields(SlideRecord)]
    rows: list[dict[str, Any]] = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    return [
        Outlook(
            SlideRecord(**{name: row[name] for name in of_record}),
            row["consequence"],
            row["n_tissue_tiles"],
            row["mask_on_tissue"],
        )
        for row in rows
    ]


def problem_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """Return one row per problem."""
    columns = [field.name for field in fields(Problem)]
    return pd.DataFrame([asdict(problem) for problem in problems], columns=columns)


def disagreeing_features(
    records: Sequence[SlideRecord], encoder: str, width: int | None
) -> dict[str, str]:
    """Say which slides of a cohort have features that cannot be compared with those of the others.

    The others are the slides that are encoded here, if there are any, else the largest group.

    Parameters
    ----------
    records
        What `check_slide` found, of every slide of the sheet.
    encoder, width
        What the slides without finished features are encoded with; the width if it is known.

    Returns
    -------
    dict
        What is wrong with each of these slides. A file that does not name its encoder (CLAM) agrees
        with every encoder of its width.
    """
    slides: defaultdict[Features, list[str]] = defaultdict(list)
    here = (encoder, width)
    for record in records:
        if record.outcome.ok and record.imported is None:
            slides[here].append(record.slide)
        elif record.outcome.ok and record.feature_width is not None:
            slides[record.encoder, record.feature_width].append(record.slide)
    if not slides:
        return {}
    common = here if here in slides else max(slides, key=lambda one: len(slides[one]))
    return {
        slide: (
            f"features are of {_named(one)}, those of {len(slides[common])} other slides of "
            f"{_named(common)}: one cohort needs features of one encoder"
        )
        for one, of_it in slides.items()
        if not _agree(one, common)
        for slide in of_it
    }


def refuse_disagreeing(outlooks: Iterable[Outlook], problems: Mapping[str, str]) -> list[Outlook]:
    """Refuse the slides that `disagreeing_features` names."""
    return [
        replace(outlook, record=_refuse(outlook.record, problem), consequence=INCOMPARABLE)
        if (problem := problems.get(outlook.record.slide))
        else outlook
        for outlook in outlooks
    ]


def _named(features: Features) -> str:
    name, width = features
    return f"{name or 'an encoder without a name'} with {width or 'unknown'} numbers per tile"


def _agree(one: Features, other: Features) -> bool:
    """Whether two encoders, by name and width, can be the same; what is None is not known."""
    names = {canonical_encoder(name) for name, _ in (one, other) if name is not None}
    widths = {width for _, width in (one, other) if width is not None}
    return len(names) < 2 and len(widths) < 2


def _positive(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = number_of(text)
    except ValueError:
        return None
    return value if value > 0 else None
