"""Fit the model of all blocks to all patients, and keep it for other cohorts."""

from histohet.common.jobs import job_log, provenance_of
from histohet.fusion.job import fusion_of
from histohet.fusion.saved_model import fit_to_all, write_model

with job_log(snakemake) as log, fusion_of(snakemake) as (settings, cohort):
    seed = snakemake.params.seed
    model = fit_to_all(cohort.blocks, cohort.outcome, settings, seed, cohort.centre)
    log.info("%s, trained on %s", model.name, model.training)
    write_model(snakemake.output.model, model, provenance_of(snakemake))
