"""Cluster the tiles of one slide by one procedure."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.cluster import cluster_slide
from histohet.clustering.file import write_clusters
from histohet.clustering.settings import ClusteringSettings
from histohet.features.file import open_features
from histohet.tiles.file import read_column

with job_log(snakemake) as log, open_features(snakemake.input.features) as table:
    params = snakemake.params
    if snakemake.input.coverage:
        # Another variant is content with less epithelium, so more tiles are encoded.
        coverage, _ = read_column(snakemake.input.coverage, "coverage")
        table = table.covered(coverage, params.min_coverage)
    settings = ClusteringSettings(**params.clustering)
    clustered = cluster_slide(table, settings, params.seed, params.smoothed)
    found = clustered.clustering
    for note in found.notes:
        log.warning("%s", note)
    log.info("%d clusters, %d outliers, %s", found.n_clusters, found.n_outliers, clustered.outcome)
    write_clusters(snakemake.output.clusters, clustered, provenance_of(snakemake))
