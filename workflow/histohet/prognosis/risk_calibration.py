"""Calibration: whether as many patients have the event as a model foretold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning

from histohet.survival.curves import kaplan_meier

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LEAST_SPREAD = 0.01
"""Below this standard deviation of the log hazard within strata, a model foretells the same for
all, and a slope on it would only be noise blown up."""


@dataclass(frozen=True)
class ObservedRisk:
    """Share of patients with the event by a horizon (Kaplan–Meier), with its 95 % interval.

    NaN, with a reason, where nobody is followed that far; the interval alone is NaN where nobody
    has the event yet, or all have.
    """

    share: float
    lower: float = np.nan
    upper: float = np.nan
    reason: str = ""


@dataclass(frozen=True)
class Slope:
    """Slope of the log hazard on what was foretold, with its 95 % Wald interval; 1 is right.

    Below 1 the foretold differences between patients are too large (overfitting), above 1 too
    small (shrunk too much). NaN, with a reason, where it cannot be estimated.
    """

    slope: float
    lower: float = np.nan
    upper: float = np.nan
    reason: str = ""


def observed_risk(time: Floats, event: Bools, horizon: float) -> ObservedRisk:
    """Return the share of patients with the event by a horizon, in the unit of `time`."""
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
    """Split patients at quantiles of their foretold risk, equal risks staying together.

    Returns
    -------
    ndarray
        (n,) int64 from 0, the lowest risk; fewer groups than asked for where risks are equal.
    """
    edges = np.quantile(risk, np.arange(1, groups) / groups)
    found: Ints = np.unique(np.searchsorted(edges, risk, side="left"), return_inverse=True)[1]
    return found


def calibration_slope(linear_predictor: Floats, time: Floats, event: Bools, stratum: Ints) -> Slope:
    """Fit a Cox model with the foretold log hazard as its only term (van Houwelingen 2000).

    Parameters
    ----------
    linear_predictor
        (r, n) foretold log hazard in each of r repetitions.
    time, event
        (n,) follow-up, and whether the event was observed.
    stratum
        (r, n) the fold in which it was foretold. Each has a baseline hazard of its own, because
        the zero of the log hazard differs from fold to fold.

    Notes
    -----
    Repetitions are fitted together, each patient r times, and the standard error is that of one
    repetition: it takes the repetitions to tell the same, which makes the interval a little wide.
    """
    repeats = len(linear_predictor)
    strata = stratum + np.arange(repeats)[:, None] * (stratum.max() + 1)
    frame = pd.DataFrame(
        {
            "foretold": linear_predictor.ravel(),
            "time": np.tile(time, repeats),
            "event": np.tile(event, repeats),
            "stratum": strata.ravel(),
        }
    )
    centred = frame["foretold"] - frame.groupby("stratum")["foretold"].transform("mean")
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread < LEAST_SPREAD:
        return Slope(np.nan, reason="the model foretells nearly the same for all patients")
    frame["foretold"] = centred / spread
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fitter = CoxPHFitter().fit(frame, "time", "event", strata=["stratum"])
        except (ConvergenceError, ConvergenceWarning):
            return Slope(np.nan, reason="the slope did not converge: the risks rank all perfectly")
    slope = float(fitter.params_["foretold"]) / spread
    reach = 1.959964 * float(fitter.standard_errors_["foretold"]) / spread * np.sqrt(repeats)
    return Slope(slope, slope - reach, slope + reach)
