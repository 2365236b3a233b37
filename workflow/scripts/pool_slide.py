"""Pool the tile embeddings of one slide into one vector."""

from dataclasses import replace

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import Outcome, Status
from histohet.features.file import FeatureTable, open_features
from histohet.features.slide_vectors import pool, softmax, write_slide_embedding
from histohet.tiles.file import TileTable, read_column


def enough_epithelium(table: FeatureTable) -> FeatureTable:
    """Leave out tiles that only another variant wants encoded."""
    if not snakemake.input.get("coverage"):
        return table
    coverage, _ = read_column(snakemake.input.coverage, "coverage")
    least = snakemake.params.min_coverage
    kept = table.only(np.flatnonzero(coverage[table.tile_index] > least))
    if not table.tiles.outcome.ok or len(kept.tile_index):
        return kept
    lacking = Outcome(Status.NO_EPITHELIUM, f"no tile with more than {least:.0%} epithelium")
    return replace(kept, tiles=replace(kept.tiles, outcome=lacking))


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


with job_log(snakemake) as log:
    slide = snakemake.wildcards.slide
    with open_features(snakemake.input.features) as encoded:
        table = enough_epithelium(encoded)
        weights, outcome = weights_of(table)
        vector = pool(table.features, weights) if outcome.ok else np.empty(0, np.float32)
        tiles = TileTable(table.tiles.coords, table.tiles.attributes, outcome)
    log.info("%s: %d tiles, %s", slide, len(weights), outcome)
    encoder, source = snakemake.wildcards.encoder, provenance_of(snakemake)
    write_slide_embedding(snakemake.output.embedding, slide, vector, tiles, encoder, source)
