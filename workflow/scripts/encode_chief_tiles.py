"""Encode the tissue of one slide at CHIEF's scale."""

from functools import partial
from pathlib import Path

import numpy as np
from encoding_job import encode_or_say_why

from histohet.common.jobs import job_log
from histohet.common.outcome import Outcome, Status
from histohet.encoders.pixels import TileSource
from histohet.slides.record import SlideRecord, read_record
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.lattice import in_tissue, lattice
from histohet.tiles.settings import CHIEF_TILES as SPEC
from histohet.tissue.file import read_tissue


def make_tiles(record: SlideRecord) -> TileTable:
    """Return CHIEF's tiles on tissue, on a lattice of their own."""
    tissue, outcome = read_tissue(snakemake.input.tissue)
    nothing = np.empty((0, 2), np.int64)
    if not outcome.ok:
        return TileTable(nothing, {"name": record.slide}, outcome)
    folder = Path(snakemake.output.features).parent.as_posix()
    attributes = tile_attributes(record.slide, SPEC, record.mpp, record.size, folder)
    if record.mpp > SPEC.mpp * (1 + snakemake.params.tolerance):
        reason = f"CHIEF needs {SPEC.mpp:.3g} µm per pixel, the slide has {record.mpp:.4g}"
        return TileTable(nothing, attributes, Outcome(Status.REFUSED, f"{reason}: too coarse"))
    coords = lattice(*record.size, SPEC, record.mpp)
    coords = coords[in_tissue(coords, SPEC.side_px(record.mpp), tissue.pieces)]
    if len(coords) == 0:
        outcome = Outcome(Status.NO_TILES, f"no tile of {SPEC.tile_um:g} µm lies on tissue")
    return TileTable(coords, attributes, outcome)


def source_of(record: SlideRecord, tiles: TileTable) -> TileSource:
    """Return where the pixels of the tiles come from: CHIEF sees whole tiles."""
    resampling = snakemake.params.encoding["resampling"]
    return TileSource(record.path, tiles.side_px, SPEC.tile_px, resampling, mask=None)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = make_tiles(record)
    rows = np.arange(len(tiles.coords))
    source = partial(source_of, record, tiles)
    outcome = encode_or_say_why(snakemake, tiles, rows, tiles.outcome, source)
    log.info("%s: %d tiles, %s", record.slide, len(tiles.coords), outcome)
