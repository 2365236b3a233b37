"""Read the clinical tables, check every row, and join them by patient."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import write_tsv

with job_log(snakemake) as log:
    analyses = [AnalysisSettings(**one) for one in snakemake.params.analyses]
    covariates = [covariate for analysis in analyses for covariate in analysis.covariates]
    endpoints = {name for analysis in analyses for name in analysis.endpoints}
    try:
        sources = clinical_sources(snakemake.params.clinical, endpoints)
        conditions = [one.where for one in analyses]
        clinical = read_clinical(sources, conditions, covariates, snakemake.params.columns)
        for analysis in analyses:
            analysis.endpoints_among(clinical.endpoints)
            # Conditions that nobody meets stop the run before slides are measured.
            clinical.where(analysis.where)
    except ClinicalError as error:
        raise SystemExit(f"section `clinical` of the configuration: {error}") from error
    except ValueError as error:
        raise SystemExit(f"section `analyses` of the configuration: {error}") from error
    log.info("%d patients, endpoints %s", len(clinical.frame), ", ".join(clinical.endpoints))
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.clinical, clinical.frame, provenance)
    write_tsv(snakemake.output.problems, clinical.problems, provenance)
