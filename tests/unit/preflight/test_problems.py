from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.featurefiles import write_clam
from helpers.lattices import lattice
from helpers.slidechecks import check
from helpers.slidefiles import gradient, write_aperio, write_plain
from histohet.clinical.problems import PROBLEM_COLUMNS
from histohet.clinical.table import ClinicalTable
from histohet.preflight.outlook import Outlook
from histohet.preflight.problems import Problem, list_problems
from histohet.slides.sheet import read_slide_sheet


def problems_of(path: Path, patients: set[str] | None) -> list[Problem]:
    sheet = read_slide_sheet(path)
    records = [
        check(row, duplicate_rows=sheet.duplicates.get(slide, ()))
        for slide, row in sheet.slides.items()
    ]
    outlooks = [Outlook(one, "" if one.outcome.ok else "refused") for one in records]
    clinical = None
    if patients is not None:
        nothing = pd.DataFrame(columns=list(PROBLEM_COLUMNS))
        clinical = ClinicalTable(pd.DataFrame({"patient": sorted(patients)}), nothing)
    return list_problems(outlooks, sheet, "slides.tsv", clinical)


def test_problems_of_the_sheet(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(
        f"slide\tpatient\tpath\na\tp1\t{path}\nb\tp2\t{tmp_path / 'b.svs'}\na\tp1\t{path}\n"
    )
    problems = problems_of(sheet, {"p1"})
    assert [(p.subject, p.row) for p in problems] == [("a", 4), ("b", 3), ("b", 3)]
    assert "rows 2, 4" in problems[0].problem
    assert "does not exist" in problems[1].problem
    assert "no usable row in the clinical table" in problems[2].problem
    assert problems_of(sheet, None)[-1].problem.endswith("not exist")


def test_problems_of_clinical_tables_are_those_of_the_patients_and_of_whole_tables(
    tmp_path: Path,
) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    (tmp_path / "slides.tsv").write_text(f"slide\tpatient\tpath\tmpp\na\tp1\t{path}\t0.5\n")
    found = [
        ("c.tsv", 1, "", "", "", "one table alone", "used as they are"),
        ("c.tsv", 1, "", "stage", "", "levels are 'I' (2)", "used as they are"),
        ("c.tsv", 2, "p1", "OS", "", "time missing", "left out of OS"),
        ("c.tsv", 3, "p2", "OS", "x", "not a number", "left out of OS"),
    ]
    sheet = read_slide_sheet(tmp_path / "slides.tsv")
    frame = pd.DataFrame({"patient": ["p1", "p2"]})
    clinical = ClinicalTable(frame, pd.DataFrame(found, columns=list(PROBLEM_COLUMNS)))
    outlooks = [Outlook(check(row)) for row in sheet.slides.values()]
    listed = list_problems(outlooks, sheet, "slides.tsv", clinical)
    assert [one.problem for one in listed if one.sheet == "c.tsv"] == [
        "one table alone",
        "stage: levels are 'I' (2)",
        "OS '': time missing",
    ]


def test_refusals_and_conflicts_are_listed_with_their_rows(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    others = [write_aperio(tmp_path / f"{n}.svs", gradient(300, n), 0.5, 20) for n in (210, 220)]
    text = f"slide\tpath\tmpp\na\t{path}\t0.5\nb\t{others[0]}\t0.25\nc\t{others[1]}\t0,5\n"
    (tmp_path / "slides.tsv").write_text(text)
    found = problems_of(tmp_path / "slides.tsv", None)
    assert [(p.row, p.subject) for p in found] == [(3, "b"), (4, "c")]
    assert found[0].consequence == "0.5 µm per pixel are used (file)"
    assert "mpp '0,5' in the sheet is not a positive number" in found[1].problem
    assert found[1].consequence == "refused"


def test_what_is_unusual_about_features_is_a_problem_but_no_refusal(tmp_path: Path) -> None:
    grid = lattice(4, 3, 224)
    twice = np.concatenate([grid, grid[:1]])
    clam, patches = write_clam(tmp_path, "c", np.ones((13, 3)), twice, patch_size=224)
    text = f"slide\tmpp\tfeatures\ttiles\na\t0.5\t{clam}\t{patches}\n"
    (tmp_path / "slides.tsv").write_text(text)
    found = problems_of(tmp_path / "slides.tsv", None)
    assert [(p.row, p.subject, p.consequence) for p in found] == [(2, "a", "used all the same")]
    assert found[0].problem.startswith("1 of 13 tiles stand twice")
