"""Gather what every slide is, and check the sheets against each other."""

from dataclasses import asdict

import pandas as pd

from histohet.common.jobs import job_log, provenance_of
from histohet.clinical.join import read_clinical_tsv
from histohet.common.html import write_html
from histohet.common.tables import write_tsv
from histohet.preflight import Problem, disagreeing_features, list_problems
from histohet.slides.record import SlideRecord, read_record
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


def read_records(paths: list[str]) -> list[SlideRecord]:
    """Return what a check found, of every slide."""
    return [read_record(path) for path in paths]


def check_features(records: list[SlideRecord]) -> None:
    """Stop if finished features do not go with each other, or with those that will be made."""
    encoder = snakemake.params.encoder
    problem = disagreeing_features(records, encoder["name"], encoder["width"])
    if problem:
        raise SystemExit(problem)


with job_log(snakemake) as log:
    opened = read_records(snakemake.input.slides)
    check_features(opened)
    records = read_records(snakemake.input.companions)
    name = snakemake.input.sheet
    sheet = read_slide_sheet(name, snakemake.params.patient_pattern)
    problems, patients = clinical_problems({row.patient for row in sheet.slides.values()})
    sound = {record.slide for record in opened if record.outcome.ok}
    problems = list_problems(records, sound, sheet, name, patients) + problems
    slides = pd.DataFrame([asdict(record) for record in records])
    slides.insert(1, "patient", [sheet.slides[slide].patient for slide in slides["slide"]])
    table = pd.DataFrame(
        [asdict(problem) for problem in problems], columns=list(Problem.__dataclass_fields__)
    )
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
    write_tsv(snakemake.output.slides, slides, provenance)
    write_tsv(snakemake.output.problems, table, provenance)
    sections = {
        f"Slides ({refused} of {len(slides)} refused)": slides,
        "Problems": table,
    }
    write_html(snakemake.output.page, sections, provenance)
