"""Segment the tissue of one slide and keep a thumbnail of it."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import OK, Outcome, Status
from histohet.slides.reader import Pixels, SlideError, open_slide
from histohet.slides.record import SlideRecord, read_record
from histohet.slides.thumbnail import placeholder, read_thumbnail, save_picture
from histohet.tissue.file import write_tissue
from histohet.tissue.segmentation import Tissue, segment_tissue
from histohet.tissue.settings import TissueSettings

NOTHING = Tissue(pieces=[], area_mm2=0.0, white=(255, 255, 255))


def segment(record: SlideRecord) -> tuple[Tissue, Outcome, Pixels]:
    """Return tissue, outcome and thumbnail."""
    if not record.outcome.ok:
        return NOTHING, record.outcome, placeholder(record.reason)
    settings = TissueSettings(preset=snakemake.params.preset, overrides=snakemake.params.overrides)
    params = settings.parameters
    try:
        with open_slide(record.path) as slide:
            tissue = segment_tissue(slide, record.mpp, params)
            thumbnail = read_thumbnail(slide)
    except SlideError as error:
        return NOTHING, Outcome(Status.UNREADABLE, str(error)), placeholder(str(error))
    if not tissue.pieces:
        reason = "no piece of tissue is above the size limit of tissue.preset and overrides"
        return tissue, Outcome(Status.NO_TISSUE, reason), thumbnail
    if tissue.ink > params.max_ink:
        reason = (
            f"{tissue.ink:.0%} or more of every coloured piece is too blue, green or grey for "
            "hematoxylin and eosin: pen, fluorescence, another stain, or no slide at all "
            "(if it is a slide, raise max_ink in tissue.overrides)"
        )
        return tissue, Outcome(Status.NO_TISSUE, reason), thumbnail
    return tissue, OK, thumbnail


with job_log(snakemake) as log:
    slide = read_record(snakemake.input.record)
    tissue, outcome, thumbnail = segment(slide)
    log.info(
        "%s: %d pieces, %.2f mm², %s", slide.slide, len(tissue.pieces), tissue.area_mm2, outcome
    )
    provenance = provenance_of(snakemake)
    write_tissue(snakemake.output.tissue, slide.slide, tissue, outcome, provenance)
    save_picture(snakemake.output.thumbnail, thumbnail, provenance)
