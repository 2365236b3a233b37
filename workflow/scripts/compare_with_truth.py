"""Compare the clusters of a variant with the planted truth, slide by slide."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.figures import draw_agreement
from histohet.agreement.truth import TruthAgreement, agree_with_truth, read_truth
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure

with job_log(snakemake) as log:
    inputs, output = snakemake.input, snakemake.output
    n_clusters = read_tsv(inputs.slides).set_index("slide")["n_clusters"]
    rows = []
    for slide, clusters, truth in zip(
        snakemake.params.names, inputs.clusters, inputs.truth, strict=True
    ):
        found = read_clusters(clusters)
        if not found.outcome.ok:
            continue
        try:
            agreement = agree_with_truth(found, read_truth(truth))
        except ValueError as error:
            log.warning("left out: %s", error)
            continue
        rows.append({"slide": slide, "n_clusters": n_clusters[slide], **asdict(agreement)})
    columns = ["slide", "n_clusters", *TruthAgreement.__dataclass_fields__]
    table = pd.DataFrame(rows, columns=columns)
    log.info("%d slides, median ARI %s", len(table), table["ari"].median())
    provenance = provenance_of(snakemake)
    write_tsv(output.table, table, provenance)
    title = f"Planted and found subclones, variant {snakemake.wildcards.variant}"
    save_figure(draw_agreement(table, title), [output.svg, output.png], provenance)
