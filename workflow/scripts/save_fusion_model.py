"""Fit the model of all blocks to all patients, and keep it for other cohorts."""

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.settings import AnalysisSettings
from histohet.fusion.blocks import FusionError
from histohet.fusion.patients import read_fusion_cohort
from histohet.fusion.saved_model import fit_to_all, write_model
from histohet.fusion.settings import FusionSettings

with job_log(snakemake) as log:
    settings = FusionSettings(**snakemake.params.fusion)
    analysis = AnalysisSettings(**snakemake.params.analysis)
    try:
        cohort = read_fusion_cohort(snakemake.input, analysis, settings, snakemake.params.made_by)
        model = fit_to_all(
            cohort.blocks, cohort.outcome, settings, snakemake.params.seed, cohort.centre
        )
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%s, trained on %s", model.name, model.training)
    write_model(snakemake.output.model, model, provenance_of(snakemake))
