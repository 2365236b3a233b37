"""Fit the model of all blocks to all patients, and keep it for other cohorts."""

from dataclasses import replace

from histohet.common.jobs import job_log, provenance_of
from histohet.fusion.job import fusion_of
from histohet.fusion.mil.networks import read_networks, whole_network
from histohet.fusion.saved_model import fit_to_all, write_model

with job_log(snakemake) as log, fusion_of(snakemake) as (settings, cohort):
    seed = snakemake.params.seed
    model = fit_to_all(cohort.blocks, cohort.outcome, settings, seed, cohort.centre)
    for path in snakemake.input.network:
        model = replace(model, network=whole_network(read_networks(path)))
    log.info("%s, trained on %s", model.name, model.training)
    write_model(snakemake.output.model, model, provenance_of(snakemake))
