"""Plant bulk expression in a phantom cohort, by the truth of its slides."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.phantoms.expression import expression_table, tile_traits
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import planned_scores
from histohet.phantoms.settings import PhantomSettings

with job_log(snakemake) as log:
    settings = PhantomSettings(**snakemake.params.phantoms)
    plans, tables = plan_cohort(settings), []
    for plan, truth in zip(plans, snakemake.input.truth, strict=True):
        tables.append(tile_traits(pd.read_csv(truth, sep="\t"), planned_scores(plan)))
    patients = [plan.patient for plan in plans]
    expression = expression_table(patients, tables, settings.seed)
    log.info("%s", expression.describe().to_string())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.expression, expression, provenance)
    slides = [table.assign(slide=plan.slide) for plan, table in zip(plans, tables, strict=True)]
    write_tsv(snakemake.output.tiles, pd.concat(slides, ignore_index=True), provenance)
