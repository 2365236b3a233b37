"""Lay tiles over the tissue of one slide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.slides.record import SlideRecord, read_record
from histohet.slides.thumbnail import draw_tiles, save_picture
from histohet.tiles.file import TileTable, lay_tiles, no_tiles, write_tiles
from histohet.tiles.settings import TileSpec
from histohet.tissue.file import read_tissue


def make_tiles(record: SlideRecord, spec: TileSpec) -> TileTable:
    """Return the tiles on tissue."""
    tissue, outcome = read_tissue(snakemake.input.tissue)
    if not outcome.ok:
        return no_tiles(record.slide, outcome)
    folder = Path(snakemake.output.tiles).parent.as_posix()
    tiles = lay_tiles(record.slide, spec, record.mpp, record.size, tissue.pieces, folder)
    return replace(tiles, attributes={**tiles.attributes, "tissue_mm2": tissue.area_mm2})


def draw(tiles: TileTable, record: SlideRecord) -> np.ndarray:
    """Return the thumbnail with outlines and tiles on it."""
    thumbnail = np.asarray(Image.open(snakemake.input.thumbnail))
    if not tiles.outcome.ok:
        return thumbnail
    tissue, _ = read_tissue(snakemake.input.tissue)
    downsample = record.width / thumbnail.shape[1]
    return draw_tiles(thumbnail, downsample, tissue.pieces, tiles.coords, tiles.side_px)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = make_tiles(record, TileSpec(**snakemake.params.tiles))
    log.info("%s: %d tiles, %s", record.slide, len(tiles.coords), tiles.outcome)
    write_tiles(snakemake.output.tiles, tiles, provenance_of(snakemake))
    save_picture(snakemake.output.picture, draw(tiles, record), provenance_of(snakemake))
