"""Compare models of blocks of predictors, by nested cross-validation under competing risks."""

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import write_tsv
from histohet.fusion.blocks import FusionError
from histohet.fusion.cautions import few_events
from histohet.fusion.comparison import compare
from histohet.fusion.patients import read_fusion_cohort
from histohet.fusion.settings import FusionSettings

with job_log(snakemake) as log:
    settings = FusionSettings(**snakemake.params.fusion)
    analysis = AnalysisSettings(**snakemake.params.analysis)
    try:
        cohort = read_fusion_cohort(snakemake.input, analysis, settings, snakemake.params.made_by)
        found = compare(
            cohort.blocks, cohort.outcome, settings, snakemake.params.seed, cohort.centre
        )
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%s", cohort.flow.to_string())
    if caution := few_events(cohort.blocks, cohort.outcome["state"].to_numpy()):
        log.warning("%s", caution)
    ranked = found.estimates["measure"].isin(["auc", "auc_gain", "calibration_slope"])
    log.info("%s", found.estimates[ranked].to_string())
    provenance = provenance_of(snakemake)
    for name, table in found.tables().items():
        write_tsv(snakemake.output[name], table, provenance)
    write_tsv(snakemake.output.flow, cohort.flow, provenance)
