"""Gather one row per slide, whatever happened to it, under one variant."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import read_json
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.measures.heterogeneity import ClusterRow
from histohet.measures.slide import SlideMeasures
from histohet.measures.tile_correlations import tile_correlations

with job_log(snakemake) as log:
    threshold = None
    if snakemake.input.get("threshold"):
        threshold = read_json(snakemake.input.threshold)["threshold"]
    rows, clusters = [], []
    for path in snakemake.input.measures:
        measures = SlideMeasures.from_dict(read_json(path)["measures"])
        rows.append(measures.slide_row(threshold))
        clusters += measures.cluster_rows(threshold)
    preflight = read_tsv(snakemake.input.preflight)[["slide", "patient", "mpp"]]
    if snakemake.params.pooled:
        # The patient stands for its slides, at the scale of the first.
        preflight = preflight.drop_duplicates("patient").assign(slide=lambda rows: rows["patient"])
    slides = preflight.merge(pd.DataFrame(rows), on="slide", validate="one_to_one")
    columns = ["slide", *ClusterRow.__dataclass_fields__, "counted"]
    log.info("%d slides, %d ok", len(slides), (slides["status"] == "ok").sum())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.slides, slides, provenance)
    write_tsv(snakemake.output.clusters, pd.DataFrame(clusters, columns=columns), provenance)
    correlations = tile_correlations(slides)
    write_tsv(snakemake.output.correlations, correlations, provenance)
    variant = snakemake.wildcards.variant
    sections = {
        f"Slides, variant {variant}": slides,
        "Scores and the number of clustered tiles": correlations,
    }
    write_html(snakemake.output.page, sections, provenance)
