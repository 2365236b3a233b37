"""What a slide is: can it be read, at which scale, and does it take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from histohet.common.outcome import SlideLost, joined
from histohet.common.sheets import number_of
from histohet.features.imported.layouts import (
    read_source,
    read_tile_positions,
)
from histohet.features.imported.placement import check_tile_size, place_tiles
from histohet.features.imported.rows import check_repeats
from histohet.slides.frame import Frame, read_frame
from histohet.slides.reader import SlideInfo, open_slide
from histohet.slides.record import SlideRecord
from histohet.slides.region import Region, qupath_bounds
from histohet.slides.scale import Scale, resolve_scale, resolve_scale_of_features
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow
from histohet.tiles.settings import TileSpec

WIDEST_CORE = 2
"""How many times a core may be as wide as its slide, which may be cut from within it."""

SMALLEST_CORE_UM = 50
"""Less than any needle: a diameter in mm."""


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
        return record.refused(f"the id stands in rows {rows} of the sheet: give each its own")
    if problem := "; ".join(problems_of_files) or _problem_of_row(row):
        return record.refused(problem)
    info = None
    if row.path is not None:
        try:
            with open_slide(row.path) as file:
                slide = file if row.region is None else Region(file, read_frame(row.region))
                info = slide.info
                slide.read(len(info.level_dimensions) - 1, 0, 0, 1, 1)
                record = _with_header(record, info)
                if row.region is not None:
                    record = _with_region(record, file.info, read_frame(row.region))
        except SlideLost as error:
            return record.refused(str(error))
    check = _check_scale if row.features is None else _check_features
    return _with_core(check(record, row, info, tiles, scale), row)


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
        return record.refused(str(error))
    record = _with_scale(record, scale)
    if scale.mpp > tiles.mpp * (1 + settings.tolerance):
        too_coarse = (
            f"the slide has {scale.mpp:.4g} µm per pixel, the tiles need {tiles.mpp:.4g} "
            f"(scale.tolerance {settings.tolerance:.0%}): too coarse, unless tiles.mpp or "
            "scale.tolerance allow for it"
        )
        return record.refused("; ".join([too_coarse, *scale.conflicts]))
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
        return record.refused(str(error))
    return replace(record, notes=joined([record.notes, *placed.notes]))


def _with_header(record: SlideRecord, info: SlideInfo) -> SlideRecord:
    return replace(
        _with_bounds(record, qupath_bounds(info)),
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


def _with_bounds(record: SlideRecord, bounds: Frame) -> SlideRecord:
    return replace(
        record,
        bounds_x=bounds.x,
        bounds_y=bounds.y,
        bounds_width=bounds.width,
        bounds_height=bounds.height,
    )


def _with_region(record: SlideRecord, file: SlideInfo, region: Frame) -> SlideRecord:
    """Say where in its file a slide lies, and where from there QuPath begins."""
    shown = qupath_bounds(file)
    shown = shown._replace(x=shown.x - region.x, y=shown.y - region.y)
    return replace(
        _with_bounds(record, shown),
        region_x=region.x,
        region_y=region.y,
        file_width=file.width,
        file_height=file.height,
    )


def _with_core(record: SlideRecord, row: SlideRow) -> SlideRecord:
    """Take over the diameter of a core, and refuse one that its slide contradicts."""
    diameter = _positive(row.core_diameter_um)
    mpp, size = record.mpp, record.known_size
    if diameter is None or mpp is None or size is None:
        return record
    record = replace(record, core_diameter_um=diameter)
    side_um = max(size) * mpp
    if diameter > WIDEST_CORE * side_um:
        return record.refused(
            f"core_diameter_um {diameter:g} is more than {WIDEST_CORE} times the {side_um:.4g} µm "
            f"of the slide at {mpp:.4g} µm per pixel: is one of them wrong, or the region?"
        )
    return record


def _problem_of_row(row: SlideRow) -> str | None:
    """Say why a row cannot be used as written, before its slide is opened."""
    if problem := _problem_of_region(row):
        return problem
    if row.mpp is not None and _positive(row.mpp) is None:
        return f"mpp '{row.mpp}' in the sheet is not a positive number like 0.25"
    if row.features is None and (row.tiles or row.tile_px_level0):
        return "tiles and tile_px_level0 in the sheet belong to features, and there are none"
    if row.tile_px_level0 is not None and _positive(row.tile_px_level0) is None:
        return f"tile_px_level0 '{row.tile_px_level0}' in the sheet is not a positive number"
    return None


def _problem_of_region(row: SlideRow) -> str | None:
    """Say why the region of a row, or the core in it, cannot be meant as written."""
    for column, cell in (("region", row.region), ("core_diameter_um", row.core_diameter_um)):
        if cell is not None and row.path is None:
            return f"{column} in the sheet belongs to a path, and there is none"
    if row.region is not None:
        try:
            read_frame(row.region)
        except ValueError as error:
            return f"region {error}"
    diameter = _positive(row.core_diameter_um)
    if row.core_diameter_um is not None and not (diameter and diameter >= SMALLEST_CORE_UM):
        return (
            f"core_diameter_um '{row.core_diameter_um}' in the sheet is no diameter of a core in "
            "µm, such as 600, 1000 or 1200"
        )
    return None


def _positive(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = number_of(text)
    except ValueError:
        return None
    return value if value > 0 else None
