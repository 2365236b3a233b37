"""Cox's partial likelihood, its maximum with or without a ridge penalty, and its baseline hazard.

One core for everything that is asked of a Cox model: estimates and their covariance, the expected
covariates at each event (tests of proportional hazards), martingale residuals (tests by
permutation), strata (calibration), penalties and baseline hazards (prognosis). lifelines, R's
`survival` and `glmnet` are the oracles of its tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dposv

from histohet.common.arrays import Floats, Ints

Ties = Literal["efron", "breslow"]

MOST_STEPS = 100
MOST_HALVINGS = 40
STEP_TOLERANCE = 1e-18
"""Newton stops when the next step, squared and in units of the covariance, is shorter than this: a
thousand-millionth of a standard error."""

FLAT = 1e-12
"""A step that raises the log-likelihood by less, and still moves log hazards by `MOTION`, goes on
for ever: towards a maximum steps shrink faster than what they gain, towards none they go on by
about 1. How far apart log hazards are says nothing: a value far out may have any."""

MOTION = 0.1

FAR = 60.0
"""Of patients whose log hazards are further apart, the lower one counts for nothing beside the
higher; so where they are further apart by how much does not matter."""

WIDEST = 600.0
"""Range of log hazards that floats hold."""

LEAST_DIGITS = 1e-10
"""Information is the difference of sums of squares, and noise where it is a smaller share of
them."""


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
    stratum
        Whole numbers, shape (n,): patients are at risk beside those of their stratum alone, which
        has a baseline hazard of its own. All are in one if not given.

    Attributes
    ----------
    deaths
        Patients with an event in order of stratum and time, shape (m,).

    Raises
    ------
    ValueError
        If lengths differ, or a time is not finite.
    """

    def __init__(
        self,
        time: npt.ArrayLike,
        event: npt.ArrayLike,
        ties: Ties = "efron",
        stratum: npt.ArrayLike | None = None,
    ) -> None:
        times, self.event = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
        self._times, self._ties = times, ties
        if times.ndim != 1 or times.shape != self.event.shape:
            raise ValueError(f"{times.shape} times for {self.event.shape} events")
        if not np.isfinite(times).all():
            raise ValueError("a follow-up time is not finite")
        self.n = len(times)
        # Places on one line, the times of each stratum after those of the stratum before.
        distinct, rank = np.unique(times, return_inverse=True)
        strata = np.zeros(self.n, int)
        if stratum is not None:
            strata = np.unique(stratum, return_inverse=True)[1]
        begins = strata * len(distinct)
        place = begins + rank
        self._order = np.argsort(place, kind="stable")
        ordered = place[self._order]
        self.deaths = self._order[self.event[self._order]]
        self._death_times = times[self.deaths]
        moments, self._tie, self._counts = np.unique(
            place[self.deaths], return_inverse=True, return_counts=True
        )
        self._starts = np.cumsum(self._counts) - self._counts
        # Patients from each moment on, and those of the strata after it.
        ends = begins[self.deaths[self._starts]] + len(distinct)
        self._from = self.n - np.searchsorted(ordered, moments, side="left")
        self._beyond = self.n - np.searchsorted(ordered, ends, side="left")
        order_in_tie = np.arange(len(self.deaths)) - self._starts[self._tie]
        self._fraction = order_in_tie / self._counts[self._tie] * (ties == "efron")
        # How many of the moments each patient reaches, and how many are in strata before.
        self._reached = np.searchsorted(moments, place, side="right")
        self._before = np.searchsorted(moments, begins, side="left")

    def within(self, stratum: npt.ArrayLike) -> RiskSets:
        """Return the risk sets of the same patients in other strata."""
        return RiskSets(self._times, self.event, self._ties, stratum)

    @property
    def first_of_last_event(self) -> Ints:
        """Who died at the last event that each patient was at risk at (of several, one), (n,).

        −1 for those who were at risk at none.
        """
        if not len(self.deaths):
            return np.full(self.n, -1)
        first = self.deaths[self._starts]
        found: Ints = np.where(self._reached > self._before, first[self._reached - 1], -1)
        return found

    def highest(self, values: Floats) -> Floats:
        """Return the highest of `values`, (n,), among the patients at risk at each event, (m,)."""
        # Those of strata behind, which come first from the end, are put below all others.
        below = self._before * (1 + np.ptp(values))
        last = np.maximum.accumulate((values - below)[self._order[::-1]])
        found: Floats = last[self._from[self._tie] - 1] + below[self.deaths]
        return found

    def sums(self, values: Floats) -> Floats:
        """Sum `values`, shape (n, …), over the patients at risk at each event; shape (m, …)."""
        if not len(self.deaths):
            return np.zeros((0, *values.shape[1:]))
        last = np.zeros((self.n + 1, *values.shape[1:]))
        np.cumsum(values[self._order[::-1]], axis=0, out=last[1:])
        at_risk: Floats = last[self._from[self._tie]]
        if self._beyond.any():
            at_risk = at_risk - last[self._beyond[self._tie]]
        if not self._fraction.any():
            return at_risk
        tied = np.add.reduceat(values[self.deaths], self._starts, axis=0)[self._tie]
        fraction = self._fraction.reshape(-1, *(1,) * (values.ndim - 1))
        return at_risk - fraction * tied

    def expected_events(self, hazard: Floats, weight: Floats | float = 1.0) -> Floats:
        """Return the expected events of patients whose relative hazards are given, shape (n,).

        Parameters
        ----------
        hazard
            Shape (n,).
        weight
            How often each event counts, shape (m,).
        """
        if not len(self.deaths):
            return np.zeros(self.n)
        increments = weight / self.sums(hazard)
        by_moment = np.add.reduceat(increments, self._starts)
        own = np.add.reduceat(increments * self._fraction, self._starts)
        until = np.append(0.0, np.cumsum(by_moment))
        cumulative = until[self._reached] - until[self._before]
        cumulative[self.deaths] -= own[self._tie]
        expected: Floats = hazard * cumulative
        return expected

    def martingale_residuals(self, hazard: Floats) -> Floats:
        """Observed less expected events of each patient, whose relative hazards are given, (n,)."""
        return self.event - self.expected_events(hazard)

    def baseline_hazard(self, predictor: Floats, at: npt.ArrayLike) -> Floats:
        """Return the cumulative hazard of a patient with log relative hazard 0, in one stratum.

        It is taken up to and including each time of `at`, and flat beyond the last event; with
        Breslow's ties it is Breslow's. The probability of surviving beyond t is
        exp(−H₀(t) · exp(predictor)).

        Parameters
        ----------
        predictor
            Log relative hazard of the patients, shape (n,).
        at
            Times, in any shape, which is that of the result.
        """
        highest = predictor.max(initial=-np.inf)
        increments = np.exp(-highest) / self.sums(np.exp(predictor - highest))
        until = np.append(0.0, np.cumsum(increments))
        return until[np.searchsorted(self._death_times, at, side="right")]

    @cached_property
    def survival_before(self) -> Floats:
        """Kaplan–Meier estimate of everybody just before each event, shape (m,), in one stratum."""
        steps = 1 - self._counts / self._from
        before = np.append(1.0, np.cumprod(steps)[:-1]) if len(steps) else np.zeros(0)
        return before[self._tie]


