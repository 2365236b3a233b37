"""Segment the tissue of one slide and keep a thumbnail of it."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import Outcome, attempt
from histohet.slides.reader import Pixels, open_slide
from histohet.slides.record import read_record
from histohet.slides.thumbnail import placeholder, read_thumbnail, save_picture
from histohet.tissue.file import write_tissue
from histohet.tissue.segmentation import Tissue, outcome_of_tissue, segment_tissue
from histohet.tissue.settings import TissueSettings

NOTHING = Tissue(pieces=[], area_mm2=0.0, white=(255, 255, 255))


def segment() -> tuple[Tissue, Outcome, Pixels | None]:
    """Return tissue, whether it is any, and thumbnail."""
    record.outcome.raise_if_lost()
    settings = TissueSettings(preset=snakemake.params.preset, overrides=snakemake.params.overrides)
    with open_slide(record.path) as slide:
        tissue = segment_tissue(slide, record.mpp, settings.parameters)
        outcome = outcome_of_tissue(tissue, settings.parameters.max_ink)
        return tissue, outcome, read_thumbnail(slide)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    (tissue, found, thumbnail), outcome = attempt(segment, (NOTHING, None, None))
    if thumbnail is None:
        thumbnail = placeholder(outcome.reason)
    outcome = found or outcome
    log.info(
        "%s: %d pieces, %.2f mm², %s", record.slide, len(tissue.pieces), tissue.area_mm2, outcome
    )
    provenance = provenance_of(snakemake)
    write_tissue(snakemake.output.tissue, record.slide, tissue, outcome, provenance)
    save_picture(snakemake.output.thumbnail, thumbnail, provenance)
