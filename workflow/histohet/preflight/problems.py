"""What is wrong with the sheets, row by row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields

import pandas as pd

from histohet.clinical.table import ClinicalTable
from histohet.preflight.outlook import REFUSED, Outlook
from histohet.slides.identity import same_files
from histohet.slides.sheet import SlideSheet


@dataclass(frozen=True)
class Problem:
    """Something wrong with a row of a sheet, and what becomes of the row."""

    sheet: str
    row: int
    subject: str
    problem: str
    consequence: str

    def __str__(self) -> str:
        return f"{self.sheet}, row {self.row}: {self.subject}: {self.problem}"


def list_problems(
    outlooks: Sequence[Outlook], sheet: SlideSheet, name: str, clinical: ClinicalTable | None
) -> list[Problem]:
    """List what is wrong with the slides, and with the clinical rows of their patients.

    Of slides: those without a result, contradicted scales, what is unusual about files, files of
    several slides, patients not to be found.

    Parameters
    ----------
    outlooks
        Of every slide of the sheet.
    name
        The sheet as the user knows it (its path).
    clinical
        The clinical tables, or None if the run has none.
    """
    problems = []
    patients = None if clinical is None else set(clinical.frame["patient"])
    for outlook in outlooks:
        record = outlook.record
        row = sheet.slides[record.slide]
        # Of an id that comes again, the row to look at is the one that repeats it.
        number = sheet.duplicates.get(record.slide, (row.row,))[-1]
        if not record.outcome.ok:
            problems.append(Problem(name, number, record.slide, record.reason, outlook.consequence))
        if record.conflicts and outlook.consequence != REFUSED:
            used = f"{record.mpp:.4g} µm per pixel are used ({record.mpp_source})"
            problems.append(Problem(name, number, record.slide, record.conflicts, used))
        if record.notes:
            problems.append(Problem(name, number, record.slide, record.notes, "used all the same"))
        if patients is not None and row.patient not in patients:
            problem = f"patient '{row.patient}' has no usable row in the clinical tables"
            consequence = "measured, but not in the survival analysis"
            problems.append(Problem(name, row.row, record.slide, problem, consequence))
    problems += [
        Problem(
            name,
            again.row.row,
            again.row.slide,
            again.problem,
            "both are used",
        )
        for again in same_files(sheet.slides.values())
    ]
    if clinical is not None:
        problems += _problems_of_rows(clinical, {row.patient for row in sheet.slides.values()})
    return problems


def _problems_of_rows(clinical: ClinicalTable, patients: Collection[str]) -> list[Problem]:
    """List what is wrong with the clinical rows of `patients`, and with whole clinical tables."""
    found = clinical.problems
    return [
        Problem(
            row["table"],
            int(row["row"]),
            row["patient"],
            _cell(row) + row["problem"],
            row["consequence"],
        )
        for _, row in found[found["patient"].isin({*patients, ""})].iterrows()
    ]


def _cell(row: pd.Series) -> str:
    """Name what a clinical problem is about: a cell, a column, or the whole table."""
    if row["patient"] or row["value"]:
        return f"{row['column']} '{row['value']}': "
    return f"{row['column']}: " if row["column"] else ""


def problem_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """Return one row per problem."""
    columns = [field.name for field in fields(Problem)]
    return pd.DataFrame([asdict(problem) for problem in problems], columns=columns)
