"""Compare the clusters of a slide with expression clusters of spots on the same section."""

from dataclasses import asdict

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.expression import agree_with_spots
from histohet.agreement.figures import Section, draw_section
from histohet.agreement.settings import SpotColumns
from histohet.agreement.spots import read_spots
from histohet.clustering.file import read_clusters
from histohet.common.files import write_json
from histohet.common.tables import write_tsv
from histohet.drawing.style import save_figure

with job_log(snakemake) as log:
    given, wildcards = snakemake.input, snakemake.wildcards
    columns = SpotColumns(**snakemake.params.columns)
    spots = read_spots(given.spots, columns, given.get("labels") or None)
    found = read_clusters(given.clusters)
    agreement = agree_with_spots(found, spots, snakemake.params.seed)
    log.info("%s", agreement.result)
    provenance = provenance_of(snakemake)
    stages = {stage: asdict(values) for stage, values in agreement.stages.items()}
    rows = [{"stage": stage, **values} for stage, values in stages.items()]
    write_tsv(snakemake.output.table, pd.DataFrame(rows), provenance)
    x, y = spots.centres.T
    # Numbered from 1 as everywhere, missing on no tile.
    clusters = pd.Series(agreement.clusters + 1).where(lambda number: number > 0).astype("Int64")
    table = pd.DataFrame({"x": x, "y": y, "label": spots.labels, "cluster": clusters})
    write_tsv(snakemake.output.spots, table, provenance)
    summary = {
        "provenance": provenance.as_dict(),
        "slide": wildcards.slide,
        "variant": wildcards.variant,
        "stages": stages,
        "contingency": {
            "labels": agreement.labels,
            "clusters": [number + 1 for number in agreement.numbers],
            "counts": agreement.counts.tolist(),
        },
    }
    write_json(snakemake.output.json, summary)
    title = f"{wildcards.slide}, variant {wildcards.variant}"
    thumbnail = np.asarray(Image.open(given.thumbnail))
    figure = draw_section(Section(title, thumbnail, found, spots, agreement))
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
