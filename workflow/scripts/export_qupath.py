"""Write the clustered tiles of one slide for QuPath."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import read_clusters
from histohet.clustering.qupath import tile_objects
from histohet.common.qupath import write_tile_objects
from histohet.measures.measure import tile_measurements
from histohet.slides.record import read_record
from histohet.tiles.file import read_column

with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    clustered = read_clusters(snakemake.input.clusters)
    tiles, labels = clustered.tiles, clustered.clustering.labels
    measurements = tile_measurements(
        clustered,
        read_column(snakemake.input.coverage, "coverage"),
        read_column(snakemake.input.tumour, "tumour_score")
        if snakemake.input.get("tumour")
        else None,
    )
    write_tile_objects(
        snakemake.output.tiles,
        record.slide,
        tiles.side_px if tiles.outcome.ok else 0.0,
        tile_objects(clustered, measurements),
        record.bounds_offset,
        provenance_of(snakemake),
    )
    log.info("%s: %d tiles", record.slide, len(labels))
