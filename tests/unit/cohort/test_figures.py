"""The drawn flow: every count and reason is in it, inside its box, and boxes do not overlap."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from histohet.cohort.figures import draw_flow
from histohet.cohort.select import FLOW_COLUMNS

COLUMN = "American Joint Committee on Cancer Metastasis Stage Code"
STEPS = [
    ("step", "slides in the sheet", 440, 430, None, 0, 0, ""),
    (
        "step",
        "measured",
        434,
        426,
        None,
        6,
        4,
        "no slide measured (n = 4); slides: no_tissue (n = 6)",
    ),
    ("step", "one score per patient (first)", 426, 426, None, 8, 0, ""),
    (
        "step",
        f"{COLUMN}: M0",
        401,
        401,
        None,
        25,
        25,
        f"{COLUMN}: MX (n = 12); {COLUMN}: M1 (n = 13)",
    ),
    ("step", "type: x", 381, 381, None, 20, 20, "; ".join(f"type: {i} (n = 1)" for i in range(20))),
    ("step", "analysed", 381, 381, None, 0, 0, ""),
]
GROUPS = [
    ("group", "low", None, 100, None, None, None, "n_clusters ≤ 3"),
    ("group", "middle", None, 200, None, None, None, "between 3 and 9"),
    ("group", "high", None, 81, None, None, None, "n_clusters > 9"),
]
ENDPOINTS = [
    ("endpoint", "OS", None, 380, 1, None, 1, "time or event not known"),
    ("endpoint", "DSS", None, 370, 65, None, 11, "time or event not known"),
]


def drawn(*rows: tuple[object, ...]) -> tuple[Figure, list[str]]:
    figure = draw_flow(pd.DataFrame(rows, columns=list(FLOW_COLUMNS)), title="Analysis a")
    figure.draw_without_rendering()
    return figure, [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_counts_and_reasons_are_shown() -> None:
    figure, texts = drawn(*STEPS, *GROUPS, *ENDPOINTS)
    for wanted in (
        *("430 patients, 440 slides", "− 4 patients, 6 slides", "− 0 patients, 8 slides"),
        *("no slide measured (n = 4)", "slides: no_tissue (n = 6)", "100 patients"),
        *("n_clusters ≤ 3", "OS known", "380 patients", "1 event", "65 events"),
    ):
        assert wanted in texts
    assert "type: 6 (n = 1)" in texts
    assert "and 13 other reasons" in texts
    assert "type: 7 (n = 1)" not in texts
    assert figure.get_suptitle() == "Analysis a"


@pytest.mark.parametrize(
    "rows",
    [
        [*STEPS, *GROUPS, *ENDPOINTS],
        [*STEPS, GROUPS[0], GROUPS[2], *ENDPOINTS],
        [*STEPS, *ENDPOINTS],
        STEPS[-1:],
    ],
)
def test_texts_lie_in_their_boxes_and_boxes_apart(rows: list[tuple[object, ...]]) -> None:
    figure, _ = drawn(*rows)
    boxes = [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle)
    ]
    assert len(boxes) >= len(rows)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        if text.get_text():
            inside = [
                box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0
                for box in boxes
                if box.y0 <= extent.y0 and extent.y1 <= box.y1
            ]
            assert any(inside), text.get_text()
