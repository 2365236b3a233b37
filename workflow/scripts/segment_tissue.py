"""Segment the tissue of one slide and keep a thumbnail of it."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.slides.reader import Pixels
from histohet.slides.record import read_record
from histohet.slides.region import open_region
from histohet.slides.thumbnail import placeholder, read_thumbnail, save_picture
from histohet.tissue.file import write_tissue
from histohet.tissue.segmentation import NOTHING, Tissue, outcome_of_tissue, segment_tissue
from histohet.tissue.settings import TissueParameters


def segment() -> tuple[Tissue, Pixels]:
    """Return tissue and thumbnail."""
    with open_region(record.path, record.region) as slide:
        found = segment_tissue(slide, record.mpp, parameters, record.core_diameter_um)
        return found, read_thumbnail(slide)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    parameters = TissueParameters(**snakemake.params.tissue)
    found, outcome = attempt(segment, None, record.outcome)
    tissue, thumbnail = found or (NOTHING, placeholder(outcome.reason))
    if outcome.ok:
        outcome = outcome_of_tissue(tissue, parameters.max_ink)
    log.info(
        "%s: %d pieces, %.2f mm², %s", record.slide, len(tissue.pieces), tissue.area_mm2, outcome
    )
    provenance = provenance_of(snakemake)
    write_tissue(snakemake.output.tissue, record.slide, tissue, outcome, provenance)
    save_picture(snakemake.output.thumbnail, thumbnail, provenance)
