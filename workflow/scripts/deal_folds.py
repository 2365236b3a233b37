"""Deal patients into the folds that models and networks are fitted in."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.fusion.competing_risks import EVENT
from histohet.fusion.folds import deal_everybody, splits_of
from histohet.fusion.job import fusion_of
from histohet.fusion.splits import table_of

with job_log(snakemake) as log, fusion_of(snakemake) as (settings, cohort):
    dealt = cohort.outcome, settings, snakemake.params.seed, cohort.centre
    try:
        splits = [*splits_of(*dealt), deal_everybody(*dealt)]
    except ValueError as error:
        raise SystemExit(str(error)) from error
    event = cohort.outcome["state"] == EVENT
    table = table_of(splits, cohort.outcome.assign(event=event))
    write_tsv(snakemake.output.folds, table, provenance_of(snakemake))
    log.info("%d patients, %d splits", len(cohort.outcome), len(splits))
