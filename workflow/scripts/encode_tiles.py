"""Encode the tiles of one slide."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from job import job_log, provenance_of

from histohet.device_memory import batch_size_for
from histohet.encoders.registry import make_encoder
from histohet.encoding import encode_slide
from histohet.files import read_json
from histohet.formats.geojson import read_tissue
from histohet.formats.hdf5 import TileTable, feature_file, read_column, read_tiles
from histohet.outcome import Outcome, Status
from histohet.preflight import SlideRecord
from histohet.slides import SlideError
from histohet.staging import staged
from histohet.tile_reader import MaskSource, TileSource

MASKED = snakemake.wildcards.masking == "masked"
ENCODING = snakemake.params.encoding


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


def what_rows_depend_on(source: TileSource, coords: np.ndarray) -> dict[str, Any]:
    """All that makes the embeddings what they are; a partial file of anything else is useless."""
    used = [source.slide, snakemake.params.encoder.get("checkpoint")]
    files = {name: Path(name).stat() for name in used if name and Path(name).is_file()}
    return {
        "parameters": dict(snakemake.params.items()),
        "source": asdict(source),
        "tiles": hashlib.sha256(coords.tobytes()).hexdigest(),
        "files": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()},
    }


def encode(record: SlideRecord, tiles: TileTable, index: np.ndarray) -> Outcome:
    """Make source and encoder, encode, and return the outcome."""
    source = TileSource(
        record.path, tiles.side_px, tiles.spec.tile_px, ENCODING["resampling"], mask_of(record)
    )
    encoder = make_encoder(snakemake.params.encoder, tiles.spec.tile_px)
    threads = snakemake.threads
    with staged(source.slide, snakemake.resources.get("stage", "")) as slide:
        return encode_slide(
            snakemake.output.features,
            tiles,
            index,
            replace(source, slide=slide),
            encoder,
            provenance_of(snakemake),
            what_rows_depend_on(source, tiles.coords[index]),
            batch_size=batch_size_for(encoder, source.tile_px, snakemake.resources.batch_size),
            workers=threads if threads > 1 else 0,
            in_workers=snakemake.params.encoder["kind"] == "stain_texture",
            max_bad_tiles=ENCODING["max_bad_tiles"],
        )


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
            outcome = encode(record, tiles, index)
        except SlideError as error:
            outcome = Outcome(Status.UNREADABLE, str(error))
    if not outcome.ok:
        write_nothing(tiles, outcome)
    log.info("%s: %d of %d tiles, %s", record.slide, len(index), len(tiles.coords), outcome)
