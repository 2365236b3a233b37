"""Encode the tissue of one slide at CHIEF's scale."""

from pathlib import Path

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.encoders.encode import encode_job
from histohet.encoders.own_tiles import own_tiles
from histohet.encoders.pixels import TileSource
from histohet.slides.record import read_record
from histohet.tiles.file import TileTable, no_tiles
from histohet.tiles.settings import CHIEF_TILES as SPEC


def make_tiles() -> TileTable:
    """Return CHIEF's tiles on tissue, on a lattice of their own."""
    folder = Path(snakemake.output.features).parent.as_posix()
    tolerance = snakemake.params.tolerance
    return own_tiles("CHIEF", SPEC, record, snakemake.input.tissue, tolerance, folder)


def choose() -> tuple[np.ndarray, TileSource]:
    """Return the rows of all tiles, and where their pixels come from: CHIEF sees whole tiles."""
    resampling = snakemake.params.encoding["resampling"]
    source = TileSource(record.path, tiles.side_px, SPEC.tile_px, resampling, region=record.region)
    return np.arange(len(tiles.coords)), source


with job_log(snakemake):
    record = read_record(snakemake.input.record)
    tiles, outcome = attempt(make_tiles, None)
    tiles = tiles or no_tiles(record.slide, outcome)
    encode_job(snakemake, provenance_of(snakemake), tiles, choose)
