"""Lay tiles over the tissue of one slide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.slides.reader import Pixels
from histohet.slides.record import read_record
from histohet.slides.region import open_region
from histohet.slides.thumbnail import GLASS_COLOUR, draw_tiles, save_picture
from histohet.tiles.file import lay_tiles, no_tiles, write_tiles
from histohet.tiles.settings import Block, TileSettings
from histohet.tissue.file import read_tissue
from histohet.tissue.segmentation import Tissue
from histohet.tissue.settings import TissueParameters
from histohet.tissue.share import TissueTiles, leave_out_glass, tissue_shares

NO_SHARES, NO_GLASS = np.empty(0, np.float32), np.empty((0, 2), np.int64)


def tile(tissue: Tissue) -> TissueTiles:
    """Return the tiles on tissue, and those left out as glass."""
    settings = TileSettings(**snakemake.params.tiles)
    folder = Path(snakemake.output.tiles).parent.as_posix()
    block = Block(**snakemake.params.block)
    about = (record.slide, settings.size.divided(block.side), record.mpp, record.size)
    tiles = lay_tiles(*about, tissue.pieces, folder, block)
    more = {"tissue_mm2": tissue.area_mm2}
    if record.region is not None:
        more["region"] = str(record.region)
    tiles = replace(tiles, attributes={**tiles.attributes, **more})
    takes_ink = TissueParameters(**snakemake.params.tissue).max_ink == 1
    with open_region(record.path, record.region) as slide:
        shares = tissue_shares(slide, tiles, tissue.white, with_ink=takes_ink)
    return leave_out_glass(tiles, shares, settings.min_tissue_share, settings.rim_tissue_share)


def look() -> tuple[TissueTiles, Pixels]:
    """Return the tiles, and the thumbnail with outlines and tiles on it."""
    tissue = read_tissue(snakemake.input.tissue)
    found = tile(tissue)
    downsample, side_px = record.width / thumbnail.shape[1], found.tiles.side_px
    picture = draw_tiles(thumbnail, downsample, [], found.glass, side_px, GLASS_COLOUR)
    return found, draw_tiles(picture, downsample, tissue.pieces, found.tiles.coords, side_px)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    thumbnail = np.asarray(Image.open(snakemake.input.thumbnail))
    (found, picture), outcome = attempt(look, (None, thumbnail))
    found = found or TissueTiles(no_tiles(record.slide, outcome), NO_SHARES, NO_GLASS)
    tiles = found.tiles
    log.info(
        "%s: %d tiles, %d more of glass, %s",
        *(record.slide, len(tiles.coords), len(found.glass), tiles.outcome),
    )
    provenance = provenance_of(snakemake)
    write_tiles(snakemake.output.tiles, tiles, provenance, found.shares, found.glass)
    save_picture(snakemake.output.picture, picture, provenance)
