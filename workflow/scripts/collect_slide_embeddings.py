"""Gather the vectors of all slides into one table, slide by slide."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.logs import track
from histohet.features.slide_vectors import read_slide_embedding, write_embedding_tables

with job_log(snakemake) as log:
    paths = snakemake.input.embeddings
    embeddings = track(map(read_slide_embedding, paths), len(paths), "slides gathered")
    output, owners = snakemake.output, snakemake.params.patients
    found = write_embedding_tables(
        embeddings, output.table, output.slides, owners, provenance_of(snakemake)
    )
    log.info("%d of %d slides have a vector", found, len(paths))
