"""The cohort of an analysis: who is analysed, with which score, in which group, and who is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from histohet.clinical.clinical_values import is_missing
from histohet.clinical.covariate_values import EXCLUDES, read_covariate
from histohet.clinical.covariates import PATIENT_COLUMNS, Covariate
from histohet.clinical.join import ClinicalTable, endpoints_of
from histohet.cohort.analyses import AnalysisSpec, Trim
from histohet.cohort.groups import assign_groups, known_percentiles
from histohet.cohort.patients import NOT_MEASURED, patient_scores

NO_ROW = "no row in the clinical tables"
UNUSABLE_ROWS = "contradictory rows in the clinical tables"

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


def build_cohort(slides: pd.DataFrame, clinical: ClinicalTable, spec: AnalysisSpec) -> Cohort:
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
        If the clinical data lack an endpoint of the analysis, a covariate has the name of an
        endpoint's column, or the slides cannot be used (`patient_scores`).
    """
    trim_by = spec.trim.measure if spec.trim else None
    scores = patient_scores(slides, spec.slides, spec.score, trim_by)
    # Beside the scores and not among them: clinical columns may have any name.
    rows = clinical.frame.set_index("patient").reindex(scores["patient"]).set_index(scores.index)
    no_row = _without_row(scores["patient"], clinical)
    excluded = pd.Series("", index=scores.index)
    steps = [Step("slides in the sheet", len(slides), len(scores), {})]
    for name, exclusion in _selection(spec, scores, rows, no_row):
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
        excluded_because=_sentences(scores, excluded, clinical),
    )[list(PATIENT_COLUMNS)]
    endpoints = spec.endpoints_among(clinical.endpoints)
    covariates = {each.name: _read(rows, each)[0] for each in spec.covariates}
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
    months, event = f"{endpoint}_months", f"{endpoint}_event"
    known = patients["analysed"] & patients[months].notna() & patients[event].notna()
    chosen = patients[known].reset_index(drop=True)
    outcomes = {f"{name}_{what}" for name in endpoints for what in ("months", "event")}
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
    spec: AnalysisSpec, scores: pd.DataFrame, rows: pd.DataFrame, no_row: pd.Series[str]
) -> Iterator[tuple[str, Exclusion]]:
    """Yield the steps from the sheet to those that are analysed.

    All tables have one row per patient and the same index.
    """
    without = scores["without"]
    yield "measured", lambda left: without[left].where(without == NOT_MEASURED, "")
    yield f"one score per patient ({spec.slides.replace('_', ' ')})", lambda left: without[left]
    yield "clinical data", lambda left: no_row[left]
    for column, values in spec.where:
        yield f"{column}: {', '.join(values)}", _condition(rows[column], values)
    if spec.covariates:
        yield "covariates", lambda left: _bad_covariate(rows[left], spec.covariates)
    if spec.trim is not None:
        yield f"{spec.trim.measure} not extreme", _trimming(spec.trim, scores["trim_by"])


def _without_row(patients: pd.Series[str], clinical: ClinicalTable) -> pd.Series[str]:
    """Return why patients have no clinical row, "" for those who have."""
    why = pd.Series(NO_ROW, index=patients.index)
    why = why.mask(patients.isin(list(clinical.exclusions())), UNUSABLE_ROWS)
    return why.mask(patients.isin(clinical.frame["patient"]), "")


def _condition(texts: pd.Series[str], values: Sequence[str]) -> Exclusion:
    def exclusion(left: pd.Series[bool]) -> pd.Series[str]:
        return (f"{texts.name}: " + _shown(texts[left])).mask(texts.isin(values), "")

    return exclusion


def _trimming(trim: Trim, values: pd.Series[float]) -> Exclusion:
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
    months, event = rows[f"{endpoint}_months"], rows[f"{endpoint}_event"]
    if max_months is not None:
        beyond = months > max_months
        months, event = months.mask(beyond, max_months), event.mask(beyond & event.notna(), 0)
    return pd.DataFrame({months.name: months, event.name: event.astype("Int8")})


def _sentences(
    scores: pd.DataFrame, excluded: pd.Series[str], clinical: ClinicalTable
) -> pd.Series[str]:
    """Return the reasons of `excluded` with what is known of the single patient."""
    of_row = scores["patient"].map(clinical.exclusions()).fillna("")
    details = scores["reason"].where(excluded == scores["without"], "")
    details = details.mask(excluded == UNUSABLE_ROWS, of_row)
    return excluded.mask((excluded != "") & (details != ""), excluded + " (" + details + ")")
