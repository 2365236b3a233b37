"""The cohort: who is analysed, with which score, in which group, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd

from histohet.clinical import COHORT_COLUMNS, ClinicalTable
from histohet.covariates import Covariate
from histohet.outcome import Status

How = Literal["first", "max", "mean"]
Rule = Literal["quartiles", "median", "cut"]


def patient_scores(slides: pd.DataFrame, how: How, score: str) -> pd.DataFrame:
    """Bring the scores of the slides to one row per patient.

    Only slides with status ``ok`` and a score take part: ``first`` in the order of the sheet (the
    paper's DX1 when the sheet lists it first), the ``max`` or the ``mean``.

    Parameters
    ----------
    slides
        One row per slide: ``slide``, ``patient``, ``status``, ``reason`` and the column `score`.
    how
        Rule for patients with several slides.
    score
        Name of the score's column.

    Returns
    -------
    DataFrame
        ``patient``, ``slide`` (the slide or slides behind the score), ``n_slides``, ``n_scored``,
        ``score`` (NaN without), ``reason`` (why there is none), in the order of the sheet.

    Raises
    ------
    ValueError
        If a column or a patient is missing, a slide is listed twice, or `how` is unknown.
    """
    if how not in get_args(How):
        raise ValueError(f"'{how}' is not a rule for several slides: {' | '.join(get_args(How))}")
    wanted = ["slide", "patient", "status", "reason", score]
    absent = [column for column in wanted if column not in slides.columns]
    if absent:
        raise ValueError(f"the slide table has no column {', '.join(map(repr, absent))}")
    twice = slides["slide"][slides["slide"].duplicated()]
    if len(twice):
        raise ValueError(f"slide '{twice.iloc[0]}' is listed twice")
    if slides["patient"].isna().any():
        nameless = slides.loc[slides["patient"].isna(), "slide"].iloc[0]
        raise ValueError(f"slide '{nameless}' has no patient")
    table = slides[wanted].rename(columns={score: "score"}).fillna({"reason": ""})
    table = table.astype({"slide": str, "patient": str, "score": float}).reset_index(drop=True)
    usable = (table["status"] == Status.OK) & table["score"].notna()
    found = _combine(table[usable], how).reindex(table["patient"].unique())
    without = table[table["patient"].isin(found.index[found["score"].isna()])]
    whose = without["patient"]
    reasons = without["slide"] + ": " + without["reason"].replace("", "no score")
    patients = pd.DataFrame(
        {
            "slide": found["slide"].fillna(without["slide"].groupby(whose).agg(", ".join)),
            "n_slides": table.groupby("patient").size(),
            "n_scored": usable.groupby(table["patient"]).sum(),
            "score": found["score"],
            "reason": "no score (" + reasons.groupby(whose).agg("; ".join) + ")",
        },
        index=found.index,
    )
    return patients.fillna({"reason": ""}).reset_index(names="patient")


def _combine(scored: pd.DataFrame, how: How) -> pd.DataFrame:
    """Return slide and score per patient, indexed by patient, from slides that have a score."""
    by_patient = scored.groupby("patient", sort=False)
    if how == "mean":
        return by_patient.agg(slide=("slide", ", ".join), score=("score", "mean"))
    if how == "max":
        scored = scored.loc[by_patient["score"].idxmax()]
    return scored.drop_duplicates("patient").set_index("patient")[["slide", "score"]]


@dataclass(frozen=True)
class Grouping:
    """How a score splits the patients into low and high.

    ``quartiles``: low at or below the 25th percentile, high above the 75th, the middle half left
    out (METHODS §1). ``median``: low at or below the median, high above. ``cut``: low at or below
    the given value, high above. Percentiles interpolate linearly between order statistics (numpy's
    ``linear``, R's type 7) over the patients that are analysed.

    Raises
    ------
    ValueError
        If the rule is unknown or a cut has no finite value.
    """

    how: Rule
    value: float | None = None

    def __post_init__(self) -> None:
        if self.how not in get_args(Rule):
            raise ValueError(f"grouping '{self.how}' is not one of {' | '.join(get_args(Rule))}")
        if (self.how == "cut") != (self.value is not None and bool(np.isfinite(self.value))):
            raise ValueError("grouping 'cut', and it alone, needs a finite value: {cut: 0.5}")

    @classmethod
    def from_config(cls, config: str | Mapping[str, Any]) -> Self:
        """Read ``quartiles``, ``median`` or ``{cut: value}``."""
        if isinstance(config, str):
            return cls(config)  # type: ignore[arg-type]  # checked when it is built
        if set(config) != {"cut"}:
            raise ValueError(f"grouping {dict(config)}: write quartiles, median or {{cut: 0.5}}")
        return cls("cut", float(config["cut"]))

    def limits(self, score: pd.Series[float]) -> tuple[float, float]:
        """Return the largest score that is low and the score above which it is high.

        NaN, NaN without any score.
        """
        if self.value is not None:
            return self.value, self.value
        known = score.dropna()
        if known.empty:
            return np.nan, np.nan
        percentiles = (25, 75) if self.how == "quartiles" else (50, 50)
        low_at_most, high_above = np.percentile(known, percentiles)
        return float(low_at_most), float(high_above)


def assign_groups(score: pd.Series[float], grouping: Grouping) -> pd.Series[Any]:
    """Return ``low``, ``high`` or ``middle`` for every score, NaN where there is none.

    Ties stay together, so groups of a small integer score can be of unequal size or empty.
    """
    low_at_most, high_above = grouping.limits(score)
    middle = pd.Series("middle", index=score.index, dtype=object)
    groups = middle.mask(score <= low_at_most, "low").mask(score > high_above, "high")
    return groups.mask(score.isna(), np.nan)


def build_cohort(scores: pd.DataFrame, clinical: ClinicalTable, grouping: Grouping) -> pd.DataFrame:
    """Join the scores with the clinical table, whatever became of each patient.

    Parameters
    ----------
    scores
        From `patient_scores`.
    clinical
        From `read_clinical`.
    grouping
        Applied to the patients that are analysed.

    Returns
    -------
    DataFrame
        One row per patient with a slide: the columns `COHORT_COLUMNS` and one per covariate.
        ``analysed`` patients have a score, a time and an event; the others a sentence in
        ``excluded_because``. Patients between the groups are analysed, with group ``middle``.

    Raises
    ------
    ValueError
        If a patient has several rows in `scores`.
    """
    cohort = scores.drop(columns="reason").merge(
        clinical.frame, on="patient", how="left", validate="one_to_one"
    )
    exclusions = clinical.exclusions()
    cohort["excluded_because"] = [
        _why_excluded(patient, reason, exclusions, known)
        for patient, reason, known in zip(
            scores["patient"], scores["reason"], cohort["time_months"].notna(), strict=True
        )
    ]
    cohort["analysed"] = cohort["excluded_because"] == ""
    cohort["group"] = assign_groups(cohort["score"].where(cohort["analysed"]), grouping)
    covariates = [covariate.name for covariate in clinical.spec.covariates]
    return cohort[[*COHORT_COLUMNS, *covariates]]


def read_cohort(path: str | Path, covariates: Sequence[Covariate]) -> pd.DataFrame:
    """Read a cohort table back from TSV, with every column in the type `build_cohort` gave it.

    Levels of a categorical covariate stay text, though they may look like numbers.
    """
    text = {covariate.name for covariate in covariates if covariate.kind == "categorical"}
    text |= {"patient", "slide", "group", "excluded_because"}
    cohort = pd.read_csv(
        path, sep="\t", dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""]
    )
    return cohort.fillna({"excluded_because": ""}).astype({"analysed": bool})


def _why_excluded(
    patient: str, no_score: str, exclusions: Mapping[str, str], has_outcome: bool
) -> str:
    reasons = [no_score] if no_score else []
    if not has_outcome:
        reasons.append(exclusions.get(patient, "no row in the clinical table"))
    return "; ".join(reasons)
