"""Check the slides and the sheets against each other."""

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.formats import ClinicalError
from histohet.clinical.table import read_clinical_tsv
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.preflight.outlook import read_outlooks
from histohet.preflight.problems import list_problems, problem_table
from histohet.slides.sheet import read_slide_sheet

with job_log(snakemake) as log:
    inputs, outputs = snakemake.input, snakemake.output
    slides, clinical = read_tsv(inputs.slides), None
    if inputs.get("clinical"):
        clinical = read_clinical_tsv(inputs.clinical, inputs.problems)
    sheet = read_slide_sheet(inputs.sheet, snakemake.params.patient_pattern)
    if clinical is not None:
        try:
            clinical.check_patients(row.patient for row in sheet.slides.values())
        except ClinicalError as error:
            raise SystemExit(str(error)) from error
    problems = list_problems(read_outlooks(slides), sheet, inputs.sheet, clinical)
    for problem in problems:
        log.warning("%s", problem)
    lost = (slides["status"] != "ok").sum()
    log.warning(
        "%d of %d slides can be used, %d problems; see %s",
        *(len(slides) - lost, len(slides), len(problems), outputs.page),
    )
    table, provenance = problem_table(problems), provenance_of(snakemake)
    write_tsv(outputs.problems, table, provenance)
    sections = {f"Slides ({lost} of {len(slides)} without a result)": slides, "Problems": table}
    write_html(outputs.page, sections, provenance)
