"""Bring one CT and its masks to the grid that engines get, or say why that is not possible."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.ct.figures import draw_scan
from histohet.ct.file import write_record, write_scan
from histohet.ct.prepare import Prepared, prepare
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow
from histohet.drawing.style import message_figure, save_figure
from histohet.segmentation.record import check_found


def bring_to_grid() -> Prepared:
    """Return image and regions."""
    row, region = snakemake.params.row, snakemake.params.region
    if region is not None:
        check_found(snakemake.input.segmented[1], region)
    masks = [MaskRow(**mask) for mask in row["masks"]]
    return prepare(row["ct"], masks, settings, snakemake.params.missing)


with job_log(snakemake) as log:
    scan, settings = snakemake.wildcards.scan, CtSettings(**snakemake.params.ct)
    prepared, outcome = attempt(bring_to_grid, None)
    outcome = prepared.outcome if prepared else outcome
    log.info("%s: %s %s", scan, outcome.status, outcome.reason)
    provenance, output = provenance_of(snakemake), snakemake.output
    write_scan(output.scan, prepared, outcome, provenance)
    write_record(output.record, scan, prepared, outcome, provenance)
    figure = (
        draw_scan(scan, prepared, settings.range_hu)
        if prepared and outcome.ok
        else message_figure(scan, f"{outcome.status}: {outcome.reason}")
    )
    save_figure(figure, [output.picture], provenance)
