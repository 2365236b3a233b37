"""Compare what the variants of the method find, for the first analysis and its first endpoint."""

import pandas as pd
from job import job_log, provenance_of

from histohet.analyses import AnalysisSpec
from histohet.clinical import endpoints_of
from histohet.cohort import of_endpoint, read_patients
from histohet.drawing.figures import save_figure
from histohet.drawing.variant_comparison import draw_variant_comparison
from histohet.endpoint_analysis import analyse_endpoint, groups_of
from histohet.formats.tables import read_tsv, write_tsv
from histohet.summary import flattened, variant_figures

with job_log(snakemake.log[0]) as log:
    inputs, params = snakemake.input, snakemake.params
    spec = AnalysisSpec.from_config(params.analysis)
    rows, analyses, endpoint = [], {}, ""
    for index, name in enumerate(params.variants):
        estimates = None
        if inputs.patients:
            patients = read_patients(inputs.patients[index], spec.covariates)
            endpoint = endpoints_of(patients)[0]
            estimates = read_tsv(inputs.estimates[index])
            estimates = estimates[estimates["endpoint"] == endpoint]
            analyses[name] = analyse_endpoint(
                of_endpoint(patients, endpoint),
                spec.covariates,
                groups=groups_of(spec.grouping.how),
                permutations=params.statistics["permutations"],
                replicates=params.statistics["bootstrap_replicates"],
                seed=params.seed,
            )
        figures = variant_figures(read_tsv(inputs.slides[index]), estimates)
        rows.append({"variant": name, **flattened(figures)})
    log.info("%s", rows)
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.table, pd.DataFrame(rows), provenance)
    title = f"{endpoint} by {spec.score}, analysis {spec.name}, under each variant"
    figure = draw_variant_comparison(analyses, title=title)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
