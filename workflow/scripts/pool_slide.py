"""Pool the tile embeddings of one slide into one vector."""

import numpy as np
from job import job_log, provenance_of

from histohet.formats.hdf5 import FeatureTable, TileTable, open_features, read_column
from histohet.outcome import Outcome, Status
from histohet.slide_embeddings import pool, softmax, write_slide_embedding


def weights_of(table: FeatureTable) -> tuple[np.ndarray, Outcome]:
    """Return the weight of every tile, and the outcome."""
    outcome, nothing = table.tiles.outcome, np.empty(0)
    pooling = snakemake.wildcards.pooling
    if not outcome.ok:
        return nothing, outcome
    if pooling == "mean":
        return np.ones(len(table.tile_index)), outcome
    if not snakemake.input.get("scores"):
        return nothing, Outcome(Status.REFUSED, "the slide has no attention to weigh its tiles by")
    name = "tumour_score" if pooling == "attention" else "attention"
    scores, outcome = read_column(snakemake.input.scores, name)
    return (softmax(scores[table.tile_index]), outcome) if outcome.ok else (nothing, outcome)


with job_log(snakemake.log[0]) as log:
    slide = snakemake.wildcards.slide
    with open_features(snakemake.input.features) as table:
        weights, outcome = weights_of(table)
        vector = pool(table.features, weights) if outcome.ok else np.empty(0, np.float32)
        tiles = TileTable(table.tiles.coords, table.tiles.attributes, outcome)
    log.info("%s: %d tiles, %s", slide, len(weights), outcome)
    encoder, source = snakemake.wildcards.encoder, provenance_of(snakemake)
    write_slide_embedding(snakemake.output.embedding, slide, vector, tiles, encoder, source)
