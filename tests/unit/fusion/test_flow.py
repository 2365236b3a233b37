"""The flow of a fusion: reasons of one kind together, everybody named, and how it is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.figures import texts
from histohet.cohort.figures import draw_flow
from histohet.fusion.flow import BLOCK, COLUMNS, SCANS, STEP, outcomes, step, to_draw

WHY = {
    "a": "event 12 days before the scan",
    "b": "region: 41 voxels at 2 mm, at least 100 are needed",
    "c": "event 3 days before the scan",
}
KEPT = np.array([False, False, False, True])


def rows_of(kind: str = BLOCK, name: str = "ct") -> list[dict[str, object]]:
    return step(kind, name, "abcd", KEPT, WHY)


def test_reasons_that_differ_in_numbers_are_of_one_kind_and_everybody_is_named() -> None:
    late, small = rows_of()
    assert (late["left"], late["lost"], late["why"]) == (1, 2, "event … days before the scan")
    assert late["who"] == "a: event 12 days before the scan; c: event 3 days before the scan"
    assert (small["lost"], small["why"], small["who"]) == (1, WHY["b"], "b")
    (nobody,) = step(STEP, "known", "ab", np.array([True, True]), {})
    assert list(nobody.values()) == [STEP, "known", 2, 0, "", ""]


def flow() -> pd.DataFrame:
    rows = [
        *step(SCANS, "ct", "xyz", np.array([True, True, False]), {"z": "ct: 4 dimensions"}),
        *step(STEP, "clinical tables", "abcdef", np.ones(6, bool), {}),
        *step(STEP, "LM known", "abcdef", np.array([*KEPT, True, True]), dict.fromkeys("abc", "?")),
        *rows_of(),
        *outcomes("LM", pd.Series([1, 1, 2])),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_it_is_drawn_as_steps_blocks_and_outcomes() -> None:
    drawn = to_draw(flow())
    assert drawn["kind"].tolist() == ["step", "step", "group", *["endpoint"] * 3]
    assert drawn["patients"].tolist() == [6, 3, 1, 2, 1, 0]
    assert drawn["lost"].tolist()[:3] == [0, 3, 3]
    said = " ".join(texts(draw_flow(drawn, title="Risk of LM")).split())
    for words in (
        "− 3 patients",
        "has ct 2 of 3 in its table usable ct: 4 dimensions (n = 1)",
        "(n = 1) event … days before the scan (n = 2)",
        "LM 2 patients",
        "competing event 1 patient",
        "neither 0 patients",
    ):
        assert words in said
    assert "slide" not in said


def test_a_refused_scan_that_costs_a_patient_is_drawn_once() -> None:
    refused = {"z": WHY["b"], "y": "ct: 4 dimensions"}
    scans = step(SCANS, "ct", "xyz", np.array([True, False, False]), refused)
    (why,) = to_draw(pd.DataFrame([*scans, *rows_of()], columns=list(COLUMNS)))["why"]
    assert why.split("; ") == [
        "1 of 3 in its table usable",
        "ct: 4 dimensions (n = 1)",
        "event … days before the scan (n = 2)",
        f"{WHY['b']} (n = 1)",
    ]
