"""Put the pictures of all prepared scans on one page, with what became of their masks."""

from pathlib import Path

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json
from histohet.common.html import write_html
from histohet.ct.page import scans_to_look_at

with job_log(snakemake) as log:
    records = [read_json(path) for path in snakemake.input.records]
    pictures = [Path(path).name for path in snakemake.input.pictures]
    table = scans_to_look_at(records, snakemake.params.patients, pictures)
    log.info("%s", table["status"].value_counts().to_string())
    write_html(snakemake.output.page, {"Scans and regions": table}, provenance_of(snakemake))
