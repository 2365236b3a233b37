"""Label and split the patients of trait models."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.sheets import SheetError
from histohet.common.tables import write_tsv
from histohet.slides.sheet import read_slide_sheet
from histohet.traits.cohort import trait_cohort
from histohet.traits.expression import TraitError, read_expression
from histohet.traits.settings import PatientSettings

with job_log(snakemake) as log:
    settings = PatientSettings(**snakemake.params.traits)
    sheet = read_slide_sheet(snakemake.input.sheet, snakemake.params.patient_pattern)
    patients = {row.patient for row in sheet.slides.values()}
    try:
        expression = read_expression(settings.expression, settings.wanted)
        cohort = trait_cohort(expression, patients, settings, snakemake.params.seed)
    except (TraitError, SheetError) as error:
        raise SystemExit(f"section `traits` of the configuration: {error}") from error
    for problem in cohort.problems.itertuples():
        log.warning("%s", " ".join(filter(None, problem[1:])))
    counts = cohort.labels.groupby("trait", sort=False)["label"].value_counts()
    log.info("%d patients: %s", len(cohort.splits), counts.to_dict())
    provenance = provenance_of(snakemake)
    for name in ("labels", "thresholds", "splits", "problems"):
        write_tsv(snakemake.output[name], getattr(cohort, name), provenance)
