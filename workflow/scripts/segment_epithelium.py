"""Find the epithelium of one slide by its stain."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import Outcome, Status
from histohet.epithelium.segmentation import segment_slide, write_labels
from histohet.slides.reader import SlideError, open_slide
from histohet.slides.record import read_record
from histohet.tissue.file import read_tissue

with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tissue, outcome = read_tissue(snakemake.input.tissue)
    labels, model = np.zeros((1, 1), np.uint8), None
    if outcome.ok:
        try:
            with open_slide(record.path) as slide:
                label = snakemake.params.label
                labels, model = segment_slide(slide, record.mpp, tissue.pieces, label)
        except SlideError as error:
            outcome = Outcome(Status.UNREADABLE, str(error))
    log.info("%s: %.3f epithelium, %s, %s", record.slide, (labels > 0).mean(), model, outcome)
    write_labels(snakemake.output.mask, labels, outcome, provenance_of(snakemake))
