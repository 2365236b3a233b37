"""Encode the tiles of one slide."""

from functools import partial

import numpy as np
from encoding_job import encode_or_say_why

from histohet.common.jobs import job_log
from histohet.common.outcome import Outcome, Status
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.slides.record import SlideRecord, read_record
from histohet.tiles.file import TileTable, read_column, read_tiles
from histohet.tissue.file import read_tissue

MASKED = bool(snakemake.params.masking)


def tiles_to_encode(tiles: TileTable) -> tuple[np.ndarray, Outcome]:
    """Return the rows of the tiles to encode, and the outcome."""
    if not MASKED:
        return np.arange(len(tiles.coords)), tiles.outcome
    coverage, outcome = read_column(snakemake.input.coverage, "coverage")
    limit = snakemake.params.masking["min_coverage"]
    index = np.flatnonzero(coverage > limit)
    if outcome.ok and len(index) == 0:
        outcome = Outcome(Status.NO_EPITHELIUM, f"no tile is more than {limit:.0%} epithelium")
    return index, outcome


def mask_of(record: SlideRecord) -> MaskSource | None:
    """Return the mask to apply, None to leave tiles as they are."""
    settings = snakemake.params.masking
    if not MASKED or settings["fill"] == "none":
        return None
    white = read_tissue(snakemake.input.tissue)[0].white
    return MaskSource(
        snakemake.input.get("mask") or snakemake.input.get("stain") or None,
        tuple(settings["classes"]),
        tuple(settings["class_names"]),
        record.size,
        record.bounds_offset,
        (0, 0, 0) if settings["fill"] == "zero" else white,
    )


def source_of(record: SlideRecord, tiles: TileTable) -> TileSource:
    """Return where the pixels of the tiles come from."""
    resampling = snakemake.params.encoding["resampling"]
    mask = mask_of(record)
    return TileSource(record.path, tiles.side_px, tiles.spec.tile_px, resampling, mask)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    index, outcome = tiles_to_encode(tiles)
    source = partial(source_of, record, tiles)
    outcome = encode_or_say_why(snakemake, tiles, index, outcome, source)
    log.info("%s: %d of %d tiles, %s", record.slide, len(index), len(tiles.coords), outcome)
