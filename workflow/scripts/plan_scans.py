"""Plan phantom scans: sheets of scans and slides, the patients' clinical table, what is planted."""

from pathlib import Path

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.phantoms.ct_files import scan_sheet
from histohet.phantoms.plan import plan_cohort, slide_sheet
from histohet.phantoms.scan_plan import plan_scans
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    cohort = plan_scans(settings, plan_cohort(settings))
    log.info("%s", cohort.clinical["status"].value_counts().to_string())
    output, provenance = snakemake.output, provenance_of(snakemake)
    above = Path(output.scans).parent.parent
    scans = scan_sheet(cohort.scans, (above / "ct").as_posix())
    write_tsv(output.scans, scans, provenance)
    write_tsv(output.slides, slide_sheet(cohort.slides, (above / "slides").as_posix()), provenance)
    write_tsv(output.clinical, cohort.clinical, provenance)
    write_tsv(output.planted, cohort.planted, provenance)
