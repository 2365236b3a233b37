"""Measure the heterogeneity of one slide under one clustering."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import read_clusters
from histohet.features.file import open_features
from histohet.measures.measure import measure_slide
from histohet.measures.settings import MeasuresSettings
from histohet.measures.slide import write_measures
from histohet.tiles.file import read_column

with job_log(snakemake) as log, open_features(snakemake.input.features) as embedded:
    given = snakemake.input
    measures = measure_slide(
        snakemake.wildcards.slide,
        read_clusters(given.clusters),
        embedded,
        read_column(given.coverage, "coverage"),
        read_column(given.tumour, "tumour_score") if given.get("tumour") else None,
        given.get("traits") or None,
        MeasuresSettings(**snakemake.params.measures),
        snakemake.params.seed,
        snakemake.params.combinations,
    )
    log.info("%d clusters, %s", len(measures.clusters), measures.outcome)
    write_measures(snakemake.output.measures, measures, provenance_of(snakemake))
