"""Apply the model of another run to this cohort, and say how good its predictions are."""

from histohet.common.jobs import job_log, provenance_of
from histohet.fusion.job import fusion_of, write_comparison
from histohet.fusion.saved_model import apply_model, read_model

with job_log(snakemake) as log, fusion_of(snakemake) as (settings, cohort):
    saved = read_model(snakemake.input.model[0])
    seed = snakemake.params.seed
    found, notes = apply_model(saved, cohort.blocks, cohort.outcome, settings, seed)
    for note in notes:
        log.warning("%s", note)
    write_comparison(snakemake.output, found, cohort, saved.name, provenance_of(snakemake))
