"""Gather the estimates of all analyses and variants, with false discovery rates."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.survival.estimates import add_q_values

with job_log(snakemake) as log:
    tables = [read_tsv(path) for path in snakemake.input.estimates]
    estimates = add_q_values(pd.concat(tables, ignore_index=True))
    primary = estimates[estimates["primary"]]
    log.info("%d estimates, %d of them primary", len(estimates), len(primary))
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.estimates, estimates, provenance)
    write_html(snakemake.output.page, {"Primary estimates": primary}, provenance)
