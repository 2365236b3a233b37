"""Take over the finished features of one slide."""

from dataclasses import replace

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import Outcome, Status
from histohet.features.file import feature_file
from histohet.features.imported.layouts import read_source
from histohet.features.imported.rows import read_rows, read_source_rows
from histohet.features.imported.tile_facts import FeatureFileError
from histohet.tiles.file import TileTable, read_column, read_tiles

MASKED = snakemake.params.min_coverage is not None
UNNAMED = "unnamed"


def tiles_to_take(tiles: TileTable) -> tuple[np.ndarray, Outcome]:
    """Return the rows of the tiles to take, and the outcome."""
    if not MASKED:
        return np.arange(len(tiles.coords)), tiles.outcome
    coverage, outcome = read_column(snakemake.input.coverage, "coverage")
    limit = snakemake.params.min_coverage
    index = np.flatnonzero(coverage > limit)
    if outcome.ok and len(index) == 0:
        outcome = Outcome(Status.NO_EPITHELIUM, f"no tile is more than {limit:.0%} epithelium")
    return index, outcome


def choice() -> str:
    """Say how the tiles were chosen. Pixels of finished features cannot be masked any more."""
    if MASKED and snakemake.params.has_mask:
        return "tiles chosen by the mask, their pixels as encoded"
    return "all tiles, as encoded"


def take(tiles: TileTable, index: np.ndarray) -> None:
    """Copy the embeddings of the tiles, block by block."""
    source = read_source(snakemake.input.features)
    rows = read_source_rows(snakemake.input.tiles)[index]
    where = f"{tiles.attributes['tiles_from']}: {choice()}"
    tiles = replace(tiles, attributes={**tiles.attributes, "tiles_from": where})
    with feature_file(
        snakemake.output.features,
        tiles,
        index,
        source.width,
        source.encoder or UNNAMED,
        provenance_of(snakemake),
    ) as features:
        for block in read_rows(source, rows):
            features.append(block)


def write_nothing(tiles: TileTable, outcome: Outcome) -> None:
    """Write a file without rows that says why."""
    nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
    rows = np.empty(0, np.int64)
    provenance = provenance_of(snakemake)
    with feature_file(snakemake.output.features, nothing, rows, 1, UNNAMED, provenance):
        pass


with job_log(snakemake) as log:
    tiles = read_tiles(snakemake.input.tiles)
    index, outcome = tiles_to_take(tiles)
    if outcome.ok:
        try:
            take(tiles, index)
        except FeatureFileError as error:
            outcome = Outcome(Status.REFUSED, str(error))
    if not outcome.ok:
        write_nothing(tiles, outcome)
    log.info("%d of %d tiles, %s", len(index), len(tiles.coords), outcome)
