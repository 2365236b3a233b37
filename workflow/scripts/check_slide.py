"""Read the header of one slide and decide whether it takes part."""

from histohet.common.jobs import job_log
from histohet.preflight.slide import check_slide
from histohet.slides.record import write_record
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow
from histohet.tiles.settings import TileSpec

with job_log(snakemake) as log:
    params = snakemake.params
    record = check_slide(
        SlideRow(**params.row),
        tiles=TileSpec(**params.tiles),
        scale=ScaleSettings(**params.scale),
        duplicate_rows=params.duplicate_rows,
        problems_of_files=params.problems_of_files,
    )
    log.info("%s: %s %s", record.slide, record.status, record.reason)
    write_record(snakemake.output.record, record)
