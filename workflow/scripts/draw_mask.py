"""Draw the epithelium mask of one slide and what it leaves of the tiles, or why there is none."""

from pathlib import Path

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.drawing.style import message_figure, save_figure
from histohet.epithelium.base import EpitheliumMask, MaskRules
from histohet.epithelium.coverage import COVERAGE, open_given_mask
from histohet.epithelium.masks import open_mask
from histohet.epithelium.segmentation import read_outcome
from histohet.preflight.figures import MaskedSlide, draw_mask
from histohet.slides.record import read_record
from histohet.tiles.file import read_column, read_glass, read_tiles


def the_mask() -> tuple[EpitheliumMask, str]:
    """Return the mask, and where it is from."""
    rules = MaskRules(**snakemake.params.rules)
    if given := snakemake.input.get("mask"):
        return open_given_mask(given, rules, record, tiles.side_px), f"of {Path(given).name}"
    read_outcome(snakemake.input.stain).raise_if_lost()
    return open_mask(snakemake.input.stain, rules, record.frames["region"]), "by the stain"


def draw():
    """Return the picture."""
    mask, source = the_mask()
    coverage, of_mask = read_column(snakemake.input.coverage, COVERAGE)
    least = snakemake.params.min_coverage
    data = MaskedSlide(
        slide=record.slide,
        thumbnail=np.asarray(Image.open(snakemake.input.thumbnail)),
        mask=mask,
        source=source,
        tiles=tiles,
        is_used=coverage > least,
        glass=read_glass(snakemake.input.tiles),
        min_coverage=least,
        outcome=of_mask,
    )
    return draw_mask(data)


with job_log(snakemake) as log:
    record, tiles = read_record(snakemake.input.record), read_tiles(snakemake.input.tiles)
    figure, outcome = attempt(draw, None, tiles.outcome)
    log.info("%s: %s", record.slide, outcome)
    figure = figure or message_figure(record.slide, f"{outcome.status}: {outcome.reason}")
    save_figure(figure, [snakemake.output.picture], provenance_of(snakemake))
