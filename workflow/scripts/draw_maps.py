"""Draw the maps of all slides under one variant."""

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import parent_process
from threading import Thread

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.figures import SlideMap, draw_slide_map
from histohet.clustering.file import read_clusters
from histohet.common.logs import track
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv
from histohet.drawing.style import message_figure, save_figure


def end_with_the_job() -> None:
    """End this process when the job ends, which a killed one cannot ask for."""
    job = parent_process()
    Thread(target=lambda: (job.join(), os._exit(1)), daemon=True).start()


def draw(
    output: str,
    thumbnail: str,
    clusters: str,
    row: pd.Series,
    table: pd.DataFrame,
    source: Provenance,
) -> None:
    """Draw one slide, or why there is no map."""
    if row["status"] != "ok":
        figure = message_figure(row["slide"], f"{row['status']}: {row['reason']}")
    else:
        found = read_clusters(clusters)
        scores = dict(zip(table["cluster"], table["tumour_score"], strict=True))
        figure = draw_slide_map(
            SlideMap(
                slide=row["slide"],
                thumbnail=np.asarray(Image.open(thumbnail)),
                clusters=found,
                counted=dict(zip(table["cluster"], table["counted"], strict=True)),
                scores=None if table["tumour_score"].isna().any() else scores,
                tumour_filter=row["tumour_filter"],
            )
        )
    save_figure(figure, [output], source)


with job_log(snakemake) as log:
    slides = read_tsv(snakemake.input.slides).set_index("slide", drop=False)
    table = read_tsv(snakemake.input.table)
    of_slide = dict(iter(table.groupby("slide")))
    names = snakemake.params.names
    with ProcessPoolExecutor(snakemake.threads, initializer=end_with_the_job) as pool:
        jobs = pool.map(
            draw,
            snakemake.output.maps,
            snakemake.input.thumbnails,
            snakemake.input.clusters,
            (slides.loc[name] for name in names),
            (of_slide.get(name, table.iloc[:0]) for name in names),
            repeat(provenance_of(snakemake)),
        )
        for _ in track(jobs, len(names), "maps drawn"):
            pass
