"""Encode the tiles of one slide."""

import numpy as np
from job import job_log, provenance_of

from histohet.encoders.registry import make_encoder
from histohet.encoding import encode_in_batches, masked_tiles
from histohet.files import read_json
from histohet.formats.geojson import read_tissue
from histohet.formats.hdf5 import TileTable, feature_file, read_column, read_tiles
from histohet.masks import EpitheliumMask, open_mask
from histohet.outcome import Outcome, Status
from histohet.preflight import SlideRecord
from histohet.slides import SlideError, open_slide

MASKED = snakemake.wildcards.masking == "masked"


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


def mask_of(record: SlideRecord) -> tuple[EpitheliumMask | None, tuple[int, int, int]]:
    """Return the mask to apply, None to leave tiles as they are, and the colour outside it."""
    settings = snakemake.params.masking
    if not MASKED or settings["fill"] == "none":
        return None, (0, 0, 0)
    mask = open_mask(
        snakemake.input.get("mask") or snakemake.input.get("stain") or None,
        settings["classes"],
        settings["class_names"],
        record.size,
        record.bounds_offset,
    )
    white = read_tissue(snakemake.input.tissue)[0].white
    return mask, (0, 0, 0) if settings["fill"] == "zero" else white


def encode(record: SlideRecord, tiles: TileTable, index: np.ndarray) -> None:
    """Read, mask and encode the tiles, and write them batch by batch."""
    encoder = make_encoder(snakemake.params.encoder, tiles.spec.tile_px)
    mask, colour = mask_of(record)
    with (
        open_slide(record.path) as slide,
        feature_file(
            snakemake.output.features,
            tiles,
            index,
            encoder.width,
            encoder.name,
            provenance_of(snakemake),
        ) as features,
    ):
        pixels = masked_tiles(
            slide, tiles.coords[index], tiles.side_px, tiles.spec.tile_px, mask, colour
        )
        batch_size = snakemake.resources.batch_size
        for batch in encode_in_batches(pixels, len(index), encoder, batch_size):
            features.append(batch)


def write_nothing(tiles: TileTable, outcome: Outcome) -> None:
    """Write a file without rows that says why."""
    name = snakemake.params.encoder["name"]
    nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
    rows = np.empty(0, np.int64)
    with feature_file(snakemake.output.features, nothing, rows, 1, name, provenance_of(snakemake)):
        pass


with job_log(snakemake.log[0]) as log:
    record = SlideRecord.from_dict(read_json(snakemake.input.record))
    tiles = read_tiles(snakemake.input.tiles)
    index, outcome = tiles_to_encode(tiles)
    if outcome.ok:
        try:
            encode(record, tiles, index)
        except SlideError as error:
            outcome = Outcome(Status.UNREADABLE, str(error))
    if not outcome.ok:
        write_nothing(tiles, outcome)
    log.info("%s: %d of %d tiles, %s", record.slide, len(index), len(tiles.coords), outcome)
