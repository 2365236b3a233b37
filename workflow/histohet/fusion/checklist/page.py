"""Checklists with their answers: TRIPOD+AI, CLEAR, METRICS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from histohet.common.resources import read_resource
from histohet.fusion.checklist import of_models, of_patients, of_scans
from histohet.fusion.checklist.run import Run

Answer = Callable[[Run], str]

ANSWERS: Mapping[str, Answer] = {
    name: answer
    for module in (of_patients, of_models, of_scans)
    for name, answer in vars(module).items()
    if getattr(answer, "__module__", "") == module.__name__ and not name.startswith("_")
}
"""By the name that `resources/checklists.yaml` has for it."""

ANSWERED, PARTLY, OPEN = "answered", "partly", "open"
"""By the run; by the run but for what is yours; by you."""

COLUMNS = ("checklist", "item", "about", "status", "answer", "yours")


def read_checklists() -> list[dict[str, Any]]:
    """Return the checklists with their items."""
    checklists: list[dict[str, Any]] = read_resource("checklists")
    return checklists


def answered(run: Run) -> pd.DataFrame:
    """Return every item of every checklist, with what the run says to it.

    Returns
    -------
    DataFrame
        `COLUMNS`. Of an item that is `OPEN`, ``answer`` is empty; ``yours`` is what is left to the
        author.
    """
    known = {name: answer(run) for name, answer in ANSWERS.items()}
    rows = []
    for checklist in read_checklists():
        for item in checklist["items"]:
            answer, yours = known.get(item.get("answer", ""), ""), item.get("yours", "")
            status = (PARTLY if yours else ANSWERED) if answer else OPEN
            left = "all of it" if status == OPEN else yours
            row = (checklist["name"], item["item"], item["about"], status, answer, left)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sections(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables of the page by their headings: how many items are open, then all items."""
    counts = pd.crosstab(table["checklist"], table["status"]).reindex(
        index=table["checklist"].unique(), columns=[ANSWERED, PARTLY, OPEN], fill_value=0
    )
    sources = {one["name"]: one["source"] for one in read_checklists()}
    summary = counts.reset_index().assign(source=lambda rows: rows["checklist"].map(sources))
    shown = table.rename(columns={"yours": "open: yours to answer"})
    return {
        "Reporting checklists, answered from this run": summary,
        **{
            str(name): part.drop(columns="checklist")
            for name, part in shown.groupby("checklist", sort=False)
        },
    }
