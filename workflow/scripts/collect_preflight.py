"""Gather what every slide is, and what will become of it."""

from pathlib import Path

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import write_tsv
from histohet.epithelium.coverage import COVERAGE, read_share_on_tissue
from histohet.preflight.comparable import disagreeing_features, refuse_disagreeing
from histohet.preflight.outlook import MeasuredMask, foresee, slide_table
from histohet.slides.record import read_record
from histohet.slides.sheet import read_slide_sheet
from histohet.tiles.file import read_column, read_tiles
from histohet.tissue.file import read_outcome


def by_slide(paths: list[str]) -> dict[str, str]:
    """Files of slides, by the slide that they are named after."""
    return {Path(path).stem: path for path in paths}


def measured(path: str | None) -> MeasuredMask | None:
    """Read what a mask says of the tiles."""
    return MeasuredMask(*read_column(path, COVERAGE), read_share_on_tissue(path)) if path else None


with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    opened = [read_record(path) for path in inputs.slides]
    tissue, masks = by_slide(inputs.tissue), by_slide(inputs.masks)
    outlooks = [
        foresee(
            record,
            read_record(beside),
            read_outcome(tissue[record.slide]) if record.slide in tissue else record.outcome,
            read_tiles(tiles),
            measured(masks.get(record.slide)),
            min_tiles=params.min_tiles,
            min_coverage=params.min_coverage,
            by_stain=params.by_stain and record.slide in tissue,
            tolerance=params.tolerance,
        )
        for record, beside, tiles in zip(opened, inputs.companions, inputs.tiles, strict=True)
    ]
    encoder = params.encoder
    problems = disagreeing_features(opened, encoder["name"], encoder["width"])
    outlooks = refuse_disagreeing(outlooks, problems)
    slides = slide_table(outlooks, read_slide_sheet(inputs.sheet, params.patient_pattern))
    log.info("%d slides, %d can be used", len(slides), (slides["status"] == "ok").sum())
    write_tsv(snakemake.output.slides, slides, provenance_of(snakemake))
