"""Compare risk models with and without the heterogeneity score of a variant."""

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.settings import AnalysisSettings
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.prognosis.added_value import compare_for_endpoints, patient_embeddings
from histohet.prognosis.figures import draw_added_value
from histohet.prognosis.settings import AddedValueSettings

with job_log(snakemake) as log:
    spec = AnalysisSettings(**snakemake.params.analysis)
    settings = AddedValueSettings(**snakemake.params.comparison)
    patients = read_tsv(snakemake.input.patients)
    found = compare_for_endpoints(
        patients,
        patient_embeddings(patients, read_tsv(snakemake.input.embeddings)),
        [covariate.name for covariate in spec.adjusted_for],
        settings,
        snakemake.params.seed,
    )
    ranked = found.estimates["measure"].isin(["c_index", "c_index_gain"])
    shown = ["endpoint", "model", "measure", "estimate", "lower", "upper", "reason"]
    log.info("%s", found.estimates.loc[ranked, shown].to_string())
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.estimates, found.estimates, provenance)
    write_tsv(snakemake.output.risks, found.risks, provenance)
    pooling, variant = settings.pooling, snakemake.wildcards.variant
    title = f"What {spec.score} adds to the slide embedding ({pooling}), variant {variant}"
    figure = draw_added_value(found.estimates, title=title)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
