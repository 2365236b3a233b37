"""Clinical tables that have nothing in common with slides and configuration: the run stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain

OS = {"time": "months", "unit": "months", "event": "dead", "events": [1], "censored": [0]}
TABLE = {"table": "clinical.csv", "patient": "id", "endpoints": {"OS": OS}}
ROWS = "id,months,dead,stage\nTCGA-A,10.5,1.0,I\nTCGA-B,20.0,0.0,II\n"

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "patients": (
        "a-01,b-01",
        {},
        "the slide sheet has 'a-01', 'b-01', the tables have 'TCGA-A', 'TCGA-B'; spell them alike",
    ),
    "status": (
        "TCGA-A,TCGA-B",
        {"clinical": [TABLE | {"endpoints": {"OS": OS | {"events": ["Dead"]}}}]},
        "no row has a code of 'events' of OS, 'Dead': column 'dead' has '1' (1), '0' (1)",
    ),
    "condition": (
        "TCGA-A,TCGA-B",
        {"analyses": [{"name": "main", "where": {"stage": ["Stage I"]}}]},
        "no row has 'Stage I' in column 'stage', which has 'I' (1), 'II' (1)",
    ),
    "format": (
        "TCGA-A,TCGA-B",
        {"clinical": [{"table": "clinical.csv", "format": "tcga_cdr"}]},
        "clinical.csv does not fit format 'tcga_cdr': it has no column 'bcr_patient_barcode'",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_preflight_stops_with_both_spellings(tmp_path: Path, case: str) -> None:
    patients, changes, message = CASES[case]
    write_plain(tmp_path / "a.png", gradient(50, 50))
    rows = [f"s{n}\t{who}\ta.png\t0.5\n" for n, who in enumerate(patients.split(","))]
    (tmp_path / "slides.tsv").write_text("slide\tpatient\tpath\tmpp\n" + "".join(rows))
    (tmp_path / "clinical.csv").write_text(ROWS)
    config = {"slides": "slides.tsv", "clinical": [TABLE], "analyses": [{"name": "main"}]}
    cohort = Cohort(tmp_path, ROOT / "workflow", config)
    finished = cohort.snakemake("--cores", "1", "preflight", **changes)
    assert finished.returncode != 0
    assert message in finished.stdout + finished.stderr
