"""Measure how much of every tile of one slide is epithelium."""

import numpy as np
from job import job_log, provenance_of

from histohet.epithelium import read_outcome
from histohet.files import read_json
from histohet.formats.hdf5 import TileTable, read_tiles, write_column
from histohet.logs import track
from histohet.masks import MaskError, open_mask
from histohet.outcome import Outcome, Status
from histohet.slide_record import SlideRecord


def measure(record: SlideRecord, tiles: TileTable) -> np.ndarray:
    """Return the coverage of each tile, float32 (N,)."""
    path = snakemake.input.get("mask") or snakemake.input.get("stain")
    if not path:
        return np.ones(len(tiles.coords), np.float32)
    mask = open_mask(
        path,
        snakemake.params.classes,
        snakemake.params.class_names,
        record.size,
        record.bounds_offset,
    )
    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles measured")
    return np.array([mask.coverage(x, y, tiles.side_px) for x, y in corners], np.float32)


with job_log(snakemake.log[0]) as log:
    record = SlideRecord.from_dict(read_json(snakemake.input.record))
    tiles = read_tiles(snakemake.input.tiles)
    outcome, coverage = tiles.outcome, np.zeros(len(tiles.coords), np.float32)
    if outcome.ok and snakemake.input.get("stain"):
        outcome = read_outcome(snakemake.input.stain)
    if outcome.ok:
        try:
            coverage = measure(record, tiles)
        except MaskError as error:
            outcome = Outcome(Status.REFUSED, str(error))
    log.info("%s: %.1f tiles of epithelium, %s", record.slide, coverage.sum(), outcome)
    write_column(snakemake.output.coverage, "coverage", coverage, outcome, provenance_of(snakemake))
