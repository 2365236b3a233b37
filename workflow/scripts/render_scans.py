"""Generate the phantom CTs of a cohort with the masks of their tumours."""

from histohet.common.jobs import job_log
from histohet.phantoms.ct import render_ct
from histohet.phantoms.ct_files import write_volume
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.scan_plan import plan_scans
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    cohort = plan_scans(settings, plan_cohort(settings))
    output = snakemake.output
    for plan, *files in zip(cohort.scans, output.cts, output.masks, output.others, strict=True):
        log.info("%s", plan)
        for path, voxels in zip(files, render_ct(plan), strict=True):
            write_volume(path, voxels)
