"""Generate one phantom slide and the truth about it."""

from histohet.common.jobs import job_log
from histohet.phantoms import plan_cohort, render_phantom, write_phantom

with job_log(snakemake) as log:
    plans = {plan.slide: plan for plan in plan_cohort(**snakemake.params.phantoms)}
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
