"""The flow of patients from the sheet to the analysis, as CONSORT reports it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from histohet.clinical.join import endpoints_of
from histohet.cohort.analyses import AnalysisSpec
from histohet.cohort.groups import group_limits
from histohet.cohort.select import Cohort, of_endpoint
from histohet.common.outcome import Status

FLOW_COLUMNS = ("kind", "step", "slides", "patients", "events", "lost_slides", "lost", "why")

STEP, GROUP, ENDPOINT = "step", "group", "endpoint"


def flow_table(cohort: Cohort, slides: pd.DataFrame, spec: AnalysisSpec) -> pd.DataFrame:
    """Return how many slides and patients each step left, and how many each reason cost.

    Parameters
    ----------
    cohort, slides, spec
        The analysis, the slides it began with, and its specification.

    Returns
    -------
    DataFrame
        `FLOW_COLUMNS`. Rows of kind ``step``, the last being the patients that are analysed:
        ``slides`` and ``patients`` left, ``lost_slides`` and ``lost`` patients against the row
        above, ``why`` ("reason (n = patients); …", of the measuring also slides). Then one row
        per ``group``, and one per ``endpoint``: patients of whom it is known, their events, and the
        patients it is not known of.
    """
    rows: list[dict[str, object]] = []
    for before, step in zip((None, *cohort.steps), cohort.steps, strict=False):
        why = _counts(step.lost)
        if len(rows) == 1:
            why = "; ".join(filter(None, (why, _unmeasured(slides, spec.score))))
        rows.append(
            {
                "kind": STEP,
                "step": step.name,
                "slides": step.slides,
                "patients": step.patients,
                "lost_slides": before.slides - step.slides if before else 0,
                "lost": before.patients - step.patients if before else 0,
                "why": why,
            }
        )
    analysed = cohort.patients[cohort.patients["analysed"]]
    low_at_most, high_above = group_limits(analysed["score"], spec.grouping)
    meanings = {
        "low": f"{spec.score} ≤ {low_at_most:.4g}",
        "middle": f"between {low_at_most:.4g} and {high_above:.4g}",
        "high": f"{spec.score} > {high_above:.4g}",
    }
    for group, meaning in meanings.items():
        size = int((analysed["group"] == group).sum())
        if not np.isnan(low_at_most) and (size or group != "middle"):
            rows.append({"kind": GROUP, "step": group, "patients": size, "why": meaning})
    for name in endpoints_of(cohort.patients):
        known = of_endpoint(cohort.patients, name)
        rows.append(
            {
                "kind": ENDPOINT,
                "step": name,
                "patients": len(known),
                "events": int(known["event"].sum()),
                "lost": len(analysed) - len(known),
                "why": "time or event not known" if len(known) < len(analysed) else "",
            }
        )
    numbers = dict.fromkeys(("slides", "patients", "events", "lost_slides", "lost"), "Int64")
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS)).astype(numbers)


def _unmeasured(slides: pd.DataFrame, score: str) -> str:
    """Return how many slides have no score, by how far they came."""
    status = slides["status"].astype(str)
    status = status.mask((status == Status.OK) & slides[score].isna(), "no score")
    lost = status[status != Status.OK].value_counts(sort=False)
    counted = _counts({str(name): int(count) for name, count in lost.items()})
    return f"slides: {counted}".replace("; ", ", ") if counted else ""


def _counts(lost: dict[str, int]) -> str:
    return "; ".join(f"{why} (n = {count})" for why, count in lost.items())
