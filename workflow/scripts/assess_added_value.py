"""Compare risk models with and without the heterogeneity score of a variant."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.endpoints import endpoints_of
from histohet.cohort.select import of_endpoint
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.prognosis.added_value import compare_models, patient_embeddings
from histohet.prognosis.figures import draw_added_value
from histohet.prognosis.settings import AddedValueSettings

with job_log(snakemake) as log:
    spec = AnalysisSettings(**snakemake.params.analysis)
    settings = AddedValueSettings(**snakemake.params.comparison)
    patients = read_tsv(snakemake.input.patients)
    table = read_tsv(snakemake.input.embeddings)
    embeddings = patient_embeddings(patients, table)
    covariates = [covariate.name for covariate in spec.covariates]
    estimates, risks = [], []
    for endpoint in endpoints_of(patients):
        frame = of_endpoint(patients, endpoint)
        found = compare_models(frame, embeddings, covariates, settings, snakemake.params.seed)
        estimates.append(found.estimates.assign(endpoint=endpoint))
        risks.append(found.risks.assign(endpoint=endpoint))
        ranked = found.estimates[found.estimates["measure"].isin(["c_index", "c_index_gain"])]
        for row in ranked.itertuples():
            log.info(
                "%s, %s, %s: %.3f (%.3f to %.3f) %s",
                *(endpoint, row.model, row.measure, row.estimate, row.lower, row.upper, row.reason),
            )
    provenance = provenance_of(snakemake)
    every_estimate = pd.concat(estimates, ignore_index=True)
    write_tsv(snakemake.output.estimates, every_estimate, provenance)
    write_tsv(snakemake.output.risks, pd.concat(risks, ignore_index=True), provenance)
    pooling, variant = settings.pooling, snakemake.wildcards.variant
    title = f"What {spec.score} adds to the slide embedding ({pooling}), variant {variant}"
    figure = draw_added_value(every_estimate, title=title)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
