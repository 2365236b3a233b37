"""Write the clustered tiles of one slide for QuPath."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import read_clusters
from histohet.clustering.qupath import tile_objects
from histohet.common.qupath import write_tile_objects
from histohet.measures.heterogeneity import cluster_scores
from histohet.slides.record import read_record
from histohet.tiles.file import read_column

with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    clustered = read_clusters(snakemake.input.clusters)
    tiles, index, labels = clustered.tiles, clustered.tile_index, clustered.clustering.labels
    measurements = {"epithelium": read_column(snakemake.input.coverage, "coverage")[0][index]}
    if snakemake.input.get("tumour"):
        scores, outcome = read_column(snakemake.input.tumour, "tumour_score")
        if outcome.ok:
            measurements["tumour score"] = scores[index]
            of_cluster = cluster_scores(labels, scores[index])
            measurements["tumour score of cluster"] = of_cluster[labels]
    write_tile_objects(
        snakemake.output.tiles,
        record.slide,
        tiles.side_px if tiles.outcome.ok else 0.0,
        tile_objects(clustered, measurements),
        record.bounds_offset,
        provenance_of(snakemake),
    )
    log.info("%s: %d tiles", record.slide, len(labels))
