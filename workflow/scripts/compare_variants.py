"""Compare what the variants of the method find."""

import pandas as pd
from job import job_log, provenance_of

from histohet.clinical import ClinicalSpec
from histohet.cohort import read_cohort
from histohet.drawing.figures import save_figure
from histohet.drawing.survival_plots import draw_variant_comparison
from histohet.formats.tables import read_tsv, write_tsv
from histohet.summary import flattened, variant_figures
from histohet.survival import analyse

with job_log(snakemake.log[0]) as log:
    names, inputs = snakemake.params.variants, snakemake.input
    columns = snakemake.params.clinical
    covariates = ClinicalSpec.from_config(columns).covariates if columns else ()
    rows, analyses = [], {}
    for index, name in enumerate(names):
        estimates = read_tsv(inputs.estimates[index]) if columns else None
        figures = variant_figures(read_tsv(inputs.slides[index]), estimates)
        rows.append({"variant": name, **flattened(figures)})
        if columns:
            analyses[name] = analyse(read_cohort(inputs.patients[index], covariates), covariates)
    log.info("%s", rows)
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.table, pd.DataFrame(rows), provenance)
    score = snakemake.params.survival["score"]
    figure = draw_variant_comparison(analyses, title=f"Hazard ratio of {score} under each variant")
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
