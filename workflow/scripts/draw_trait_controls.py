"""Compare the heterogeneity of a combination between groups of patients, and beside its shares."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.endpoints import event_column, months_column
from histohet.clinical.table import read_clinical_tsv
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.traits.control_figures import draw_controls
from histohet.traits.controls import (
    bulk_groups,
    clinical_groups,
    compare_groups,
    hti_by_patient,
    hti_given_shares,
)

with job_log(snakemake) as log:
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    hti = hti_by_patient(read_tsv(inputs.slides), params.suffix, params.traits)
    groups, outcomes = bulk_groups(read_tsv(inputs.labels), params.traits), {}
    if inputs.get("clinical"):
        clinical = read_clinical_tsv(inputs.clinical, inputs.problems)
        rows = clinical.where({})
        groups |= clinical_groups(rows.reset_index(), params.columns)
        for name in clinical.endpoints:
            both = rows[[months_column(name), event_column(name)]].dropna().astype(float)
            outcomes[name] = both.set_axis(["time_months", "event"], axis="columns")
    tests = compare_groups(hti, groups)
    log.info("%s", tests.to_string())
    provenance = provenance_of(snakemake)
    write_tsv(outputs.tests, tests, provenance)
    write_tsv(outputs.cox, hti_given_shares(hti, outcomes, params.traits), provenance)
    save_figure(draw_controls(hti, groups, tests), [outputs.svg, outputs.png], provenance)
