"""Generate one phantom slide and the truth about it."""

from histohet.common.jobs import job_log
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import render_phantom, write_phantom
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    plans = {plan.slide: plan for plan in plan_cohort(settings)}
    plan = plans[snakemake.wildcards.slide]
    log.info("%s", plan)
    output = snakemake.output
    write_phantom(
        render_phantom(plan),
        plan,
        slide=output.slide,
        labels=output.labels,
        attention=output.attention,
        truth=output.truth,
    )
