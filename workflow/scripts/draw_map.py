"""Draw the map of one slide under one variant, or why there is none."""

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.figures import draw_slide_map, slide_map
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv
from histohet.drawing.style import message_figure, save_figure


def rows_of(path: str) -> pd.DataFrame:
    """Return the rows of a table of the cohort that are about the slide."""
    table = read_tsv(path)
    return table[table["slide"] == snakemake.wildcards.slide]


with job_log(snakemake):
    given = snakemake.input
    row = rows_of(given.slides).iloc[0]
    if row["status"] == "ok":
        thumbnail = np.asarray(Image.open(given.thumbnail))
        clustered = read_clusters(given.clusters)
        figure = draw_slide_map(slide_map(row, rows_of(given.table), thumbnail, clustered))
    else:
        figure = message_figure(row["slide"], f"{row['status']}: {row['reason']}")
    save_figure(figure, [snakemake.output.map], provenance_of(snakemake))
