"""Mask the tissue of one core, and keep a picture of the same pixels."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.outcome import attempt
from histohet.cores.masks import CoreMask, as_picture, mask_core
from histohet.slides.record import read_record
from histohet.slides.region import open_region
from histohet.slides.thumbnail import placeholder, save_picture
from histohet.tissue.file import read_tissue


def mask() -> CoreMask:
    """Return the core with its mask."""
    tissue = read_tissue(snakemake.input.tissue)
    with open_region(record.path, record.region) as slide:
        return mask_core(slide, tissue, record.mpp, record.core_diameter_um)


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    core, outcome = attempt(mask, None, record.outcome)
    about = {"slide": record.slide, "status": outcome.status, "reason": outcome.reason}
    if core is None:
        picture = placeholder(outcome.reason)
        core = CoreMask(picture, np.zeros(picture.shape[:2], np.bool_), record.mpp)
    else:
        about |= {"mpp": core.mpp, "tissue_mm2": core.tissue_mm2}
    log.info("%s: %s", record.slide, outcome)
    output, provenance = snakemake.output, provenance_of(snakemake)
    save_picture(output.picture, core.picture, provenance)
    save_picture(output.mask, as_picture(core.mask), provenance)
    write_json(output.about, {**about, **provenance.as_dict()})
