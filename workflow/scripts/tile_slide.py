"""Lay tiles over the tissue of one slide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.slides.reader import Pixels
from histohet.slides.record import read_record
from histohet.slides.thumbnail import draw_tiles, save_picture
from histohet.tiles.file import TileTable, lay_tiles, no_tiles, write_tiles
from histohet.tiles.settings import TileSpec
from histohet.tissue.file import read_tissue


def tile() -> tuple[TileTable, Pixels]:
    """Return the tiles on tissue, and the thumbnail with outlines and tiles on it."""
    tissue = read_tissue(snakemake.input.tissue)
    spec = TileSpec(**snakemake.params.tiles)
    folder = Path(snakemake.output.tiles).parent.as_posix()
    tiles = lay_tiles(record.slide, spec, record.mpp, record.size, tissue.pieces, folder)
    tiles = replace(tiles, attributes={**tiles.attributes, "tissue_mm2": tissue.area_mm2})
    if not tiles.outcome.ok:
        return tiles, thumbnail
    downsample = record.width / thumbnail.shape[1]
    return tiles, draw_tiles(thumbnail, downsample, tissue.pieces, tiles.coords, tiles.side_px)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    thumbnail = np.asarray(Image.open(snakemake.input.thumbnail))
    (tiles, picture), outcome = attempt(tile, (None, thumbnail))
    tiles = tiles or no_tiles(record.slide, outcome)
    log.info("%s: %d tiles, %s", record.slide, len(tiles.coords), tiles.outcome)
    write_tiles(snakemake.output.tiles, tiles, provenance_of(snakemake))
    save_picture(snakemake.output.picture, picture, provenance_of(snakemake))
