"""Compare the labels of the turned tiles of one core with those at 0°, under its own clusters."""

from functools import partial

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.features.file import open_features
from histohet.rotation.consistency import compare_core, labels_table, means_of_core
from histohet.rotation.settings import ComparisonSettings

with job_log(snakemake) as log, open_features(snakemake.input.turned) as table:
    slide, encoder = snakemake.wildcards.slide, snakemake.wildcards.encoder
    settings = ComparisonSettings(**snakemake.params.settings)
    seed, truth = snakemake.params.seed, snakemake.input.get("truth") or None
    means = partial(means_of_core, slide, table, settings, seed)
    compared, labels = compare_core(slide, encoder, table, means, settings, seed, truth)
    log.info("%d tiles, %s", len(table.tile_index), compared["status"].iloc[0])
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.table, compared, provenance)
    write_tsv(snakemake.output.labels, labels_table(table, labels), provenance)
