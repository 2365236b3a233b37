"""The cohort of an analysis: who is analysed, with which score, in which group, and who is not.

Groups are formed before any outcome is looked at. The flow of patients is reported as CONSORT does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from histohet.clinical.cells import is_missing
from histohet.clinical.covariates import EXCLUDES, read_covariate
from histohet.clinical.endpoints import endpoints_of, event_column, months_column
from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable
from histohet.cohort.patients import NOT_MEASURED, patient_scores
from histohet.cohort.settings import (
    N_POOLED,
    OF_TRAITS,
    PATIENT_COLUMNS,
    SLIDE_COUNT,
    AnalysisSettings,
    Cut,
    Grouping,
    TrimSettings,
    TwoCuts,
)
from histohet.common.outcome import Status, joined

NO_ROW = "no row in the clinical tables"
SEEN = "the trait models were trained on the patient"

PERCENTILES: Mapping[str, tuple[float, float]] = {"quartiles": (25, 75), "median": (50, 50)}

FLOW_COLUMNS = ("kind", "step", "slides", "patients", "events", "lost_slides", "lost", "why")

STEP, GROUP, ENDPOINT = "step", "group", "endpoint"

Exclusion = Callable[["pd.Series[bool]"], "pd.Series[str]"]
"""From who is left to the reason why each of them has to go, "" for who stays."""


@dataclass(frozen=True)
class Step:
    """What one step of the selection left.

    Attributes
    ----------
    name
        Which step.
    slides, patients
        How many are left; from one score per patient on, the slides behind the scores.
    lost
        How many patients each reason cost.
    """

    name: str
    slides: int
    patients: int
    lost: dict[str, int]


@dataclass(frozen=True)
class Cohort:
    """The patients of an analysis and how they were selected.

    Attributes
    ----------
    patients
        One row per patient with a slide, in the order of the sheet: `PATIENT_COLUMNS`, then
        ``E_months`` (float64, capped) and ``E_event`` (Int8) of every endpoint E, then every
        covariate under its name (float64, or level as text).
    steps
        From the sheet to those that are analysed.
    """

    patients: pd.DataFrame
    steps: tuple[Step, ...]


def build_cohort(slides: pd.DataFrame, clinical: ClinicalTable, spec: AnalysisSettings) -> Cohort:
    """Select the patients of an analysis and group them.

    A patient goes at the first step that it fails: a score, a clinical row, the conditions one
    after the other, the covariates, the trimming. Nothing here looks at times or events, so groups
    are the same whatever the outcome, and whether or not it is known.

    Parameters
    ----------
    slides
        One row per slide, see `patient_scores`.
    clinical
        Clinical data with the columns that the analysis asks for.
    spec
        The analysis.

    Raises
    ------
    ValueError
        If the clinical data lack an endpoint of the analysis, no row meets one of its conditions, a
        covariate has the name of an endpoint's column, or the slides cannot be used
        (`patient_scores`).
    """
    trim_by = spec.trim.measure if spec.trim else None
    scores = patient_scores(slides, spec.slides, spec.score, trim_by)
    # Beside the scores and not among them: clinical columns may have any name.
    rows = clinical.where(spec.where).reindex(scores["patient"]).set_index(scores.index)
    known = scores["patient"].isin(clinical.frame["patient"])
    no_row = pd.Series(NO_ROW, index=scores.index).mask(known, "")
    trained_on = scores["patient"].isin(_seen_by_models(slides, spec.score))
    seen = pd.Series("", index=scores.index).mask(trained_on, SEEN)
    excluded = pd.Series("", index=scores.index)
    steps = [Step("slides in the sheet", len(slides), len(scores), {})]
    for name, exclusion in _selection(spec, scores, rows, no_row, seen):
        reasons = exclusion(excluded == "")
        excluded.update(reasons)
        left = scores[excluded == ""]
        used = left["n_scored"] if len(steps) == 1 else left["n_used"]
        lost = reasons[reasons != ""].value_counts(sort=False)
        steps.append(
            Step(name, int(used.sum()), len(left), {str(why): int(n) for why, n in lost.items()})
        )
    analysed = excluded == ""
    steps.append(Step("analysed", steps[-1].slides, int(analysed.sum()), {}))
    patients = scores.assign(
        group=assign_groups(scores["score"].where(analysed), spec.grouping),
        analysed=analysed,
        excluded_because=_sentences(scores, excluded),
    )[list(PATIENT_COLUMNS)]
    endpoints = spec.endpoints_among(clinical.endpoints)
    covariates = {each.name: _read(rows, each)[0] for each in spec.covariates}
    if spec.slide_count:
        covariates[SLIDE_COUNT.name] = _slide_counts(slides, scores)
    outcomes = [_capped(rows, name, spec.max_months) for name in endpoints]
    patients = pd.concat([patients, *outcomes, pd.DataFrame(covariates)], axis="columns")
    twice = patients.columns[patients.columns.duplicated()]
    if len(twice):
        raise ValueError(f"analysis '{spec.name}': give covariate '{twice[0]}' another 'name'")
    return Cohort(patients, tuple(steps))


def of_endpoint(patients: pd.DataFrame, endpoint: str) -> pd.DataFrame:
    """Return what statistics take: analysed patients of whom the endpoint is known.

    Returns
    -------
    DataFrame
        ``patient``, ``score``, ``n_tiles`` (float64), ``group``, ``time_months`` (float64),
        ``event`` (bool), then the covariates.

    Raises
    ------
    ValueError
        If the table does not have the endpoint.
    """
    endpoints = endpoints_of(patients)
    if endpoint not in endpoints:
        raise ValueError(f"no endpoint '{endpoint}' in the cohort: {', '.join(endpoints)}")
    months, event = months_column(endpoint), event_column(endpoint)
    known = patients["analysed"] & patients[months].notna() & patients[event].notna()
    chosen = patients[known].reset_index(drop=True)
    outcomes = {column(name) for name in endpoints for column in (months_column, event_column)}
    covariates = [
        name for name in chosen.columns if name not in outcomes and name not in PATIENT_COLUMNS
    ]
    frame = chosen[["patient", "score", "n_tiles", "group"]].assign(
        n_tiles=chosen["n_tiles"].astype("Float64").astype(float),
        time_months=chosen[months],
        event=chosen[event].astype(bool),
    )
    return pd.concat([frame, chosen[covariates]], axis="columns")


def _selection(
    spec: AnalysisSettings,
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    no_row: pd.Series[str],
    seen: pd.Series[str],
) -> Iterator[tuple[str, Exclusion]]:
    """Yield the steps from the sheet to those that are analysed.

    All tables have one row per patient and the same index.
    """
    without = scores["without"]
    yield "measured", lambda left: without[left].where(without == NOT_MEASURED, "")
    yield f"one score per patient ({spec.slides.replace('_', ' ')})", lambda left: without[left]
    yield "clinical data", lambda left: no_row[left]
    if spec.among == "unseen":
        yield "not seen by the trait models", lambda left: seen[left]
    for column, values in spec.where.items():
        yield f"{column}: {', '.join(values)}", _condition(rows[column], values)
    if spec.covariates:
        yield "covariates", lambda left: _bad_covariate(rows[left], spec.covariates)
    if spec.trim is not None:
        yield f"{spec.trim.measure} not extreme", _trimming(spec.trim, scores["trim_by"])


def _slide_counts(slides: pd.DataFrame, scores: pd.DataFrame) -> pd.Series[float]:
    """Return how many slides of each patient were measured, apart or together."""
    if N_POOLED not in slides:
        return scores["n_scored"].astype(float)
    together = slides.set_index("patient")[N_POOLED]
    return scores["patient"].map(together).astype(float)


def _seen_by_models(slides: pd.DataFrame, score: str) -> pd.Series[str]:
    """Return the patients that the trait models behind a score have seen."""
    column = _unseen_column(score)
    if column not in slides:
        return pd.Series(dtype=str)
    return slides.loc[slides[column].eq(False).fillna(False).astype(bool), "patient"]


def _unseen_column(score: str) -> str:
    """Return the column that tells whether the models behind a score have not seen the patient.

    It is that of the score's trait or combination of traits; of other scores that of the
    combination in the table of slides.
    """
    found = OF_TRAITS.fullmatch(score)
    combination, trait = found.groups() if found else ("", None)
    return f"trait_unseen{combination}" if trait is None else f"unseen{trait}"


def _condition(texts: pd.Series[str], values: Sequence[str]) -> Exclusion:
    def exclusion(left: pd.Series[bool]) -> pd.Series[str]:
        return (f"{texts.name}: " + _shown(texts[left])).mask(texts.isin(values), "")

    return exclusion


def _trimming(trim: TrimSettings, values: pd.Series[float]) -> Exclusion:
    def exclusion(left: pd.Series[bool]) -> pd.Series[str]:
        low, high = known_percentiles(values[left], trim.percentiles)
        why = pd.Series(f"{trim.measure} missing", index=values.index)
        for beyond, limit, percentile, sign in (
            (values <= low, low, trim.percentiles[0], "≤"),
            (values >= high, high, trim.percentiles[1], "≥"),
        ):
            reason = f"{trim.measure} {sign} {limit:.6g}, percentile {percentile:g}"
            why = why.mask(beyond, reason)
        return why.mask((values > low) & (values < high), "")[left]

    return exclusion


def _bad_covariate(left: pd.DataFrame, covariates: Sequence[Covariate]) -> pd.Series[str]:
    """Return the first covariate that excludes each patient."""
    why = pd.Series("", index=left.index)
    for covariate in covariates:
        excludes = _read(left, covariate)[1]
        reason = f"{covariate.name}: " + _shown(left[covariate.column])
        why = why.mask((why == "") & excludes, reason)
    return why


def _read(rows: pd.DataFrame, covariate: Covariate) -> tuple[pd.Series[Any], pd.Series[bool]]:
    """Return the values of a covariate, and whom it excludes."""
    values, findings = read_covariate(covariate, rows[covariate.column].fillna(""))
    excludes = pd.Series(False, index=rows.index)
    for finding in findings:
        if finding.consequence == EXCLUDES:
            excludes |= finding.rows
    return values, excludes


def _shown(texts: pd.Series[str]) -> pd.Series[str]:
    """Return cells as reasons name them."""
    filled = texts.fillna("")
    return filled.mask(is_missing(filled), "missing")


def _capped(rows: pd.DataFrame, endpoint: str, max_months: float | None) -> pd.DataFrame:
    """Return an endpoint, censored where the follow-up exceeds the cap."""
    months, event = rows[months_column(endpoint)], rows[event_column(endpoint)]
    if max_months is not None:
        beyond = months > max_months
        months, event = months.mask(beyond, max_months), event.mask(beyond & event.notna(), 0)
    return pd.DataFrame({months.name: months, event.name: event.astype("Int8")})


def _sentences(scores: pd.DataFrame, excluded: pd.Series[str]) -> pd.Series[str]:
    """Return the reasons of `excluded`, with what is known of the slides that have no score."""
    details = scores["reason"].where(excluded == scores["without"], "")
    return excluded.mask((excluded != "") & (details != ""), excluded + " (" + details + ")")


def known_percentiles(
    values: pd.Series[float], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """Return two percentiles (numpy's ``linear``) of what is not NaN; NaN, NaN without any."""
    known = values.dropna()
    if known.empty:
        return np.nan, np.nan
    low, high = np.percentile(known, percentiles)
    return float(low), float(high)


def group_limits(score: pd.Series[float], grouping: Grouping) -> tuple[float, float]:
    """Return the largest score that is low and the score above which it is high.

    NaN, NaN without any score, and where no groups are formed.
    """
    if isinstance(grouping, Cut | TwoCuts):
        return grouping.limits
    if grouping not in PERCENTILES:
        return np.nan, np.nan
    return known_percentiles(score, PERCENTILES[grouping])


def assign_groups(score: pd.Series[float], grouping: Grouping) -> pd.Series[str]:
    """Return ``low``, ``middle`` or ``high`` for every score, "" where there is none.

    Ties stay together, so groups of a small integer score can be of unequal size or empty. Without
    groups (``none``, ``best_cut``) all are "".
    """
    low_at_most, high_above = group_limits(score, grouping)
    group = pd.Series("middle", index=score.index, dtype=object)
    group = group.mask(score <= low_at_most, "low").mask(score > high_above, "high")
    return group.mask(score.isna() | np.isnan(low_at_most), "")


def flow_table(cohort: Cohort, slides: pd.DataFrame, spec: AnalysisSettings) -> pd.DataFrame:
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
            why = joined((why, _unmeasured(slides, spec.score)))
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
