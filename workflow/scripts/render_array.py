"""Generate one phantom array and the truth about its cores."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.phantoms.array_plan import plan_arrays
from histohet.phantoms.array_render import render_array
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import write_slide
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    donors = plan_cohort(settings)
    plans = {plan.array: plan for plan in plan_arrays(settings, donors)}
    plan = plans[snakemake.wildcards.array]
    log.info("%s: %d x %d px, turned by %g°", plan.array, *plan.shape[::-1], plan.tilt_degrees)
    array = render_array(plan, donors)
    write_slide(snakemake.output.slide, array.image, plan)
    write_tsv(snakemake.output.truth, array.truth, provenance_of(snakemake))
