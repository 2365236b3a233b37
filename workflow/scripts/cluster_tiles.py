"""Cluster the tiles of one slide, with and without smoothing."""

import json
from dataclasses import asdict, replace

import numpy as np
from job import job_log, provenance_of

from histohet.clustering import Clustering, ClusteringParams, Smoothing, cluster_tiles
from histohet.formats.hdf5 import ClusterTable, FeatureTable, read_features, write_clusters
from histohet.outcome import Outcome, Status

SMOOTHINGS: list[Smoothing] = snakemake.params.smoothings


def outcome_of(table: FeatureTable) -> Outcome:
    """Return the outcome, which is new where there are too few tiles to cluster."""
    enough = snakemake.params.clustering["min_tiles"]
    if table.tiles.outcome.ok and len(table.features) < enough:
        reason = f"{len(table.features)} tiles to cluster, at least {enough} are needed"
        return Outcome(Status.TOO_FEW_TILES, reason)
    return table.tiles.outcome


def cluster(table: FeatureTable) -> dict[str, Clustering]:
    """Return the clusterings by smoothing."""
    settings = {k: v for k, v in snakemake.params.clustering.items() if k != "min_tiles"}
    params = ClusteringParams(**settings)
    seed = snakemake.params.seed
    return cluster_tiles(table.features, table.tiles.coords, params, SMOOTHINGS, seed)


def history(found: Clustering) -> str:
    """Return how a clustering came about, as JSON."""
    rounds = [asdict(entry) for entry in found.rounds]
    return json.dumps(
        {"notes": found.notes, "bic_dimensions": found.bic_dimensions, "rounds": rounds}
    )


with job_log(snakemake.log[0]) as log:
    table = read_features(snakemake.input.features)
    outcome = outcome_of(table)
    found = cluster(table) if outcome.ok else {}
    if found:
        tables = {
            name: ClusterTable(one.start, one.raw, one.labels, table.tile_index, table.tiles)
            for name, one in found.items()
        }
    else:
        tiles = replace(table.tiles, outcome=outcome, coords=table.tiles.coords[:0])
        none = np.empty(0, np.int32)
        tables = dict.fromkeys(
            SMOOTHINGS, ClusterTable(none, none, none, table.tile_index[:0], tiles)
        )
    log.info("%s, %s", {name: one.n_clusters for name, one in found.items()}, outcome)
    histories = {name: history(one) for name, one in found.items()}
    write_clusters(snakemake.output.clusters, tables, histories, provenance_of(snakemake))
