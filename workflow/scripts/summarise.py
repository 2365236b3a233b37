"""Write the key figures of the run."""

from typing import Any

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.tables import read_tsv
from histohet.report import (
    agreement_figures,
    planted_estimate,
    slide_figures,
    stage_seconds,
    variant_figures,
)


def figures_of(index: int) -> dict[str, Any]:
    """Return the figures of the variant with this number; absent tables have no files."""
    inputs = snakemake.input
    estimates = read_tsv(inputs.estimates[index]) if inputs.estimates else None
    figures = variant_figures(read_tsv(inputs.slides[index]), estimates)
    name = snakemake.params.variants[index]
    if name in snakemake.params.compared_with_truth:
        which = snakemake.params.compared_with_truth.index(name)
        agreement = read_tsv(inputs.agreement[which])
        figures["agreement"] = agreement_figures(agreement)
        if inputs.patients:
            patients = read_tsv(inputs.patients[index])
            figures["agreement"]["planted_per_unit"] = planted_estimate(agreement, patients)
    return figures


def table_of_slides() -> pd.DataFrame | None:
    """Return the table of the first variant that measures slides and not patients, if any does."""
    for name, path in zip(snakemake.params.variants, snakemake.input.slides, strict=True):
        if name not in snakemake.params.pooled:
            return read_tsv(path)
    return None


with job_log(snakemake) as log:
    summary = {
        "provenance": provenance_of(snakemake).as_dict(),
        "slides": slide_figures(read_tsv(snakemake.input.preflight), table_of_slides()),
        "variants": {
            name: figures_of(index) for index, name in enumerate(snakemake.params.variants)
        },
        "planted_hazard_ratio": snakemake.params.planted_hazard_ratio,
        "wall_seconds": stage_seconds(snakemake.params.benchmarks),
    }
    log.info("%s", summary)
    write_json(snakemake.output.summary, summary)
