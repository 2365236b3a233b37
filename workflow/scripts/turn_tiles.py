"""Encode the tiles of one core, each turned about its own centre by every angle."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.encoders.base import Encoder
from histohet.encoders.encode import encode_job
from histohet.encoders.pixels import TileSource
from histohet.rotation.turning import TurningEncoder
from histohet.slides.record import read_record
from histohet.tiles.file import read_tiles


def choose() -> tuple[np.ndarray, TileSource]:
    """Return the rows of all tiles, and where their pixels come from."""
    source = TileSource(
        record.path,
        tiles.side_px,
        tiles.spec.tile_px,
        snakemake.params.encoding["resampling"],
        region=record.region,
    )
    return np.arange(len(tiles.coords)), source


def turning(encoder: Encoder) -> Encoder:
    """Return the encoder of all views of a tile."""
    return TurningEncoder(encoder, snakemake.params.angles)


with job_log(snakemake):
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    encode_job(snakemake, provenance_of(snakemake), tiles, choose, turning)
