"""Take over the finished features of one slide."""

from dataclasses import replace

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.features.file import feature_file, write_no_features
from histohet.features.imported.layouts import read_source
from histohet.features.imported.rows import read_rows, read_source_rows
from histohet.tiles.file import covered_tiles, read_tiles

UNNAMED = "unnamed"


def take() -> int:
    """Copy the embeddings of the tiles, block by block; return how many there are."""
    least, index = snakemake.params.min_coverage, np.arange(len(tiles.coords))
    # Pixels of finished features cannot be masked any more.
    choice = "all tiles, as encoded"
    if least is not None:
        index = covered_tiles(snakemake.input.coverage, least)
        if snakemake.params.has_mask:
            choice = "tiles chosen by the mask, their pixels as encoded"
    source = read_source(snakemake.input.features)
    rows = read_source_rows(snakemake.input.tiles)[index]
    where = f"{tiles.attributes['tiles_from']}: {choice}"
    with feature_file(
        snakemake.output.features,
        replace(tiles, attributes={**tiles.attributes, "tiles_from": where}),
        index,
        source.width,
        source.encoder or UNNAMED,
        provenance_of(snakemake),
    ) as features:
        for block in read_rows(source, rows):
            features.append(block)
    return len(index)


with job_log(snakemake) as log:
    tiles = read_tiles(snakemake.input.tiles)
    n_taken, outcome = attempt(take, 0, tiles.outcome)
    if not outcome.ok:
        source = provenance_of(snakemake)
        write_no_features(snakemake.output.features, tiles, outcome, UNNAMED, source)
    log.info("%d of %d tiles, %s", n_taken, len(tiles.coords), outcome)
