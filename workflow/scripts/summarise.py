"""Write the key figures of the run."""

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.tables import read_tsv
from histohet.summary import slide_figures, stage_seconds, variant_figures


def by_variant(names: list[str], paths: list[str]) -> dict[str, pd.DataFrame]:
    """Return a table of each variant; tables that a run does not make have no files."""
    return dict(zip(names, map(read_tsv, paths), strict=bool(paths)))


with job_log(snakemake) as log:
    inputs, params, names = snakemake.input, snakemake.params, snakemake.params.variants
    slides = by_variant(names, inputs.slides)
    estimates, patients = by_variant(names, inputs.estimates), by_variant(names, inputs.patients)
    agreement = by_variant(params.compared_with_truth, inputs.agreement)
    # Of the first variant that measures slides and not patients, if any does.
    measured = next((slides[name] for name in names if name not in params.pooled), None)
    summary = {
        "provenance": provenance_of(snakemake).as_dict(),
        "slides": slide_figures(read_tsv(inputs.preflight), measured),
        "variants": {
            name: variant_figures(
                *(slides[name], estimates.get(name), agreement.get(name), patients.get(name))
            )
            for name in names
        },
        "planted_hazard_ratio": params.planted_hazard_ratio,
        "wall_seconds": stage_seconds(params.benchmarks),
    }
    log.info("%s", summary)
    write_json(snakemake.output.summary, summary)
