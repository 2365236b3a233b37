"""Encode the tissue of one slide at CHIEF's scale."""

from pathlib import Path

import numpy as np
from job import job_log, provenance_of

from histohet.encoders.registry import make_encoder
from histohet.encoding import encode_in_batches, masked_tiles
from histohet.files import read_json
from histohet.formats.geojson import read_tissue
from histohet.formats.hdf5 import TileTable, feature_file, tile_attributes
from histohet.outcome import Outcome, Status
from histohet.preflight import SlideRecord
from histohet.slides import SlideError, open_slide
from histohet.tiles import CHIEF_TILES as SPEC
from histohet.tiles import in_tissue, lattice


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


def encode(record: SlideRecord, tiles: TileTable) -> None:
    """Read and encode the tiles, and write them batch by batch."""
    encoder = make_encoder(snakemake.params.encoder, SPEC.tile_px)
    rows = np.arange(len(tiles.coords))
    source = provenance_of(snakemake)
    with (
        open_slide(record.path) as slide,
        feature_file(
            snakemake.output.features, tiles, rows, encoder.width, encoder.name, source
        ) as features,
    ):
        pixels = masked_tiles(slide, tiles.coords, tiles.side_px, SPEC.tile_px, None, (0, 0, 0))
        batch_size = snakemake.resources.batch_size
        for batch in encode_in_batches(pixels, len(rows), encoder, batch_size):
            features.append(batch)


def write_nothing(tiles: TileTable, outcome: Outcome) -> None:
    """Write a file without rows that says why."""
    name = snakemake.params.encoder["name"]
    nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
    rows = np.empty(0, np.int64)
    source = provenance_of(snakemake)
    with feature_file(snakemake.output.features, nothing, rows, 1, name, source):
        pass


with job_log(snakemake.log[0]) as log:
    record = SlideRecord.from_dict(read_json(snakemake.input.record))
    tiles = make_tiles(record)
    outcome = tiles.outcome
    if outcome.ok:
        try:
            encode(record, tiles)
        except SlideError as error:
            outcome = Outcome(Status.UNREADABLE, str(error))
    if not outcome.ok:
        write_nothing(tiles, outcome)
    log.info("%s: %d tiles, %s", record.slide, len(tiles.coords), outcome)
