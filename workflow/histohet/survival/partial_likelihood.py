"""Cox's partial likelihood with Efron's treatment of tied event times, and its maximum.

One pass over the risk sets gives everything that the tests of a Cox model are made of: score and
information, the expected covariates at each event, martingale residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ties = Literal["efron", "breslow"]

MOST_STEPS = 60
MOST_HALVINGS = 30
STEP_TOLERANCE = 1e-18
"""Newton stops when the next step, squared and in units of the covariance, is shorter than this: a
thousand-millionth of a standard error."""

LARGEST_SPREAD = 30.0
"""Log hazards of two patients that lie further apart have left the finite maximum: the likelihood
rises for ever in that direction, and the Newton steps would go on by about 1."""


class RiskSets:
    """Who is at risk at each event.

    Sums are over the patients at risk just before each event; of d events at one time the k-th
    (k = 0 … d-1) counts the others that die then with weight 1 - k / d (Efron 1977), or all of them
    fully (Breslow 1974).

    Parameters
    ----------
    time
        Follow-up, shape (n,).
    event
        Whether the event was observed, shape (n,).
    ties
        Treatment of tied events.

    Attributes
    ----------
    deaths
        Patients with an event in order of time, shape (m,).
    """

    def __init__(self, time: npt.ArrayLike, event: npt.ArrayLike, ties: Ties = "efron") -> None:
        times, observed = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
        self.n = len(times)
        self.event = observed
        self._order = np.argsort(times, kind="stable")
        ordered = times[self._order]
        self.deaths = self._order[observed[self._order]]
        moments, self._tie, counts = np.unique(
            times[self.deaths], return_inverse=True, return_counts=True
        )
        self._counts = counts
        self._starts = np.cumsum(counts) - counts
        self._first = np.searchsorted(ordered, moments, side="left")
        rank = np.arange(len(self.deaths)) - self._starts[self._tie]
        self._fraction = rank / counts[self._tie] if ties == "efron" else np.zeros(len(rank))
        # The last of the distinct event times that each patient reaches; -1 for none.
        self._last = np.searchsorted(moments, times, side="right") - 1

    def sums(self, values: Floats) -> Floats:
        """Sum `values`, shape (n, …), over the patients at risk at each event; shape (m, …)."""
        if not len(self.deaths):
            return np.zeros((0, *values.shape[1:]))
        at_risk = np.cumsum(values[self._order][::-1], axis=0)[::-1][self._first]
        tied = np.add.reduceat(values[self.deaths], self._starts, axis=0)
        fraction = self._fraction.reshape(-1, *(1,) * (values.ndim - 1))
        found: Floats = at_risk[self._tie] - fraction * tied[self._tie]
        return found

    def martingale_residuals(self, hazard: Floats) -> Floats:
        """Observed less expected events of each patient, whose relative hazards are given, (n,)."""
        if not len(self.deaths):
            return np.zeros(self.n)
        increments = 1 / self.sums(hazard)
        by_time = np.add.reduceat(increments, self._starts)
        own = np.add.reduceat(increments * self._fraction, self._starts)
        cumulative = np.append(np.cumsum(by_time), 0.0)[self._last]
        cumulative[self.deaths] -= own[self._tie]
        residuals: Floats = self.event - hazard * cumulative
        return residuals

    @cached_property
    def survival_before(self) -> Floats:
        """Kaplan–Meier estimate of everybody just before each event, shape (m,)."""
        steps = 1 - self._counts / (self.n - self._first)
        before = np.append(1.0, np.cumprod(steps)[:-1]) if len(steps) else np.zeros(0)
        return before[self._tie]


@dataclass(frozen=True, eq=False)
class Moments:
    """The log partial likelihood at one coefficient vector, and what its derivatives are made of.

    Attributes
    ----------
    log_likelihood
        Of the coefficients.
    predictor
        Log relative hazard of each patient, shape (n,).
    residuals
        Covariates of who dies less those expected, at each event, shape (m, p) (Schoenfeld 1982).
    variances
        Of the expected covariates, shape (m, p, p); their sum is the information.
    """

    log_likelihood: float
    predictor: Floats
    residuals: Floats
    variances: Floats

    @cached_property
    def score(self) -> Floats:
        """First derivatives, shape (p,)."""
        total: Floats = self.residuals.sum(axis=0)
        return total

    @cached_property
    def information(self) -> Floats:
        """Negative second derivatives, shape (p, p)."""
        total: Floats = self.variances.sum(axis=0)
        return total


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum of a partial likelihood.

    Attributes
    ----------
    coefficients, covariance
        Log hazard ratios per unit, shape (p,), and the inverse information, shape (p, p).
    null_log_likelihood
        With all coefficients 0.
    at
        Moments there, of the covariates in units of their standard deviation.
    """

    coefficients: Floats
    covariance: Floats
    null_log_likelihood: float
    at: Moments


class NoMaximumError(ValueError):
    """The likelihood rises without end, or is flat.

    Attributes
    ----------
    column
        The covariate that has run away furthest.
    """

    def __init__(self, column: int) -> None:
        super().__init__(f"the partial likelihood has no maximum in column {column}")
        self.column = column


def moments(design: Floats, risk: RiskSets, coefficients: Floats) -> Moments:
    """Evaluate the partial likelihood of a design, shape (n, p), and its derivatives."""
    predictor = design @ coefficients
    # Only ratios of hazards count; the largest is 1, so that none overflows.
    highest = predictor.max(initial=-np.inf)
    hazard = np.exp(predictor - highest)
    total = risk.sums(hazard)
    weighted = hazard[:, None] * design
    means = risk.sums(weighted) / total[:, None]
    squares = risk.sums(weighted[:, :, None] * design[:, None, :]) / total[:, None, None]
    return Moments(
        log_likelihood=float(np.sum(predictor[risk.deaths] - highest - np.log(total))),
        predictor=predictor,
        residuals=design[risk.deaths] - means,
        variances=squares - means[:, :, None] * means[:, None, :],
    )


def maximise(design: Floats, risk: RiskSets) -> Maximum:
    """Maximise the partial likelihood by Newton's method with halved steps.

    Parameters
    ----------
    design
        Covariates, shape (n, p), none constant and none a combination of others. p may be 0.
    risk
        Of the same n patients.

    Raises
    ------
    NoMaximumError
        If a combination of covariates separates the patients with an event from the others at risk,
        so that its coefficient grows without end.
    """
    scale = design.std(axis=0)
    standard = (design - design.mean(axis=0)) / scale
    coefficients = np.zeros(design.shape[1])
    here = moments(standard, risk, coefficients)
    null_log_likelihood = here.log_likelihood
    for _ in range(MOST_STEPS):
        step = _newton_step(here, coefficients)
        if step @ here.score < STEP_TOLERANCE:
            covariance = np.linalg.inv(here.information) / np.outer(scale, scale)
            return Maximum(coefficients / scale, covariance, null_log_likelihood, here)
        for _ in range(MOST_HALVINGS):
            there = moments(standard, risk, coefficients + step)
            if there.log_likelihood > here.log_likelihood - 1e-9:
                break
            step = step / 2
        coefficients, here = coefficients + step, there
        if np.ptp(here.predictor) > LARGEST_SPREAD:
            break
    raise NoMaximumError(int(np.argmax(np.abs(coefficients))))


def _newton_step(here: Moments, coefficients: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(here.information, here.score), dtype=float)
    except np.linalg.LinAlgError as error:
        raise NoMaximumError(int(np.argmax(np.abs(coefficients)))) from error
