"""Generate phantom CTs of other patients than the cohort's, as a raw data set of nnU-Net."""

from histohet.common.jobs import job_log
from histohet.phantoms.ct import render_ct
from histohet.phantoms.ct_files import write_dataset_json, write_volume
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.scan_plan import plan_scans
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    cohort = plan_scans(settings, plan_cohort(settings))
    output = snakemake.output
    for plan, image, label in zip(cohort.training, output.images, output.labels, strict=True):
        log.info("%s", plan)
        ct = render_ct(plan)
        write_volume(image, ct.hu)
        write_volume(label, ct.tumour)
    write_dataset_json(output.dataset, len(cohort.training))
