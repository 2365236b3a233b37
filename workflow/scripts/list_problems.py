"""Check the slides and the sheets against each other."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.join import read_clinical_tsv
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.preflight import Problem, list_problems
from histohet.slides.record import read_record
from histohet.slides.sheet import read_slide_sheet


def clinical_problems(patients: set[str]) -> tuple[list[Problem], set[str] | None]:
    """Return what is wrong with the clinical rows of `patients`, and who has any."""
    if not snakemake.input.get("clinical"):
        return [], None
    clinical = read_clinical_tsv(snakemake.input.clinical, snakemake.input.problems)
    found = clinical.problems
    problems = [
        Problem(
            row["table"],
            int(row["row"]),
            row["patient"],
            f"{row['column']} '{row['value']}': {row['problem']}",
            row["consequence"],
        )
        # What concerns no patient concerns the whole table.
        for _, row in found[found["patient"].isin({*patients, ""})].iterrows()
    ]
    return problems, set(clinical.frame["patient"])


with job_log(snakemake) as log:
    opened = [read_record(path) for path in snakemake.input.records]
    records = [read_record(path) for path in snakemake.input.companions]
    name = snakemake.input.sheet
    sheet = read_slide_sheet(name, snakemake.params.patient_pattern)
    problems, patients = clinical_problems({row.patient for row in sheet.slides.values()})
    sound = {record.slide for record in opened if record.outcome.ok}
    problems = list_problems(records, sound, sheet, name, patients) + problems
    table = pd.DataFrame(
        [asdict(problem) for problem in problems], columns=list(Problem.__dataclass_fields__)
    )
    slides = read_tsv(snakemake.input.slides)
    refused = (slides["status"] != "ok").sum()
    for problem in problems:
        log.warning(
            "%s, row %d: %s: %s", problem.sheet, problem.row, problem.subject, problem.problem
        )
    log.warning(
        "%d of %d slides can be used, %d problems; see %s",
        len(slides) - refused,
        len(slides),
        len(problems),
        snakemake.output.page,
    )
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.problems, table, provenance)
    sections = {
        f"Slides ({refused} of {len(slides)} refused)": slides,
        "Problems": table,
    }
    write_html(snakemake.output.page, sections, provenance)
