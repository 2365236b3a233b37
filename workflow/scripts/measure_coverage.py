"""Measure how much of every tile of one slide is epithelium."""

import numpy as np
from job import job_log, provenance_of

from histohet.files import read_json
from histohet.formats.geojson import bounds_offset
from histohet.formats.hdf5 import TileTable, read_tiles, write_column
from histohet.logs import track
from histohet.masks import MaskError, open_mask
from histohet.outcome import Outcome, Status
from histohet.preflight import SlideRecord
from histohet.slides import open_slide


def measure(record: SlideRecord, tiles: TileTable) -> np.ndarray:
    """Return the coverage of each tile, float32 (N,)."""
    size = (record.width, record.height)
    params = snakemake.params
    with open_slide(record.path) as slide:
        offset = bounds_offset(slide.info.bounds, size)
    mask = open_mask(
        snakemake.input.get("mask") or None, params.classes, params.class_names, size, offset
    )
    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles measured")
    return np.array([mask.coverage(x, y, tiles.side_px) for x, y in corners], np.float32)


with job_log(snakemake.log[0]) as log:
    record = SlideRecord.from_dict(read_json(snakemake.input.record))
    tiles = read_tiles(snakemake.input.tiles)
    outcome, coverage = tiles.outcome, np.zeros(len(tiles.coords), np.float32)
    if outcome.ok:
        try:
            coverage = measure(record, tiles)
        except MaskError as error:
            outcome = Outcome(Status.REFUSED, str(error))
    log.info(
        "%s: mean coverage %.3f, %s", record.slide, coverage.mean() if len(coverage) else 0, outcome
    )
    write_column(snakemake.output.coverage, "coverage", coverage, outcome, provenance_of(snakemake))
