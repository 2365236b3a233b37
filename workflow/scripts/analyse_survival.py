"""Test whether the score of an analysis predicts its endpoints."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.endpoints import endpoints_of
from histohet.cohort.select import of_endpoint
from histohet.cohort.settings import AnalysisSettings
from histohet.common.files import write_json
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.survival.endpoint import analyse_endpoint, groups_of
from histohet.survival.estimates import estimate_table
from histohet.survival.figures.forest import draw_forest
from histohet.survival.figures.kaplan_meier import draw_kaplan_meier
from histohet.survival.table_one import table_one

with job_log(snakemake) as log:
    spec = AnalysisSettings(**snakemake.params.analysis)
    variant, statistics = snakemake.wildcards.variant, snakemake.params.statistics
    patients = read_tsv(snakemake.input.patients)
    frames = {name: of_endpoint(patients, name) for name in endpoints_of(patients)}
    analyses = {
        endpoint: analyse_endpoint(
            frame,
            spec.covariates,
            groups=groups_of(spec.grouping),
            permutations=statistics["permutations"],
            replicates=statistics["bootstrap_replicates"],
            seed=snakemake.params.seed,
        )
        for endpoint, frame in frames.items()
    }
    tables = [estimate_table(analysis, endpoint) for endpoint, analysis in analyses.items()]
    estimates = pd.concat(tables, ignore_index=True)
    for column, name in enumerate(("analysis", "variant", "score")):
        estimates.insert(column, name, (spec.name, variant, spec.score)[column])
    log.info("primary estimates:\n%s", estimates[estimates["primary"]].T.to_string())
    curves = [
        curve.table().assign(endpoint=endpoint, group=curve.label)
        for endpoint, analysis in analyses.items()
        for curve in analysis.curves
    ]
    analysed = patients[patients["analysed"]]
    outputs, provenance = snakemake.output, provenance_of(snakemake)
    found = {endpoint: asdict(analysis) for endpoint, analysis in analyses.items()}
    write_json(outputs.results, {"provenance": provenance.as_dict(), "endpoints": found})
    write_tsv(outputs.estimates, estimates, provenance)
    write_tsv(outputs.kaplan_meier, pd.concat(curves, ignore_index=True), provenance)
    write_tsv(outputs.table_one, table_one(analysed, spec.covariates, frames), provenance)
    title = f"{spec.score}, analysis {spec.name}, variant {variant}"
    figure = draw_kaplan_meier(analyses, title=title)
    save_figure(figure, [outputs.curves_svg, outputs.curves_png], provenance)
    models = {name: analysis.models[analysis.fullest].cox for name, analysis in analyses.items()}
    figure = draw_forest(models, title=f"{title}: {next(iter(analyses.values())).fullest}")
    save_figure(figure, [outputs.forest_svg, outputs.forest_png], provenance)
