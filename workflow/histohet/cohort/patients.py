"""From slides to patients: one score per patient, chosen without a look at the score."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import get_args

import numpy as np
import pandas as pd

from histohet.cohort.settings import How
from histohet.common.outcome import Status

_DIAGNOSTIC = re.compile(r"-DX(\d+)(?!\d)")
"""TCGA's diagnostic slides: ``-01Z-00-DX1``."""

_FIRST_DIAGNOSTIC = re.compile(r"-01Z-00-DX1(?!\d)")

NOT_MEASURED = "no slide measured"
NO_DIAGNOSTIC = "no diagnostic slide (DX)"
DIAGNOSTIC_NOT_MEASURED = "first diagnostic slide not measured"


def patient_scores(
    slides: pd.DataFrame, how: How, score: str, trim: str | None = None
) -> pd.DataFrame:
    """Bring the scores of the slides to one row per patient.

    Only slides with status ``ok`` and a score can give one. ``first``: the first of them in the
    order of the sheet. ``max``, ``mean``: over all of them. ``first_diagnostic``: TCGA's slide
    ``-01Z-00-DX1``, or without it that with the lowest DX, by the slide's id alone: if that slide
    has no score, neither has the patient.

    Parameters
    ----------
    slides
        One row per slide: ``slide``, ``patient``, ``status``, ``reason``, ``n_tiles`` and the
        columns `score` and `trim`.
    how
        Rule for patients with several slides.
    score
        Name of the score's column.
    trim
        Name of the measure by which patients are trimmed.

    Returns
    -------
    DataFrame
        One row per patient, in the order of the sheet: ``patient``, ``slide`` (the slide or slides
        behind the score), ``n_slides``, ``n_scored`` (those that could give a score), ``n_used``
        (those that did), ``score`` (NaN without), ``n_tiles`` (tiles behind it, added up; Int64),
        ``trim_by`` (the measure, chosen or averaged as the score is), ``without`` (why there is no
        score, "" if there is one) and ``reason`` (the slides' own reasons for that).

    Raises
    ------
    ValueError
        If a column or a patient is missing, a slide is listed twice, or `how` is unknown.
    """
    _check(slides, how, ["slide", "patient", "status", "reason", "n_tiles", score, trim or score])
    table = pd.DataFrame(
        {
            "slide": slides["slide"].astype(str),
            "patient": slides["patient"].astype(str),
            "status": slides["status"],
            "reason": slides["reason"].fillna(""),
            "score": slides[score].astype(float),
            "n_tiles": slides["n_tiles"].astype(float),
            "trim_by": slides[trim or score].astype(float),
        }
    ).reset_index(drop=True)
    table["usable"] = (table["status"] == Status.OK) & table["score"].notna()
    by_patient = table.groupby("patient", sort=False)
    usable = table[table["usable"]]
    patients = pd.DataFrame({"n_slides": by_patient.size(), "n_scored": by_patient["usable"].sum()})
    if how == "first_diagnostic":
        diagnostic = _first_diagnostic(table)
        used = diagnostic[diagnostic["usable"]]
        without = pd.Series(DIAGNOSTIC_NOT_MEASURED, index=patients.index)
        without = without.where(patients.index.isin(diagnostic["patient"]), NO_DIAGNOSTIC)
    else:
        used = usable.loc[usable.groupby("patient")["score"].idxmax()] if how == "max" else usable
        used = used if how == "mean" else used.drop_duplicates("patient")
        without = pd.Series(NOT_MEASURED, index=patients.index)
    without = without.where(patients["n_scored"] > 0, NOT_MEASURED)
    found = used.groupby("patient", sort=False)
    lacking = table[~table["patient"].isin(used["patient"])]
    said = lacking["reason"].where(~lacking["usable"], "has a score")
    said = lacking["slide"] + ": " + said.replace("", "no score")
    patients = patients.assign(
        slide=_joined(used["slide"], used["patient"], ", "),
        n_used=found.size(),
        score=found["score"].mean(),
        n_tiles=found["n_tiles"].sum().astype("Int64"),
        trim_by=found["trim_by"].mean(),
        without=without.where(~patients.index.isin(used["patient"]), ""),
        reason=_joined(said, lacking["patient"], "; "),
    )
    patients["slide"] = patients["slide"].fillna(
        _joined(lacking["slide"], lacking["patient"], ", ")
    )
    patients = patients.fillna({"n_used": 0, "reason": ""}).astype({"n_used": int})
    return patients.reset_index(names="patient")


def _check(slides: pd.DataFrame, how: str, wanted: list[str]) -> None:
    if how not in get_args(How):
        raise ValueError(f"'{how}' is not a rule for several slides: {' | '.join(get_args(How))}")
    absent = [column for column in dict.fromkeys(wanted) if column not in slides.columns]
    if absent:
        raise ValueError(f"the slide table has no column {', '.join(map(repr, absent))}")
    twice = slides["slide"][slides["slide"].duplicated()]
    if len(twice):
        raise ValueError(f"slide '{twice.iloc[0]}' is listed twice")
    if slides["patient"].isna().any():
        nameless = slides.loc[slides["patient"].isna(), "slide"].iloc[0]
        raise ValueError(f"slide '{nameless}' has no patient")


def _joined(texts: pd.Series[str], patients: pd.Series[str], separator: str) -> pd.Series[str]:
    """Return the texts of each patient as one (pandas' own way takes a second for 10,000)."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for patient, text in zip(patients, texts, strict=True):
        found[patient].append(text)
    return pd.Series({who: separator.join(each) for who, each in found.items()}, dtype=object)


def _first_diagnostic(table: pd.DataFrame) -> pd.DataFrame:
    """Return one diagnostic slide of each patient that has any, by the ids alone."""
    number = [_diagnostic_number(slide) for slide in table["slide"]]
    ranked = table.assign(number=number).dropna(subset="number")
    return ranked.sort_values("number", kind="stable").drop_duplicates("patient")


def _diagnostic_number(slide: str) -> float:
    """Return 0 for TCGA's DX1, n for another DXn, NaN for what is no diagnostic slide."""
    if _FIRST_DIAGNOSTIC.search(slide):
        return 0.0
    found = _DIAGNOSTIC.search(slide)
    return float(found[1]) if found else np.nan
