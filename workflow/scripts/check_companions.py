"""Read the files that the sheet names beside one slide, and say whether they can be its own."""

from histohet.common.jobs import job_log
from histohet.epithelium.base import MaskRules
from histohet.preflight.companions import check_companions
from histohet.slides.record import read_record, write_record
from histohet.slides.sheet import COMPANIONS
from histohet.tiles.settings import TileSpec

with job_log(snakemake) as log:
    files = {column: file for column in COMPANIONS if (file := snakemake.input.get(column))}
    record = check_companions(
        read_record(snakemake.input.record),
        files,
        TileSpec(**snakemake.params.tiles),
        MaskRules(**snakemake.params.rules),
    )
    log.info("%s: %s %s", record.slide, record.status, record.reason)
    write_record(snakemake.output.record, record)
