"""Compare the clusters of a variant with the planted truth, slide by slide."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.agreement import Agreement, agree
from histohet.agreement.agreement_plots import draw_agreement
from histohet.agreement.truth import read_truth, subclone_of_tiles
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure


def compare(clusters_path: str, truth_path: str) -> Agreement | None:
    """Compare one slide; None if it has no clusters, or its truth cannot be read."""
    table = read_clusters(clusters_path)
    if not table.tiles.outcome.ok:
        return None
    try:
        truth = read_truth(truth_path)
    except ValueError as error:
        log.warning("left out: %s", error)
        return None
    subclones = subclone_of_tiles(truth, table.tiles.coords, table.tiles.side_px)
    found = table.clustering
    return agree(subclones, truth.n_subclones, found.start, found.raw, found.labels)


with job_log(snakemake) as log:
    found = read_tsv(snakemake.input.slides).set_index("slide")
    rows = []
    for slide, clusters, truth in zip(
        snakemake.params.names, snakemake.input.clusters, snakemake.input.truth, strict=True
    ):
        agreement = compare(clusters, truth)
        if agreement is not None:
            n_clusters = found.loc[slide, "n_clusters"]
            rows.append({"slide": slide, "n_clusters": n_clusters, **asdict(agreement)})
    columns = ["slide", "n_clusters", *Agreement.__dataclass_fields__]
    table = pd.DataFrame(rows, columns=columns)
    log.info("%d slides, median ARI %s", len(table), table["ari"].median())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.table, table, provenance)
    figure = draw_agreement(
        table, f"Planted and found subclones, variant {snakemake.wildcards.variant}"
    )
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
