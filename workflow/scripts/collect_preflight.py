"""Gather what every slide is, and check the sheets against each other."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.join import read_clinical_tsv
from histohet.common.html import write_html
from histohet.common.tables import write_tsv
from histohet.preflight import disagreeing_features, list_problems, problem_table, slide_table
from histohet.slides.record import read_record
from histohet.slides.sheet import read_slide_sheet

with job_log(snakemake) as log:
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    encoder, opened = params.encoder, [read_record(path) for path in inputs.slides]
    if disagreement := disagreeing_features(opened, encoder["name"], encoder["width"]):
        raise SystemExit(disagreement)
    clinical = None
    if inputs.get("clinical"):
        clinical = read_clinical_tsv(inputs.clinical, inputs.problems)
    sheet = read_slide_sheet(inputs.sheet, params.patient_pattern)
    records = [read_record(path) for path in inputs.companions]
    sound = {record.slide for record in opened if record.outcome.ok}
    problems = list_problems(records, sound, sheet, inputs.sheet, clinical)
    slides, table = slide_table(records, sheet), problem_table(problems)
    refused = (slides["status"] != "ok").sum()
    for problem in problems:
        log.warning("%s", problem)
    log.warning(
        "%d of %d slides can be used, %d problems; see %s",
        *(len(slides) - refused, len(slides), len(problems), outputs.page),
    )
    provenance = provenance_of(snakemake)
    write_tsv(outputs.slides, slides, provenance)
    write_tsv(outputs.problems, table, provenance)
    sections = {f"Slides ({refused} of {len(slides)} refused)": slides, "Problems": table}
    write_html(outputs.page, sections, provenance)
