"""Compare the score of a variant with a pathologist's count of subclones."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.figures import draw_counts
from histohet.agreement.pathologist import (
    N_RESAMPLES,
    group_means,
    pair_scores,
    rank_agreement,
    read_counts,
)
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure

with job_log(snakemake) as log:
    params = snakemake.params
    unit, score = params.unit, params.score
    counts = read_counts(snakemake.input.counts, unit, params.column)
    pairs = pair_scores(read_tsv(snakemake.input.slides), counts, unit, score)
    compared = pairs[pairs["left_out_because"] == ""]
    values = compared["count"].to_numpy(float), compared["score"].to_numpy(float)
    estimates = rank_agreement(*values, N_RESAMPLES, params.seed)
    log.info("%d of %d %ss: %s", len(compared), len(pairs), unit, estimates)
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.estimates, pd.DataFrame(map(asdict, estimates)), provenance)
    write_tsv(snakemake.output.pairs, pairs, provenance)
    write_tsv(snakemake.output.means, group_means(*values), provenance)
    title = f"Counted subclones, variant {snakemake.wildcards.variant}"
    figure = draw_counts(pairs, estimates, score, title)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
