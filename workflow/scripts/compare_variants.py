"""Compare what the variants of the method find, for the first analysis."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.endpoints import endpoints_of
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.summary import flattened, variant_figures
from histohet.survival.figures.variants import draw_ablation
from histohet.survival.variants import (
    DIFFERENCE_COLUMNS,
    RESULT_COLUMNS,
    variant_differences,
    variant_results,
)

with job_log(snakemake) as log:
    names, inputs = snakemake.params.variants, snakemake.input
    spec = AnalysisSettings(**snakemake.params.analysis)
    slides = dict(zip(names, map(read_tsv, inputs.slides), strict=True))
    estimates = dict(zip(names, map(read_tsv, inputs.estimates), strict=bool(inputs.estimates)))
    patients = dict(zip(names, map(read_tsv, inputs.patients), strict=bool(inputs.patients)))
    figures = [
        {"variant": name, **flattened(variant_figures(slides[name], estimates.get(name)))}
        for name in names
    ]
    results = pd.DataFrame(columns=RESULT_COLUMNS)
    differences = pd.DataFrame(columns=DIFFERENCE_COLUMNS)
    if patients:
        results = variant_results(estimates, slides)
        differences = variant_differences(
            patients,
            endpoints_of(patients[names[0]]),
            replicates=snakemake.params.replicates,
            seed=snakemake.params.seed,
        )
    log.info("%s", figures)
    provenance, output = provenance_of(snakemake), snakemake.output
    write_tsv(output.table, pd.DataFrame(figures), provenance)
    write_tsv(output.differences, differences, provenance)
    title = f"{spec.score} under each variant, analysis {spec.name}"
    figure = draw_ablation(results, differences, title)
    save_figure(figure, [output.svg, output.png], provenance)
