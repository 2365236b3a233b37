"""Find the epithelium of one slide by its stain."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.epithelium.segmentation import segment_slide, write_labels
from histohet.slides.reader import Pixels
from histohet.slides.record import read_record
from histohet.slides.region import open_region
from histohet.tissue.file import read_tissue


def segment() -> tuple[Pixels, str]:
    """Return the label image, and what is to be said of it."""
    tissue = read_tissue(snakemake.input.tissue)
    with open_region(record.path, record.region) as slide:
        found, model = segment_slide(slide, record.mpp, tissue.pieces, snakemake.params.label)
    log.info("%s", model)
    return found, model.note if model else ""


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    (labels, note), outcome = attempt(segment, (np.zeros((1, 1), np.uint8), ""))
    outcome = outcome.with_note(note)
    log.info("%s: %.3f epithelium, %s", record.slide, (labels > 0).mean(), outcome)
    write_labels(snakemake.output.mask, labels, outcome, provenance_of(snakemake))
