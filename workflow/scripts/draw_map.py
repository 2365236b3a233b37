"""Draw the map of one slide under one variant, or why there is none."""

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.figures import SlideMap, draw_slide_map
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv
from histohet.drawing.style import message_figure, save_figure


def rows_of(path: str) -> pd.DataFrame:
    """Return the rows of a table of the cohort that are about the slide."""
    table = read_tsv(path)
    return table[table["slide"] == snakemake.wildcards.slide]


def picture_of(row: pd.Series, clusters: pd.DataFrame) -> SlideMap:
    """Return what is drawn: the clusters of the slide, on its thumbnail."""
    scores = dict(zip(clusters["cluster"], clusters["tumour_score"], strict=True))
    return SlideMap(
        slide=row["slide"],
        thumbnail=np.asarray(Image.open(snakemake.input.thumbnail)),
        clusters=read_clusters(snakemake.input.clusters),
        counted=dict(zip(clusters["cluster"], clusters["counted"], strict=True)),
        scores=None if clusters["tumour_score"].isna().any() else scores,
        tumour_filter=row["tumour_filter"],
    )


with job_log(snakemake):
    row = rows_of(snakemake.input.slides).iloc[0]
    if row["status"] == "ok":
        figure = draw_slide_map(picture_of(row, rows_of(snakemake.input.table)))
    else:
        figure = message_figure(row["slide"], f"{row['status']}: {row['reason']}")
    save_figure(figure, [snakemake.output.map], provenance_of(snakemake))
