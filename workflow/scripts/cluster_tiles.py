"""Cluster the tiles of one slide."""

import json
from dataclasses import asdict, replace

import numpy as np
from job import job_log, provenance_of

from histohet.clustering import ClusteringParams, cluster_tiles
from histohet.formats.hdf5 import ClusterTable, FeatureTable, read_features, write_clusters
from histohet.outcome import Outcome, Status


def outcome_of(table: FeatureTable) -> Outcome:
    """Return the outcome, which is new where there are too few tiles to cluster."""
    enough = snakemake.params.clustering["min_tiles"]
    if table.tiles.outcome.ok and len(table.features) < enough:
        reason = f"{len(table.features)} tiles to cluster, at least {enough} are needed"
        return Outcome(Status.TOO_FEW_TILES, reason)
    return table.tiles.outcome


def cluster(table: FeatureTable) -> tuple[ClusterTable, str]:
    """Return the labels and, as JSON, how they came about."""
    settings = {k: v for k, v in snakemake.params.clustering.items() if k != "min_tiles"}
    result = cluster_tiles(
        table.features,
        table.tiles.coords,
        ClusteringParams(**settings),
        snakemake.wildcards.smoothing,
        snakemake.params.seed,
    )
    history = {
        "notes": result.notes,
        "bic_dimensions": result.bic_dimensions,
        "rounds": [asdict(entry) for entry in result.rounds],
    }
    labels = ClusterTable(result.start, result.raw, result.labels, table.tile_index, table.tiles)
    return labels, json.dumps(history)


with job_log(snakemake.log[0]) as log:
    table = read_features(snakemake.input.features)
    outcome = outcome_of(table)
    if outcome.ok:
        clusters, history = cluster(table)
    else:
        nothing = np.empty(0, np.int32)
        tiles = replace(table.tiles, outcome=outcome, coords=table.tiles.coords[:0])
        index = table.tile_index[:0]
        clusters, history = ClusterTable(nothing, nothing, nothing, index, tiles), "{}"
    log.info("%d tiles, %d clusters, %s", len(clusters.labels), len(set(clusters.labels)), outcome)
    write_clusters(snakemake.output.clusters, clusters, history, provenance_of(snakemake))
