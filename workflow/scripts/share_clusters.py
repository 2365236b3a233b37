"""Compare the labels of turned tiles under clusters that were fitted to other patients."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.rotation.settings import ComparisonSettings
from histohet.rotation.shared import compare_across_patients

with job_log(snakemake):
    params, given = snakemake.params, snakemake.input
    table = compare_across_patients(
        snakemake.wildcards.encoder,
        dict(zip(params.patients, given.turned, strict=True)),
        params.patients,
        dict(zip(params.known, given.truth, strict=True)),
        ComparisonSettings(**params.settings),
        params.seed,
    )
    write_tsv(snakemake.output.table, table, provenance_of(snakemake))
