"""Measure how much of every tile of one slide is epithelium."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.arrays import Float32
from histohet.common.logs import track
from histohet.common.outcome import attempt
from histohet.epithelium.coverage import (
    check_mask,
    check_overlap,
    epithelium_off_tissue,
    tile_coverage,
)
from histohet.epithelium.masks import open_mask
from histohet.epithelium.segmentation import read_outcome
from histohet.slides.record import read_record
from histohet.tiles.file import read_tiles, write_column


def measure() -> Float32:
    """Return the coverage of each tile, (N,)."""
    given, stain = snakemake.input.get("mask"), snakemake.input.get("stain")
    if given:
        check_mask(given, record.size, tiles.side_px)
    elif stain:
        read_outcome(stain).raise_if_lost()
    else:
        return np.ones(len(tiles.coords), np.float32)
    classes, class_names = snakemake.params.classes, snakemake.params.class_names
    mask = open_mask(given or stain, classes, class_names, record.size, record.bounds_offset)
    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles measured")
    coverage = tile_coverage(mask, corners, tiles.side_px)
    if given:
        # Where tiles come with the features, those that do not may be tissue too.
        elsewhere = 0 if record.imported else epithelium_off_tissue(mask, tiles, record.size)
        check_overlap(mask, given, float(coverage.sum()), elsewhere)
    return coverage


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    coverage, outcome = attempt(measure, np.zeros(len(tiles.coords), np.float32), tiles.outcome)
    log.info("%s: %.1f tiles of epithelium, %s", record.slide, coverage.sum(), outcome)
    write_column(snakemake.output.coverage, "coverage", coverage, outcome, provenance_of(snakemake))
