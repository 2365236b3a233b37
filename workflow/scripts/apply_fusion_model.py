"""Apply the model of another run to this cohort, and say how good its predictions are."""

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import write_tsv
from histohet.fusion.blocks import FusionError
from histohet.fusion.patients import read_fusion_cohort
from histohet.fusion.saved_model import apply_model, read_model
from histohet.fusion.settings import FusionSettings

with job_log(snakemake) as log:
    settings = FusionSettings(**snakemake.params.fusion)
    analysis = AnalysisSettings(**snakemake.params.analysis)
    try:
        cohort = read_fusion_cohort(snakemake.input, analysis, settings, snakemake.params.made_by)
        saved = read_model(snakemake.input.model[0])
        found, notes = apply_model(
            saved, cohort.blocks, cohort.outcome, settings, snakemake.params.seed
        )
    except FusionError as error:
        raise SystemExit(str(error)) from error
    for note in notes:
        log.warning("%s", note)
    provenance = provenance_of(snakemake)
    for name, table in found.tables().items():
        write_tsv(snakemake.output[name], table, provenance)
    write_tsv(snakemake.output.flow, cohort.flow, provenance)
