"""Test whether the score of a variant predicts survival."""

from dataclasses import asdict

import pandas as pd
from job import job_log, provenance_of

from histohet.clinical import ClinicalSpec
from histohet.cohort import read_cohort
from histohet.drawing.figures import save_figure
from histohet.drawing.survival_plots import draw_forest, draw_kaplan_meier
from histohet.files import write_json
from histohet.formats.tables import write_tsv
from histohet.survival import Analysis, analyse


def estimates(analysis: Analysis) -> pd.DataFrame:
    """Return one row per estimate of every model."""
    models = {
        "high vs low": analysis.groups,
        "high vs low, adjusted": analysis.groups_adjusted,
        "per unit": analysis.score,
        "per unit, adjusted": analysis.score_adjusted,
    }
    tables = []
    for name, model in models.items():
        if model is not None:
            table = model.table()
            if table.empty:
                table = pd.DataFrame({"term": [None]})
            table.insert(0, "model", name)
            tables.append(table.assign(status=model.status, reason=model.reason))
    return pd.concat(tables, ignore_index=True)


with job_log(snakemake.log[0]) as log:
    covariates = ClinicalSpec.from_config(snakemake.params.clinical).covariates
    analysis = analyse(read_cohort(snakemake.input.patients, covariates), covariates)
    log.info("high vs low: %s", analysis.groups)
    provenance = provenance_of(snakemake)
    write_json(
        snakemake.output.results,
        {"provenance": provenance.as_dict(), "analysis": asdict(analysis)},
    )
    write_tsv(snakemake.output.estimates, estimates(analysis), provenance)
    curves = [curve.table().assign(group=curve.label) for curve in (analysis.low, analysis.high)]
    write_tsv(snakemake.output.kaplan_meier, pd.concat(curves, ignore_index=True), provenance)
    score = snakemake.params.survival["score"]
    title = f"{score}, variant {snakemake.wildcards.variant}"
    adjusted = analysis.groups_adjusted or analysis.groups
    figure = draw_kaplan_meier(
        [analysis.low, analysis.high],
        analysis.log_rank,
        analysis.groups,
        title=title,
        endpoint=f"Survival ({snakemake.params.clinical['event']['column']})",
    )
    save_figure(figure, [snakemake.output.curves_svg, snakemake.output.curves_png], provenance)
    figure = draw_forest(adjusted, title=title)
    save_figure(figure, [snakemake.output.forest_svg, snakemake.output.forest_png], provenance)
