"""Test whether the score of an analysis predicts its endpoints."""

from dataclasses import asdict

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.select import of_endpoint
from histohet.cohort.settings import AnalysisSettings
from histohet.common.files import write_json
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.survival.endpoint import analyse_endpoints
from histohet.survival.estimates import curves_of, estimates_of
from histohet.survival.figures.forest import draw_forest
from histohet.survival.figures.kaplan_meier import draw_kaplan_meier
from histohet.survival.settings import StatisticsSettings
from histohet.survival.table_one import table_one

with job_log(snakemake) as log:
    spec = AnalysisSettings(**snakemake.params.analysis)
    statistics = StatisticsSettings(**snakemake.params.statistics)
    variant = snakemake.wildcards.variant
    patients = read_tsv(snakemake.input.patients)
    analyses = analyse_endpoints(patients, spec, statistics, snakemake.params.seed)
    estimates = estimates_of(analyses, analysis=spec.name, variant=variant, score=spec.score)
    log.info("primary estimates:\n%s", estimates[estimates["primary"]].T.to_string())
    frames = {endpoint: of_endpoint(patients, endpoint) for endpoint in analyses}
    analysed = patients[patients["analysed"]]
    outputs, provenance = snakemake.output, provenance_of(snakemake)
    found = {endpoint: asdict(analysis) for endpoint, analysis in analyses.items()}
    write_json(outputs.results, {"provenance": provenance.as_dict(), "endpoints": found})
    write_tsv(outputs.estimates, estimates, provenance)
    write_tsv(outputs.kaplan_meier, curves_of(analyses), provenance)
    write_tsv(outputs.table_one, table_one(analysed, spec.adjusted_for, frames), provenance)
    title = f"{spec.score}, analysis {spec.name}, variant {variant}"
    figure = draw_kaplan_meier(analyses, title=title)
    save_figure(figure, [outputs.curves_svg, outputs.curves_png], provenance)
    models = {name: analysis.models[analysis.fullest].cox for name, analysis in analyses.items()}
    figure = draw_forest(models, title=f"{title}: {next(iter(analyses.values())).fullest}")
    save_figure(figure, [outputs.forest_svg, outputs.forest_png], provenance)
