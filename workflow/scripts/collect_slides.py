"""Gather one row per slide, whatever happened to it, under one variant."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.measures.cohort import cohort_tables, tile_correlations
from histohet.measures.slide import read_measures

with job_log(snakemake) as log:
    inputs, outputs = snakemake.input, snakemake.output
    try:
        slides, clusters = cohort_tables(
            map(read_measures, inputs.measures),
            read_tsv(inputs.preflight),
            read_json(inputs.threshold)["threshold"] if inputs.get("threshold") else None,
            snakemake.params.pooled,
        )
    except ValueError as error:
        raise SystemExit(str(error)) from error
    correlations = tile_correlations(slides)
    log.info("%d slides, %d ok", len(slides), (slides["status"] == "ok").sum())
    provenance = provenance_of(snakemake)
    write_tsv(outputs.slides, slides, provenance)
    write_tsv(outputs.clusters, clusters, provenance)
    write_tsv(outputs.correlations, correlations, provenance)
    sections = {
        f"Slides, variant {snakemake.wildcards.variant}": slides,
        "Scores and the number of clustered tiles": correlations,
    }
    write_html(outputs.page, sections, provenance)
