"""How good the risks that several models predict are, with paired intervals.

The C-index and the AUC compare patients of the same test fold only, and repetitions are averaged.
Pooling over folds would compare log hazards of different models, each with its own zero and scale.
Calibration looks at probabilities, which have the same meaning in all folds.

Intervals come from 1,000 bootstrap resamples of the patients, the same for all models, with the
models and folds as they are: they say how sure a comparison of these models is, not how the models
would differ had they been trained on other patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from histohet.common.arrays import Bools, Floats, Ints
from histohet.prognosis.models import Models, OutOfFold
from histohet.survival.curves import kaplan_meier
from histohet.survival.partial_likelihood import NoMaximumError, RiskSets, maximise
from histohet.survival.ranking import bootstrap_counts, c_index, dynamic_auc

RESAMPLES = 1000
RISK_GROUPS = 4

_CONFIDENCE = ndtri(0.975)

LEAST_SPREAD = 0.01
"""Below this standard deviation of the log hazard within strata, a model predicts the same for all,
and a slope on it would only be noise blown up."""


@dataclass(frozen=True)
class Estimate:
    """One number about a model, NaN with a reason where it cannot be estimated.

    Attributes
    ----------
    model
        Its name; "" for what concerns all of them.
    against
        The model without the added block that a gain is measured from.
    measure
        ``c_index`` and ``auc``, with ``c_index_gain`` and ``auc_gain``; ``predicted_risk`` and
        ``observed_risk`` of a risk group; ``observed_over_predicted`` of everybody;
        ``calibration_slope``; ``penalty`` (median, and the lowest and highest, over folds);
        ``left_out`` (patients without embedding, whom the reason names).
    horizon_months
        Of AUC and risks.
    risk_group
        From 1, the lowest predicted risk.
    estimate, lower, upper
        With its 95 % interval.
    n, events
        Patients it comes from and events among them.
    reason
        Why there is no estimate.
    """

    model: str
    measure: str
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    against: str = ""
    horizon_months: float | None = None
    risk_group: int | None = None
    n: int = 0
    events: int = 0
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """Return the estimate as a row of a table, with its status."""
        status = "not_estimable" if np.isnan(self.estimate) else "ok"
        return asdict(self) | {"status": status}


def estimate_all(
    found: OutOfFold, time: Floats, event: Bools, *, added: str, seed: int
) -> list[Estimate]:
    """Return every estimate of every model.

    Parameters
    ----------
    found
        From `histohet.prognosis.models.cross_validate`, with horizons in months.
    time, event
        (n,) months of follow-up, and whether the event was observed.
    added
        The block whose gain is asked for: models with it are compared with those without.
    seed
        Of the bootstrap.
    """
    drawn = bootstrap_counts(len(time), RESAMPLES, np.random.default_rng(seed))
    rankings = [
        estimate
        for months in (None, *found.horizons)
        for estimate in _rankings(found, time, event, months, added, drawn)
    ]
    return [*rankings, *_calibrations(found, time, event), *_penalties(found, event)]


def _rankings(
    found: OutOfFold, time: Floats, event: Bools, months: float | None, added: str, drawn: Floats
) -> Iterator[Estimate]:
    """Return AUC at a horizon, or C-index without one, and what the added block adds to it."""
    if months is None:
        measure, reason = (
            "c_index",
            "no patient has the event while another of the fold is followed",
        )
    else:
        measure = "auc"
        reason = f"in no fold is there an event by {months:g} months and somebody followed beyond"
    blank = Estimate(
        "", measure, horizon_months=months, n=len(event), events=int(event.sum()), reason=reason
    )
    everybody = np.ones((1, len(time)))
    shares, resampled = {}, {}
    for name, risks in zip(found.models, found.linear_predictor, strict=True):
        ranked = [
            c_index(time, event, risk, counts=counts, stratum=fold)
            if months is None
            else dynamic_auc(time, event, risk, months, counts=counts, stratum=fold)
            for counts in [np.vstack([everybody, drawn])]
            for fold, risk in zip(found.fold, risks, strict=True)
        ]
        shares[name], *rest = np.mean(ranked, axis=0)
        resampled[name] = np.array(rest)
        yield _filled(replace(blank, model=name), shares[name], resampled[name])
    gain = replace(blank, measure=f"{measure}_gain")
    for name, simpler in _pairs(found.models, added):
        yield _filled(
            replace(gain, model=name, against=simpler),
            shares[name] - shares[simpler],
            resampled[name] - resampled[simpler],
        )


def _pairs(models: Models, added: str) -> Iterator[tuple[str, str]]:
    """Return models with the added block and the same without, where there is one."""
    names = {tuple(parts): name for name, parts in models.items()}
    for parts, name in names.items():
        simpler = tuple(part for part in parts if part != added)
        if simpler != parts and simpler in names:
            yield name, names[simpler]


def _filled(blank: Estimate, share: float, resampled: Floats) -> Estimate:
    """Return the estimate with its percentile interval over resamples that compare anything."""
    if np.isnan(share):
        return blank
    lower, upper = np.nanpercentile(resampled, [2.5, 97.5])
    return replace(blank, estimate=float(share), lower=float(lower), upper=float(upper), reason="")


def _calibrations(found: OutOfFold, time: Floats, event: Bools) -> Iterator[Estimate]:
    """Return predicted against observed risk at every horizon, and the calibration slope."""
    for name, eta, probabilities in zip(
        found.models, found.linear_predictor, found.event_probability, strict=True
    ):
        slope = calibration_slope(eta, time, event, found.fold)
        yield Estimate(
            name,
            "calibration_slope",
            slope.slope,
            slope.lower,
            slope.upper,
            n=len(event),
            events=int(event.sum()),
            reason=slope.reason,
        )
        for months, predicted in zip(found.horizons, probabilities.mean(axis=0), strict=True):

            def observe(here: Bools, months: float = months) -> ObservedRisk:
                return observed_risk(time[here], event[here], months)

            blank = Estimate(name, "", horizon_months=months)
            yield from calibrated(blank, predicted, event, observe)


def calibrated(
    blank: Estimate, predicted: Floats, event: Bools, observe: Callable[[Bools], ObservedRisk]
) -> Iterator[Estimate]:
    """Yield predicted against observed risk by a horizon, of everybody and in quarters of it.

    Parameters
    ----------
    blank
        Model and horizon.
    predicted
        Risk by that horizon, (n,).
    event
        Who had the event, (n,).
    observe
        Returns the risk that is observed of some patients, (n,) bool.
    """
    blank = replace(blank, n=len(event), events=int(event.sum()))
    overall, mean = observe(np.ones(len(event), np.bool_)), predicted.mean()
    yield replace(
        blank,
        measure="observed_over_predicted",
        estimate=overall.share / mean,
        lower=overall.lower / mean,
        upper=overall.upper / mean,
        reason=overall.reason,
    )
    group = risk_groups(predicted, RISK_GROUPS)
    for number in range(group.max() + 1):
        here = group == number
        of_group = replace(
            blank,
            measure="predicted_risk",
            risk_group=number + 1,
            estimate=float(predicted[here].mean()),
            n=int(here.sum()),
            events=int(event[here].sum()),
        )
        yield of_group
        seen = observe(here)
        yield replace(
            of_group,
            measure="observed_risk",
            estimate=seen.share,
            lower=seen.lower,
            upper=seen.upper,
            reason=seen.reason,
        )


def _penalties(found: OutOfFold, event: Bools) -> Iterator[Estimate]:
    for name, chosen in zip(found.models, found.penalty, strict=True):
        if not np.isnan(chosen).any():
            numbers = float(np.median(chosen)), float(chosen.min()), float(chosen.max())
            yield Estimate(name, "penalty", *numbers, n=len(event), events=int(event.sum()))


@dataclass(frozen=True)
class ObservedRisk:
    """Share of patients with the event by a horizon, with its 95 % interval.

    NaN, with a reason, where nobody is followed that far; the interval alone is NaN where nobody
    has the event yet, or all have.
    """

    share: float
    lower: float = np.nan
    upper: float = np.nan
    reason: str = ""


@dataclass(frozen=True)
class Slope:
    """Slope of the log hazard on what was predicted, with its 95 % Wald interval; 1 is right.

    Below 1 the predicted differences between patients are too large (overfitting), above 1 too
    small (shrunk too much). NaN, with a reason, where it cannot be estimated.
    """

    slope: float
    lower: float = np.nan
    upper: float = np.nan
    reason: str = ""


def observed_risk(time: Floats, event: Bools, horizon: float) -> ObservedRisk:
    """Return the share of patients with the event by a horizon, by Kaplan and Meier."""
    curve = kaplan_meier(time, event)
    if not curve.n:
        return ObservedRisk(np.nan, reason="there is no patient")
    if curve.time[-1] < horizon and curve.survival[-1] > 0:
        reason = f"nobody is followed for {horizon:g}: the last leaves at {curve.time[-1]:g}"
        return ObservedRisk(np.nan, reason=reason)
    last = int(np.searchsorted(curve.time, horizon, side="right")) - 1
    upper, lower = (
        np.nan if limit is None or curve.survival[last] == 1 else 1 - limit
        for limit in (curve.lower[last], curve.upper[last])
    )
    return ObservedRisk(1 - curve.survival[last], lower, upper)


def risk_groups(risk: Floats, groups: int) -> Ints:
    """Split patients at quantiles of their predicted risk, equal risks staying together.

    Returns
    -------
    ndarray
        (n,) int64 from 0, the lowest risk; fewer groups than asked for where risks are equal.
    """
    edges = np.quantile(risk, np.arange(1, groups) / groups)
    return np.unique(np.searchsorted(edges, risk, side="left"), return_inverse=True)[1]


def calibration_slope(linear_predictor: Floats, time: Floats, event: Bools, stratum: Ints) -> Slope:
    """Fit a Cox model with the predicted log hazard as its only term (van Houwelingen 2000).

    Parameters
    ----------
    linear_predictor
        (r, n) predicted log hazard in each of r repetitions.
    time, event
        (n,) follow-up, and whether the event was observed.
    stratum
        (r, n) the fold in which it was predicted. Each has a baseline hazard of its own, because
        the zero of the log hazard differs from fold to fold.

    Notes
    -----
    Repetitions are fitted together, each patient r times, and the standard error is that of one
    repetition: it takes the repetitions to tell the same, which makes the interval a little wide.
    """
    repeats = len(linear_predictor)
    strata = (stratum + np.arange(repeats)[:, None] * (stratum.max() + 1)).ravel()
    _, strata, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    predicted = linear_predictor.ravel()
    centred = predicted - (np.bincount(strata, predicted) / sizes)[strata]
    if np.sqrt(np.mean(centred**2)) < LEAST_SPREAD:
        return Slope(np.nan, reason="the model predicts nearly the same for all patients")
    risk = RiskSets(np.tile(time, repeats), np.tile(event, repeats), stratum=strata)
    try:
        fitted = maximise(centred[:, None], risk)
    except NoMaximumError:
        return Slope(np.nan, reason="the slope did not converge: the risks rank all perfectly")
    slope = float(fitted.coefficients[0])
    reach = float(_CONFIDENCE * np.sqrt(fitted.covariance[0, 0] * repeats))
    return Slope(slope, slope - reach, slope + reach)


def risk_table(
    patients: Iterable[str],
    models: Iterable[str],
    horizons: Iterable[float],
    fold: Ints,
    predictor: Floats,
    risk: Floats,
) -> pd.DataFrame:
    """Return what m models predict of n patients in r repetitions, a row for each.

    Parameters
    ----------
    patients, models
        Their names.
    horizons
        In months.
    fold
        (r, n) from 0.
    predictor
        (m, r, n) log hazard.
    risk
        (m, r, h, n) by each of h horizons.

    Returns
    -------
    DataFrame
        ``patient``, ``model``, ``repeat`` and ``fold`` from 1, ``predictor``, ``risk_<months>``.
    """
    m, r, n = predictor.shape
    columns = {
        "patient": np.tile(np.array(list(patients), dtype=object), m * r),
        "model": np.repeat(np.array(list(models), dtype=object), r * n),
        "repeat": np.tile(np.repeat(np.arange(1, r + 1), n), m),
        "fold": np.tile(fold.ravel() + 1, m),
        "predictor": predictor.ravel(),
    }
    of_horizons = {f"risk_{months:g}": risk[:, :, h].ravel() for h, months in enumerate(horizons)}
    return pd.DataFrame(columns | of_horizons)
