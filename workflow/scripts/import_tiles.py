"""Place the tiles of the finished features of one slide."""

from pathlib import Path

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.features.file import NO_ROWS
from histohet.features.imported.layouts import read_source, read_tile_positions
from histohet.features.imported.placement import check_tile_size, imported_tile_table, place_tiles
from histohet.features.imported.rows import write_imported_tiles
from histohet.slides.reader import Pixels, SlideError
from histohet.slides.record import SlideRecord, read_record
from histohet.slides.region import open_region
from histohet.slides.thumbnail import (
    backdrop,
    draw_tiles,
    placeholder,
    read_thumbnail,
    save_picture,
)
from histohet.tiles.file import TileTable, no_tiles
from histohet.tiles.settings import TileSpec


def place(record: SlideRecord) -> tuple[TileTable, np.ndarray]:
    """Return the tiles, and the row of the feature file that each of them came from."""
    source = read_source(snakemake.input.features)
    coords, side = snakemake.input.get("coords"), snakemake.params.tile_px_level0
    placed = place_tiles(
        source,
        record.mpp,
        tiles=read_tile_positions(coords) if coords else None,
        side_px=float(side) if side else None,
        size=record.known_size,
    )
    spec, tolerance = TileSpec(**snakemake.params.tiles), snakemake.params.tolerance
    check_tile_size(source.path, placed, record.mpp, spec, tolerance)
    for note in placed.notes:
        log.warning("%s", note)
    folder = Path(snakemake.output.tiles).parent.as_posix()
    return imported_tile_table(record.slide, source, placed, record.mpp, folder), placed.source_row


def thumbnail_of(record: SlideRecord, tiles: TileTable) -> Pixels:
    """Return the slide if it is there, else an empty backdrop of its shape."""
    if not tiles.outcome.ok:
        return placeholder(tiles.outcome.reason)
    if record.path:
        try:
            with open_region(record.path, record.region) as slide:
                return read_thumbnail(slide)
        except SlideError as error:
            log.warning("no thumbnail: %s", error)
    return backdrop(tiles.attributes["level0_width"], tiles.attributes["level0_height"])


def draw(tiles: TileTable, thumbnail: Pixels) -> Pixels:
    """Return the thumbnail with the tiles on it."""
    if not tiles.outcome.ok:
        return thumbnail
    downsample = tiles.attributes["level0_width"] / thumbnail.shape[1]
    return draw_tiles(thumbnail, downsample, [], tiles.coords, tiles.side_px)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    placed, outcome = attempt(lambda: place(record), None, record.outcome)
    tiles, source_row = placed or (no_tiles(record.slide, outcome), NO_ROWS)
    log.info("%s: %d tiles, %s", record.slide, len(tiles.coords), tiles.outcome)
    provenance = provenance_of(snakemake)
    write_imported_tiles(snakemake.output.tiles, tiles, source_row, provenance)
    thumbnail = thumbnail_of(record, tiles)
    save_picture(snakemake.output.thumbnail, thumbnail, provenance)
    save_picture(snakemake.output.picture, draw(tiles, thumbnail), provenance)
