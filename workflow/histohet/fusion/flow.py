"""Who is analysed and who is not: from scans and clinical tables to patients, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from histohet.cohort import select
from histohet.common.arrays import Bools
from histohet.fusion.competing_risks import COMPETING, EVENT

COLUMNS = ("kind", "step", "left", "lost", "why", "who")

SCANS, STEP, BLOCK, OUTCOME = "scans", "step", "block", "outcome"
"""Kinds of rows: scans or slides of a table, patients of the clinical tables, those who have a
block, and how the follow-up of those who are analysed ended."""

Rows = list[dict[str, object]]


def step(kind: str, name: str, ids: Iterable[str], kept: Bools, why: Mapping[str, str]) -> Rows:
    """Return what one step leaves, a row for each kind of reason.

    Parameters
    ----------
    kind, name
        Of the step.
    ids
        Scans or patients before it, n of them.
    kept
        Who stays, (n,).
    why
        Why the others do not, by id. Reasons that differ in their numbers alone are of one kind.
    """
    gone: dict[str, dict[str, str]] = {}
    for one in np.array(list(ids), dtype=object)[~kept]:
        reason = why[one]
        gone.setdefault(re.sub(r"\d[\d,.]*", "…", reason), {})[str(one)] = reason
    left = int(kept.sum())
    if not gone:
        return [_row(kind, name, left)]
    return [_row(kind, name, left, reasons) for reasons in gone.values()]


def _row(
    kind: str, name: str, left: int, reasons: Mapping[str, str] | None = None
) -> dict[str, object]:
    reasons = reasons or {}
    texts = set(reasons.values())
    if len(texts) > 1:
        who = "; ".join(f"{one}: {reason}" for one, reason in reasons.items())
        why = re.sub(r"\d[\d,.]*", "…", next(iter(texts)))
    else:
        who, why = ", ".join(reasons), next(iter(texts), "")
    return dict(zip(COLUMNS, (kind, name, left, len(reasons), why, who), strict=True))


def outcomes(endpoint: str, state: pd.Series[int]) -> Rows:
    """Return how many had the event, the competing one, and neither."""
    counts = {
        endpoint: int((state == EVENT).sum()),
        "competing event": int((state == COMPETING).sum()),
    }
    counts["neither"] = len(state) - sum(counts.values())
    return [_row(OUTCOME, name, n) for name, n in counts.items()]


def to_draw(flow: pd.DataFrame) -> pd.DataFrame:
    """Return a flow as `histohet.cohort.figures.draw_flow` draws it.

    Parameters
    ----------
    flow
        `COLUMNS`.

    Returns
    -------
    DataFrame
        `histohet.cohort.select.FLOW_COLUMNS`: the steps, a group for each block, and outcomes.
    """
    kinds = {STEP: select.STEP, BLOCK: select.GROUP, OUTCOME: select.ENDPOINT}
    scans: dict[str, pd.DataFrame] = {}
    rows: Rows = []
    for (kind, of), part in flow.groupby(["kind", "step"], sort=False):
        name, why = str(of), _reasons(part)
        if kind == SCANS:
            scans[name] = part
            continue
        if kind == BLOCK:
            why = [*_of_table(scans[name], part), *why] if name in scans else why
            name = f"has {name}"
        left, lost = int(part["left"].iloc[0]), int(part["lost"].sum())
        row = {"kind": kinds[str(kind)], "step": name, "patients": left, "lost": lost}
        rows.append(row | {"why": "; ".join(why)})
    analysed = [row for row in rows if row["kind"] == select.STEP]
    if analysed:
        analysed[-1]["step"] = f"analysed: {analysed[-1]['step']}"
    numbers = dict.fromkeys(("slides", "patients", "events", "lost_slides", "lost"), "Int64")
    return pd.DataFrame(rows, columns=list(select.FLOW_COLUMNS)).astype(numbers)


def _reasons(part: pd.DataFrame) -> list[str]:
    counted = part.loc[part["lost"] > 0, ["why", "lost"]].to_numpy()
    return [f"{why} (n = {n})" for why, n in counted]


def _of_table(scans: pd.DataFrame, block: pd.DataFrame) -> list[str]:
    """Say how many scans are usable, and why not where no patient lacks the block for it."""
    left, total = scans["left"].iloc[0], scans["left"].iloc[0] + scans["lost"].sum()
    others = _reasons(scans[~scans["why"].isin(block["why"])])
    return [f"{left} of {total} in its table usable", *others]
