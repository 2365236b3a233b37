"""Compare the clusters of a slide with expression clusters of spots on the same section."""

from dataclasses import asdict

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.expression import (
    N_PLACEMENTS,
    TileMap,
    compare_spots,
    confusion,
    no_agreement,
)
from histohet.agreement.figures import Section, draw_section
from histohet.agreement.spots import SpotColumns, read_spots
from histohet.clustering.file import read_clusters
from histohet.common.files import write_json
from histohet.common.tables import write_tsv
from histohet.drawing.style import message_figure, save_figure

STAGES = ("start", "raw", "labels")

with job_log(snakemake) as log:
    given, wildcards = snakemake.input, snakemake.wildcards
    columns, seed = SpotColumns(**snakemake.params.columns), snakemake.params.seed
    spots = read_spots(given.spots, columns, given.get("labels") or None)
    found = read_clusters(given.clusters)
    outcome = found.tiles.outcome
    maps = {
        stage: TileMap(found.tiles.coords, found.tiles.side_px, getattr(found.clustering, stage))
        for stage in STAGES
        if outcome.ok
    }
    agreement = {
        stage: compare_spots(spots, tiles, N_PLACEMENTS, seed) for stage, tiles in maps.items()
    } or dict.fromkeys(STAGES, no_agreement(spots, f"{outcome.status}: {outcome.reason}"))
    result = agreement["labels"]
    log.info("%s", result)
    labels, numbers, counts = [], [], np.empty((0, 0), np.int64)
    clusters = np.full(len(spots.labels), -1)
    if outcome.ok:
        labels, numbers, counts = confusion(spots, maps["labels"])
        clusters = maps["labels"].at(spots.centres)
    provenance = provenance_of(snakemake)
    rows = [{"stage": stage, **asdict(values)} for stage, values in agreement.items()]
    write_tsv(snakemake.output.table, pd.DataFrame(rows), provenance)
    x, y = spots.centres.T
    numbered = pd.Series(clusters + 1).where(clusters >= 0).astype("Int64")
    table = pd.DataFrame({"x": x, "y": y, "label": spots.labels, "cluster": numbered})
    write_tsv(snakemake.output.spots, table, provenance)
    summary = {
        "provenance": provenance.as_dict(),
        "slide": wildcards.slide,
        "variant": wildcards.variant,
        "stages": {stage: asdict(values) for stage, values in agreement.items()},
        "contingency": {
            "labels": labels,
            "clusters": [number + 1 for number in numbers],
            "counts": counts.tolist(),
        },
    }
    write_json(snakemake.output.json, summary)
    title = f"{wildcards.slide}, variant {wildcards.variant}"
    if result.n_compared:
        thumbnail = np.asarray(Image.open(given.thumbnail))
        section = Section(title, thumbnail, found, spots, labels, numbers, counts, result)
        figure = draw_section(section)
    else:
        figure = message_figure(title, result.reason)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
