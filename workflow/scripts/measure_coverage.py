"""Measure how much of every tile of one slide is epithelium."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.arrays import Float32
from histohet.common.logs import track
from histohet.common.outcome import Outcome, attempt
from histohet.epithelium.base import MaskRules
from histohet.epithelium.coverage import (
    check_overlap,
    open_given_mask,
    tile_coverage,
    write_coverage,
)
from histohet.epithelium.masks import open_mask
from histohet.epithelium.segmentation import read_outcome
from histohet.slides.record import read_record
from histohet.tiles.file import read_tiles


def measure() -> tuple[Float32, float | None]:
    """Return the coverage of each tile, (N,), and the share of a mask that lies on tissue."""
    given, stain = snakemake.input.get("mask"), snakemake.input.get("stain")
    if given:
        mask = open_given_mask(given, rules, record, tiles.side_px)
    elif stain:
        read_outcome(stain).raise_if_lost()
        mask = open_mask(stain, rules, record.frames["region"])
    else:
        return np.ones(len(tiles.coords), np.float32), None
    for note in mask.notes:
        log.warning("mask %s: %s", given, note)
    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles measured")
    found = tile_coverage(mask, corners, tiles.side_px)
    share = check_overlap(given, rules, mask, record, tiles, found) if given else None
    return found, share


def so_far() -> Outcome:
    """Return how far the slide came, with what is to be said of our own mask."""
    stain = snakemake.input.get("stain")
    return tiles.outcome.with_note(read_outcome(stain).reason) if stain else tiles.outcome


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    rules = MaskRules(**snakemake.params.rules)
    nothing = np.zeros(len(tiles.coords), np.float32), None
    (coverage, share), outcome = attempt(measure, nothing, so_far())
    log.info("%s: %.1f tiles of epithelium, %s", record.slide, coverage.sum(), outcome)
    provenance = provenance_of(snakemake)
    write_coverage(snakemake.output.coverage, coverage, share, outcome, provenance)
