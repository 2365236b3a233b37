"""Put the slides of one patient side by side, so that they are clustered as one."""

from contextlib import ExitStack

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.features.file import feature_file, open_features
from histohet.features.patients import Pool, PooledPart, pool_slides, pooled_thumbnail
from histohet.slides.thumbnail import placeholder, save_picture
from histohet.tiles.file import read_column, write_column


def part_of(number: int, stack: ExitStack) -> PooledPart:
    """Return what one of the slides brings."""
    inputs = snakemake.input
    features = stack.enter_context(open_features(inputs.features[number]))
    coverage, _ = read_column(inputs.coverage[number], "coverage")
    slide = snakemake.params.slides[number]
    if not inputs.tumour:
        return PooledPart(slide, features, coverage)
    return PooledPart(
        slide, features, coverage, *read_column(inputs.tumour[number], "tumour_score")
    )


def write(pool: Pool) -> None:
    """Write the files of the patient, as those of a slide."""
    output, provenance, outcome = snakemake.output, provenance_of(snakemake), pool.tiles.outcome
    width = pool.parts[0].features.features.shape[1] if pool.parts else 1
    with feature_file(
        output.features,
        pool.tiles,
        pool.tile_index,
        width,
        snakemake.wildcards.encoder,
        provenance,
        pool.unreadable_index,
    ) as features:
        for rows in pool.features():
            features.append(rows)
    write_column(output.coverage, "coverage", pool.coverage, outcome, provenance)
    scores = np.empty(0, np.float32) if pool.tumour is None else pool.tumour
    write_column(output.tumour, "tumour_score", scores, outcome, provenance)
    if pool.parts:
        pictures = dict(zip(snakemake.params.slides, snakemake.input.thumbnails, strict=True))
        own = [np.asarray(Image.open(pictures[part.slide])) for part in pool.parts]
        save_picture(output.thumbnail, pooled_thumbnail(pool, own), provenance)
    else:
        save_picture(output.thumbnail, placeholder(outcome.reason), provenance)


with job_log(snakemake) as log, ExitStack() as stack:
    slides = snakemake.params.slides
    parts = [part_of(number, stack) for number in range(len(slides))]
    pool = pool_slides(snakemake.wildcards.slide, parts, snakemake.params.gap_um)
    log.info("%d of %d slides, %s", len(pool.parts), len(slides), pool.tiles.outcome)
    write(pool)
