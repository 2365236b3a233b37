"""Estimates of how good risks are: C, AUC, Brier score, gains, calibration, with intervals.

C and AUC compare patients of the same fold, repetitions are averaged, and intervals are those of
1,000 resamples of the patients, the same for all models, with models and folds as they are
(`histohet.prognosis.evaluation`). Risks are absolute, so Brier score and calibration take them as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.competing_risks import EVENT, aalen_johansen, of_cause
from histohet.fusion.cross_validation import Predictions
from histohet.fusion.performance import auc, brier, concordance, known_by
from histohet.fusion.settings import OTHER_MODELS
from histohet.prognosis.evaluation import (
    RESAMPLES,
    Estimate,
    ObservedRisk,
    calibrated,
    calibration_slope,
)
from histohet.survival.ranking import bootstrap_counts

NOTHING = OTHER_MODELS[1]
"""The model that predicts one risk for all."""


def estimate_all(
    found: Predictions, time: Floats, state: Ints, pairs: Sequence[tuple[str, str]], seed: int
) -> Iterator[Estimate]:
    """Yield every estimate of every model.

    Parameters
    ----------
    found
        From `cross_validate`, with horizons in months.
    time, state
        Follow-up in months and how it ended, (n,).
    pairs
        Models, and those whose gain is measured.
    seed
        Of the bootstrap.
    """
    counts = resamples(len(time), seed)
    for h, months in enumerate(found.horizons):
        yield from _rankings(found, time, state, h, months, pairs, counts)
    yield from _calibrations(found, time, state)


def resamples(n: int, seed: int) -> Floats:
    """Return everybody once, then resamples of the patients, (1 + 1,000, n)."""
    drawn = bootstrap_counts(n, RESAMPLES, np.random.default_rng(seed))
    return np.vstack([np.ones((1, n)), drawn])


def blank_of(time: Floats, state: Ints) -> Estimate:
    """Return an estimate that says of whom it is, and nothing else."""
    return Estimate("", "c_index", n=len(time), events=int(np.sum(state == EVENT)))


def _rankings(
    found: Predictions,
    time: Floats,
    state: Ints,
    h: int,
    months: float,
    pairs: Sequence[tuple[str, str]],
    counts: Floats,
) -> Iterator[Estimate]:
    """Yield C, AUC and Brier score of every model by one horizon, and the gains."""
    known = known_by(time, state, months)
    drawn: dict[str, dict[str, Floats]] = {"c_index": {}, "auc": {}, "brier": {}}
    for name, risks in zip(found.models, found.incidence[:, :, h], strict=True):
        each = list(zip(found.fold, risks, strict=True))
        drawn["c_index"][name] = np.mean(
            [concordance(time, state, risk, months, fold, counts) for fold, risk in each], axis=0
        )
        drawn["auc"][name] = np.mean(
            [auc(known, risk, fold, counts) for fold, risk in each], axis=0
        )
        drawn["brier"][name] = np.mean([brier(known, risk, counts) for _, risk in each], axis=0)
    reason = aalen_johansen(time, state).by(months).reason
    if reason:
        nothing = np.full(len(counts), np.nan)
        drawn = {measure: dict.fromkeys(values, nothing) for measure, values in drawn.items()}
    reason = reason or f"by {months:g} months no event, or nobody without one"
    blank = replace(blank_of(time, state), horizon_months=months, reason=reason)
    for measure, values in drawn.items():
        for name in found.models:
            yield _filled(replace(blank, model=name, measure=measure), values[name])
        gain = replace(blank, measure=f"{measure}_gain")
        sign = -1 if measure == "brier" else 1
        for name, other in pairs:
            difference = sign * (values[name] - values[other])
            yield _filled(replace(gain, model=name, against=other), difference)
    for name in found.models:
        skill = 1 - drawn["brier"][name] / drawn["brier"][NOTHING]
        yield _filled(replace(blank, model=name, measure="brier_skill", against=NOTHING), skill)


def _filled(blank: Estimate, drawn: Floats) -> Estimate:
    """Return an estimate with its percentile interval: of everybody first, then of resamples."""
    if np.isnan(drawn[0]):
        return blank
    lower, upper = np.nanpercentile(drawn[1:], [2.5, 97.5])
    return replace(
        blank, estimate=float(drawn[0]), lower=float(lower), upper=float(upper), reason=""
    )


def _calibrations(found: Predictions, time: Floats, state: Ints) -> Iterator[Estimate]:
    """Yield predicted against observed risk by every horizon, and the slope for the hazard."""
    event = of_cause(state, EVENT)
    for name, eta, risks in zip(found.models, found.predictor, found.incidence, strict=True):
        blank = replace(blank_of(time, state), model=name)
        if name != NOTHING:
            slope = calibration_slope(eta, time, event, found.fold)
            yield replace(
                blank,
                measure="calibration_slope",
                estimate=slope.slope,
                lower=slope.lower,
                upper=slope.upper,
                reason=slope.reason,
            )
        for months, predicted in zip(found.horizons, risks.mean(axis=0), strict=True):

            def observe(here: Bools, months: float = months) -> ObservedRisk:
                return aalen_johansen(time[here], state[here]).by(months)

            of_horizon = replace(blank, horizon_months=months)
            yield from calibrated(of_horizon, predicted, event, observe)


def estimate_table(estimates: Sequence[Estimate]) -> pd.DataFrame:
    """Return estimates as rows, of ``all`` patients."""
    table = pd.DataFrame([estimate.row() for estimate in estimates])
    table.insert(0, "patients", "all")
    return table.astype({"horizon_months": float, "risk_group": "Int64"})
