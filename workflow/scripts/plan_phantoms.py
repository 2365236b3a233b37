"""Plan a phantom cohort: its slide sheet, its clinical table, and what is planted."""

from pathlib import Path

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.phantoms.plan import clinical_table, plan_cohort, plan_table, slide_sheet
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    plans = plan_cohort(settings)
    log.info("%d phantoms", len(plans))
    folder = (Path(snakemake.output.slides).parent / "slides").as_posix()
    clinical = clinical_table(plans, settings.hazard_ratio, settings.seed, settings.max_subclones)
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.plan, plan_table(plans), provenance)
    write_tsv(snakemake.output.slides, slide_sheet(plans, folder), provenance)
    write_tsv(snakemake.output.clinical, clinical, provenance)
