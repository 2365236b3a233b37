"""Cluster the tiles of one slide by one procedure."""

from dataclasses import replace

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.file import write_clusters
from histohet.clustering.result import Clustering
from histohet.clustering.settings import PUBLISHED, ClusteringParams
from histohet.common.outcome import Outcome, Status
from histohet.features.file import FeatureTable, open_features
from histohet.tiles.file import read_column

PROCEDURE = snakemake.params.procedure


def enough_epithelium(table: FeatureTable) -> FeatureTable:
    """Leave out tiles that another variant wants encoded, if this one asks for more epithelium."""
    if not snakemake.input.coverage:
        return table
    coverage, _ = read_column(snakemake.input.coverage, "coverage")
    return table.only(np.flatnonzero(coverage[table.tile_index] > snakemake.params.min_coverage))


def outcome_of(table: FeatureTable) -> Outcome:
    """Return the outcome, which is new where there are too few tiles to cluster."""
    enough = snakemake.params.min_tiles
    if table.tiles.outcome.ok and len(table.features) < enough:
        reason = f"{len(table.features)} tiles to cluster, at least {enough} are needed"
        return Outcome(Status.TOO_FEW_TILES, reason)
    return table.tiles.outcome


def cluster(table: FeatureTable, params: ClusteringParams) -> Clustering:
    """Return the clusters."""
    tiles, seed = table.tiles, snakemake.params.seed
    found = cluster_tiles(table.features, tiles.coords, tiles.pitch_px, params, [PROCEDURE], seed)[
        PROCEDURE
    ]
    for note in found.notes:
        log.warning("%s", note)
    return found


with job_log(snakemake) as log, open_features(snakemake.input.features) as encoded:
    table = enough_epithelium(encoded)
    settings = ClusteringParams(**snakemake.params.clustering)
    params = PUBLISHED if PROCEDURE == "paper" else settings
    outcome = outcome_of(table)
    tiles, tile_index, found = table.tiles, table.tile_index, None
    if outcome.ok:
        found = cluster(table, params)
    else:
        tiles = replace(tiles, outcome=outcome, coords=tiles.coords[:0])
        tile_index = tile_index[:0]
    log.info("%d clusters, %s", found.n_clusters if found else 0, outcome)
    write_clusters(
        snakemake.output.clusters, tiles, tile_index, params, found, provenance_of(snakemake)
    )