class Likelihood:
    """The log partial likelihood at one coefficient vector, and its derivatives when asked for.

    Parameters
    ----------
    design
        Covariates, shape (n, p).
    risk
        Of the same n patients.
    coefficients
        Shape (p,).

    Attributes
    ----------
    predictor
        Log relative hazard of each patient, shape (n,).
    hazard
        Relative hazard of each patient, shape (n,). Of those too far apart for floats, the low ones
        are higher than they should be, but count for nothing beside the high ones all the same.
    log_value
        The log partial likelihood; −∞ where hazards are too far apart for a float.
    """

    def __init__(self, design: Floats, risk: RiskSets, coefficients: Floats) -> None:
        self._design, self._risk = design, risk
        self.predictor = design @ coefficients
        self.hazard, self.log_value = _evaluated(self.predictor, risk)

    @cached_property
    def _means(self) -> Floats:
        """Expected covariates of who dies, at each event, shape (m, p)."""
        total = self._risk.sums(self.hazard)
        return self._risk.sums(self.hazard[:, None] * self._design) / total[:, None]

    @property
    def residuals(self) -> Floats:
        """Covariates of who dies less those expected, at each event, (m, p) (Schoenfeld 1982)."""
        found: Floats = self._design[self._risk.deaths] - self._means
        return found

    @property
    def score(self) -> Floats:
        """First derivatives, shape (p,)."""
        total: Floats = self.residuals.sum(axis=0)
        return total

    @property
    def squares(self) -> Floats:
        """Squared covariates of those at risk, expected and summed over events, shape (p,)."""
        found: Floats = self._risk.expected_events(self.hazard) @ self._design**2
        return found

    def information(self, weight: Floats | float = 1.0) -> Floats:
        """Negative second derivatives, (p, p), every event counted `weight` (m,) times.

        The variance of the covariates among those at risk, summed over events: their squares, each
        patient's weighted by its expected events, less the squared means.
        """
        expected = self._risk.expected_events(self.hazard, weight)
        squares = self._design.T @ (expected[:, None] * self._design)
        weights = np.broadcast_to(weight, len(self._means))
        return squares - self._means.T @ (weights[:, None] * self._means)


def log_likelihood(predictor: Floats, risk: RiskSets) -> float:
    """Return the log partial likelihood of log relative hazards, shape (n,); 0 without events."""
    return _evaluated(predictor, risk)[1]


