"""Pool the tile embeddings of one slide into one vector."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import SlideLost, Status, attempt
from histohet.features.file import FeatureTable, open_features
from histohet.features.slide_vectors import pool, softmax, write_slide_embedding
from histohet.tiles.file import TileTable, read_column


def enough_epithelium(table: FeatureTable) -> FeatureTable:
    """Leave out tiles that only another variant wants encoded."""
    if not snakemake.input.get("coverage"):
        return table
    coverage, _ = read_column(snakemake.input.coverage, "coverage")
    return table.covered(coverage, snakemake.params.min_coverage)


def weights() -> np.ndarray:
    """Return the weight of every tile."""
    if snakemake.input.get("coverage") and len(table.tile_index) == 0:
        least = snakemake.params.min_coverage
        raise SlideLost(f"no tile with more than {least:.0%} epithelium", Status.NO_EPITHELIUM)
    pooling = snakemake.wildcards.pooling
    if pooling == "mean":
        return np.ones(len(table.tile_index))
    if not snakemake.input.get("scores"):
        raise SlideLost("the slide has no attention to weigh its tiles by")
    name = "tumour_score" if pooling == "attention" else "attention"
    scores, outcome = read_column(snakemake.input.scores, name)
    outcome.raise_if_lost()
    return softmax(scores[table.tile_index])


def pooled() -> np.ndarray:
    """Return the vector of the slide, float32 (D,)."""
    return pool(table.features, weights())


with job_log(snakemake) as log:
    slide, encoder = snakemake.wildcards.slide, snakemake.wildcards.encoder
    with open_features(snakemake.input.features) as encoded:
        table = enough_epithelium(encoded)
        vector, outcome = attempt(pooled, np.empty(0, np.float32), table.tiles.outcome)
    log.info("%s: %d tiles, %s", slide, len(table.tile_index), outcome)
    tiles = TileTable(table.tiles.coords, table.tiles.attributes, outcome)
    source = provenance_of(snakemake)
    write_slide_embedding(snakemake.output.embedding, slide, vector, tiles, encoder, source)
