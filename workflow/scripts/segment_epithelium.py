"""Find the epithelium of one slide by its stain."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.epithelium.segmentation import segment_slide, write_labels
from histohet.slides.reader import Pixels, open_slide
from histohet.slides.record import read_record
from histohet.tissue.file import read_tissue


def segment() -> Pixels:
    """Return the label image."""
    tissue = read_tissue(snakemake.input.tissue)
    with open_slide(record.path) as slide:
        found, model = segment_slide(slide, record.mpp, tissue.pieces, snakemake.params.label)
    log.info("%s", model)
    return found


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    labels, outcome = attempt(segment, np.zeros((1, 1), np.uint8))
    log.info("%s: %.3f epithelium, %s", record.slide, (labels > 0).mean(), outcome)
    write_labels(snakemake.output.mask, labels, outcome, provenance_of(snakemake))