def _evaluated(predictor: Floats, risk: RiskSets) -> tuple[Floats, float]:
    """Return relative hazards, (n,), as far as any sum of them tells, and the log-likelihood."""
    nearer = _nearer(predictor)
    highest = float(nearer.max(initial=-np.inf))
    hazard: Floats = np.exp(nearer - highest)
    total = risk.sums(hazard)
    if not (total > np.exp(-WIDEST)).all():
        return hazard, -np.inf
    value = float(np.sum(nearer[risk.deaths] - highest - np.log(total)))
    if nearer is not predictor:
        # What was taken off of who dies, less what was taken off of the highest beside him.
        taken = predictor - nearer
        value += float(np.sum(taken[risk.deaths] - risk.highest(taken)))
    return hazard, value


def _nearer(predictor: Floats) -> Floats:
    """Return log hazards no two neighbours of which are more than `FAR` apart, if it matters."""
    if np.ptp(predictor) < WIDEST:
        return predictor
    order = np.argsort(predictor)
    steps = np.diff(predictor[order], prepend=predictor[order[0]])
    nearer = np.empty_like(predictor)
    nearer[order] = np.cumsum(np.minimum(steps, FAR))
    return nearer


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum of a partial likelihood, less its penalty.

    Attributes
    ----------
    coefficients
        Log hazard ratios per unit, shape (p,).
    at
        The likelihood there, of the covariates in units of their standard deviation.
    scale, information
        Those deviations, shape (p,), and the information in these units, penalty included, (p, p).
    """

    coefficients: Floats
    at: Likelihood
    scale: Floats
    information: Floats

    @property
    def covariance(self) -> Floats:
        """Inverse of the information, per unit, shape (p, p)."""
        return np.linalg.inv(self.information) / np.outer(self.scale, self.scale)


class NoMaximumError(ValueError):
    """The likelihood rises without end, is flat, or cannot be told from that."""


def maximise(
    design: Floats, risk: RiskSets, penalty: npt.ArrayLike = 0.0, start: Floats | None = None
) -> Maximum:
    """Maximise the partial likelihood by Newton's method with halved steps.

    With a penalty, ½ Σ penalty_j β_j² is taken off its logarithm (Verweij and van Houwelingen
    1994), as R's ``coxph(y ~ ridge(x, theta=penalty, scale=FALSE))`` does.
    ``glmnet(family="cox", alpha=0)`` minimises −(2/n) log-likelihood + λ Σ β_j², with Breslow's
    ties, on columns that it standardises first, unless told otherwise: `penalty` is n·λ.

    Parameters
    ----------
    design
        Covariates, shape (n, p). p may be 0. Without a penalty none is constant and none a
        combination of others.
    risk
        Of the same n patients.
    penalty
        One number, or one per column, shape (p,).
    start
        Coefficients to start from, shape (p,).

    Raises
    ------
    NoMaximumError
        If a combination of covariates without penalty separates the patients with an event from the
        others at risk, so that its coefficient grows without end, or does not differ between them
        (`histohet.survival.separation.supremum` says which).
    ValueError
        If lengths differ, or a value is not finite.
    """
    if design.ndim != 2 or len(design) != risk.n:
        raise ValueError(f"a design of shape {design.shape} for {risk.n} patients")
    if not np.isfinite(design).all():
        raise ValueError("the design of a Cox model has values that are not finite")
    deviation = design.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    standard = (design - design.mean(axis=0)) / scale
    ridge = np.broadcast_to(np.asarray(penalty, dtype=float), scale.shape) / scale**2
    coefficients = np.zeros(design.shape[1]) if start is None else start * scale
    here = Likelihood(standard, risk, coefficients)
    for _ in range(MOST_STEPS):
        information = here.information() + np.diag(ridge)
        gradient = here.score - ridge * coefficients
        # scipy.linalg.solve would take longer to check its arguments than to solve small systems.
        step, failure = dposv(information, gradient)[1:] if len(scale) else (gradient, 0)
        gain = step @ gradient
        if failure or (gain < STEP_TOLERANCE and not ridge.all() and _is_noise(information, here)):
            break
        if gain < STEP_TOLERANCE:
            return Maximum(coefficients / scale, here, scale, information)
        reached = here.log_value - ridge @ coefficients**2 / 2
        for _ in range(MOST_HALVINGS):
            there = Likelihood(standard, risk, coefficients + step)
            if there.log_value - ridge @ (coefficients + step) ** 2 / 2 > reached - 1e-9:
                break
            step = step / 2
        else:
            break
        if gain < FLAT and not ridge.all() and np.ptp(there.predictor - here.predictor) > MOTION:
            break
        coefficients, here = coefficients + step, there
    raise NoMaximumError("the partial likelihood has no maximum")


def _is_noise(information: Floats, at: Likelihood) -> bool:
    """Whether some combination of columns has no information but rounding."""
    squares = at.squares
    if not squares.all():
        return True
    unit = 1 / np.sqrt(squares)
    return bool(np.linalg.eigvalsh(information * np.outer(unit, unit))[0] < LEAST_DIGITS)
