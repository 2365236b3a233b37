"""Encode the tiles of one slide."""

from dataclasses import replace

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.encoders.encode import encode_job
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.epithelium.base import MaskRules
from histohet.epithelium.masks import frame_of_mask
from histohet.slides.record import read_record
from histohet.tiles.file import covered_tiles, read_tiles
from histohet.tissue.file import read_tissue


def is_masked() -> bool:
    """Tell whether pixels outside of the epithelium are kept from the encoder."""
    settings = snakemake.params.masking
    return bool(settings) and settings["fill"] != "none"


def mask() -> MaskSource | None:
    """Return the mask to apply, None to leave tiles as they are."""
    settings = snakemake.params.masking
    if not is_masked():
        return None
    white = read_tissue(snakemake.input.tissue).white
    path = snakemake.input.get("mask") or snakemake.input.get("stain") or None
    rules, frames = MaskRules(**settings["rules"]), record.frames
    frame = frame_of_mask(path, rules.origin, frames) if path else frames["region"]
    colours = {"zero": (0, 0, 0), "white": white, "pool": None}
    return MaskSource(path, rules, frame, colours[settings["fill"]])


def choose() -> tuple[np.ndarray, TileSource]:
    """Return the rows of the tiles to encode, and where their pixels come from."""
    index, masking = np.arange(len(tiles.coords)), snakemake.params.masking
    if masking:
        index = covered_tiles(snakemake.input.coverage, masking["min_coverage"])
    resampling = snakemake.params.encoding["resampling"]
    side_px, tile_px = (tiles.block.side * one for one in (tiles.side_px, tiles.spec.tile_px))
    source = TileSource(record.path, side_px, tile_px, resampling, mask(), record.region)
    return index, source


with job_log(snakemake):
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    if is_masked():
        tiles = replace(tiles, at_rim=None)
    encode_job(snakemake, provenance_of(snakemake), tiles, choose)
