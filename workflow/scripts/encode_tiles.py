"""Encode the tiles of one slide."""

import numpy as np
from job import job_log, provenance_of

from histohet.encoders.base import make_encoder
from histohet.encoding import encode_in_batches, masked_tiles
from histohet.files import read_json
from histohet.formats.geojson import bounds_offset, read_tissue
from histohet.formats.hdf5 import TileTable, feature_file, read_column, read_tiles
from histohet.masks import open_mask
from histohet.outcome import Outcome, Status
from histohet.preflight import SlideRecord
from histohet.slides import open_slide


def tiles_to_encode(tiles: TileTable) -> tuple[np.ndarray, Outcome]:
    """Return the rows of the tiles to encode, and the outcome."""
    if snakemake.wildcards.masking == "whole":
        return np.arange(len(tiles.coords)), tiles.outcome
    coverage, outcome = read_column(snakemake.input.coverage, "coverage")
    epithelium = snakemake.params.epithelium
    index = np.flatnonzero(coverage > epithelium["min_coverage"])
    if outcome.ok and len(index) == 0:
        reason = f"no tile is more than {epithelium['min_coverage']:.0%} epithelium"
        return index, Outcome(Status.NO_EPITHELIUM, reason)
    return (index if outcome.ok else index[:0]), outcome


def fill_colour() -> tuple[int, int, int]:
    """Return the colour for pixels outside the epithelium."""
    if snakemake.params.epithelium["fill"] == "zero":
        return 0, 0, 0
    return read_tissue(snakemake.input.tissue)[0].white


def encode(record: SlideRecord, tiles: TileTable, index: np.ndarray) -> None:
    """Read, mask and encode the tiles, and write them batch by batch."""
    params = snakemake.params
    epithelium = params.epithelium
    encoder = make_encoder(params.encoder, tiles.spec.tile_px)
    size = (record.width, record.height)
    with open_slide(record.path) as slide:
        mask = None
        if snakemake.wildcards.masking == "masked" and epithelium["fill"] != "none":
            offset = bounds_offset(slide.info.bounds, size)
            path = snakemake.input.get("mask") or None
            mask = open_mask(path, params.classes, epithelium["class_names"], size, offset)
        pixels = masked_tiles(
            slide, tiles.coords[index], tiles.side_px, tiles.spec.tile_px, mask, fill_colour()
        )
        batches = encode_in_batches(pixels, len(index), encoder, params.batch_size)
        with feature_file(
            snakemake.output.features,
            tiles,
            index,
            encoder.width,
            encoder.name,
            tiles.outcome,
            provenance_of(snakemake),
        ) as features:
            for batch in batches:
                features.append(batch)


with job_log(snakemake.log[0]) as log:
    record = SlideRecord.from_dict(read_json(snakemake.input.record))
    tiles = read_tiles(snakemake.input.tiles)
    index, outcome = tiles_to_encode(tiles)
    log.info("%s: %d of %d tiles, %s", record.slide, len(index), len(tiles.coords), outcome)
    if outcome.ok:
        encode(record, tiles, index)
    else:
        name = snakemake.params.encoder["name"]
        empty = feature_file(
            snakemake.output.features, tiles, index, 1, name, outcome, provenance_of(snakemake)
        )
        with empty:
            pass
