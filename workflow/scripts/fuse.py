"""Compare models of blocks of predictors, by nested cross-validation under competing risks."""

from histohet.common.jobs import job_log, provenance_of
from histohet.fusion.cautions import few_events
from histohet.fusion.comparison import compare, named
from histohet.fusion.job import fusion_of, write_comparison

with job_log(snakemake) as log, fusion_of(snakemake) as (settings, cohort):
    found = compare(cohort.blocks, cohort.outcome, settings, snakemake.params.seed, cohort.centre)
    log.info("%s", cohort.flow.to_string())
    if caution := few_events(cohort.blocks, cohort.outcome["state"].to_numpy()):
        log.warning("%s", caution)
    ranked = found.estimates["measure"].isin(["auc", "auc_gain", "calibration_slope"])
    log.info("%s", found.estimates[ranked].to_string())
    full = named(settings.blocks)
    write_comparison(snakemake.output, found, cohort, full, provenance_of(snakemake))
