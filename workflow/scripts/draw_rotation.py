"""Draw the clusters of one core, and which tiles are in another one when they are turned."""

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.drawing.style import message_figure, save_figure
from histohet.rotation.consistency import labels_by_angle
from histohet.rotation.figures import draw_core
from histohet.tiles.file import read_tiles

with job_log(snakemake):
    given, name = snakemake.input, snakemake.wildcards.slide
    tables = map(read_tsv, given.labels)
    labels = {
        encoder: (table["tile"].to_numpy(), labels_by_angle(table))
        for encoder, table in zip(snakemake.params.encoders, tables, strict=True)
        if len(table)
    }
    figure = message_figure(name, "no clusters: see results/rotation/consistency.tsv")
    if labels:
        thumbnail = np.asarray(Image.open(given.thumbnail))
        figure = draw_core(name, thumbnail, read_tiles(given.tiles), labels)
    save_figure(figure, [snakemake.output.picture], provenance_of(snakemake))
