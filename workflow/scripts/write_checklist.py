"""Answer reporting checklists from what a fusion has made, and show what became of features."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.html import write_html
from histohet.common.tables import write_tsv
from histohet.fusion.checklist.features import feature_sections
from histohet.fusion.checklist.page import answered, sections
from histohet.fusion.checklist.run import read_run

with job_log(snakemake) as log:
    run = read_run(snakemake.input, snakemake.params, snakemake.wildcards.evaluation)
    table, provenance = answered(run), provenance_of(snakemake)
    log.info("%s", table.groupby(["checklist", "status"]).size().to_string())
    write_tsv(snakemake.output.table, table, provenance)
    write_html(snakemake.output.page, sections(table), provenance)
    write_html(snakemake.output.features, feature_sections(run), provenance)
