"""Measure how much of every tile of one slide is epithelium."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.logs import track
from histohet.common.outcome import OK, Outcome, attempt
from histohet.epithelium.masks import check_mask, open_mask, outcome_of_mask
from histohet.epithelium.segmentation import read_outcome
from histohet.slides.record import read_record
from histohet.tiles.file import read_tiles, write_column
from histohet.tiles.lattice import lattice


def measure() -> tuple[np.ndarray, Outcome]:
    """Return the coverage of each tile, float32 (N,), and whether it can be the slide's."""
    tiles.outcome.raise_if_lost()
    if snakemake.input.get("stain"):
        read_outcome(snakemake.input.stain).raise_if_lost()
    path = snakemake.input.get("mask") or snakemake.input.get("stain")
    if not path:
        return np.ones(len(tiles.coords), np.float32), OK
    if snakemake.input.get("mask"):
        check_mask(path, record.size, tiles.side_px)
    mask = open_mask(
        path,
        snakemake.params.classes,
        snakemake.params.class_names,
        record.size,
        record.bounds_offset,
    )
    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles measured")
    coverage = np.array([mask.coverage(x, y, tiles.side_px) for x, y in corners], np.float32)
    if snakemake.input.get("stain"):
        return coverage, OK
    # Where tiles come with the features, those that do not may be tissue too.
    around = [] if record.imported else off_tissue()
    elsewhere = sum(mask.coverage(x, y, tiles.side_px) for x, y in around)
    return coverage, outcome_of_mask(mask, path, float(coverage.sum()), elsewhere)


def off_tissue() -> list[tuple[int, int]]:
    """Return the corners of all tiles of the slide that are not on tissue."""
    on_tissue = set(map(tuple, tiles.coords.tolist()))
    everywhere = lattice(*record.size, tiles.spec, tiles.mpp).tolist()
    return [(x, y) for x, y in everywhere if (x, y) not in on_tissue]


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    (coverage, found), outcome = attempt(measure, (np.zeros(len(tiles.coords), np.float32), None))
    outcome = found or outcome
    log.info("%s: %.1f tiles of epithelium, %s", record.slide, coverage.sum(), outcome)
    write_column(snakemake.output.coverage, "coverage", coverage, outcome, provenance_of(snakemake))
