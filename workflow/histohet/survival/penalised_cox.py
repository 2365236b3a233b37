"""Cox models with a ridge penalty: the fit, its baseline hazard and its held-out likelihood.

Ties are handled by Breslow's method, as in R's `glmnet`: predicted risks need Breslow's baseline
hazard, and a likelihood that belongs to it. Everything is exact up to rounding; there is no
approximation to the Hessian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dposv

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_STEPS = 100
MAX_HALVINGS = 40

DECREMENT = 1e-8
"""Newton's step is the last once it promises less log-likelihood than this. Steps converge
quadratically, so the last one leaves an error near the rounding of the likelihood."""


def fit_ridge_cox(
    design: Floats,
    time: Floats,
    event: Bools,
    penalty: npt.ArrayLike,
) -> Floats:
    """Fit a Cox model by ridge regression (Verweij and van Houwelingen 1994).

    Newton's method maximises the log partial likelihood minus ½ Σ penalty_j β_j², which is what R's
    ``coxph(y ~ ridge(x, theta=penalty, scale=FALSE), ties="breslow")`` maximises.
    ``glmnet(family="cox", alpha=0)`` minimises −(2/n) log-likelihood + λ Σ β_j² on columns that it
    standardises first, unless told otherwise: `penalty` is n·λ.

    Parameters
    ----------
    design
        (n, p) float64, one row per patient.
    time, event
        (n,) follow-up in any unit, and whether the event was observed.
    penalty
        Above 0, so that there is one maximum; one number, or one per column, (p,).

    Returns
    -------
    ndarray
        (p,) coefficients per unit of each column.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, there is no event, or a penalty is not above 0 or
        too small for the maximum to be found.
    """
    sets = _RiskSets.of(time, event)
    x, ridge = _checked(design, penalty, sets)
    return _maximise(x, sets, ridge, np.zeros(x.shape[1]))


def log_partial_likelihood(linear_predictor: Floats, time: Floats, event: Bools) -> float:
    """Return Breslow's log partial likelihood (Cox 1972), 0 without events.

    Parameters
    ----------
    linear_predictor
        (n,) log relative hazard.
    time, event
        As for `fit_ridge_cox`.
    """
    sets = _RiskSets.of(time, event)
    return sets.log_likelihood(np.asarray(linear_predictor, np.float64)[sets.order])


def cumulative_baseline_hazard(
    linear_predictor: Floats, time: Floats, event: Bools, at: npt.ArrayLike
) -> Floats:
    """Return Breslow's cumulative hazard of a patient with linear predictor 0.

    It is taken up to and including each time of `at`, and flat beyond the last event. The
    probability of surviving beyond t is exp(−H₀(t) · exp(linear predictor)).
    """
    sets = _RiskSets.of(time, event)
    eta = np.asarray(linear_predictor, np.float64)[sets.order]
    shift, at_risk = sets.at_risk(eta)
    hazard = np.concatenate([[0.0], np.cumsum(sets.deaths / at_risk) * np.exp(-shift)])
    found: Floats = hazard[np.searchsorted(sets.times, at, side="right")]
    return found


def held_out_likelihood(
    design: Floats, time: Floats, event: Bools, training: Bools, penalties: Floats
) -> Floats:
    """Return how well fits on the training patients foretell the others, for several penalties.

    This is one term of the cross-validated partial likelihood (Verweij and van Houwelingen 1993,
    eq. 3): the log partial likelihood of everybody minus that of the training patients, both with
    the coefficients of the training patients. The sum over folds is −½ times `cv.glmnet`'s
    deviance.

    Parameters
    ----------
    design, time, event
        Everybody, as for `fit_ridge_cox`.
    training
        (n,) who the model is fitted on.
    penalties
        (m, p) from strong to weak, each fit starting from the one before.

    Returns
    -------
    ndarray
        (m,), higher is better.
    """
    everybody, fitted = _RiskSets.of(time, event), _RiskSets.of(time[training], event[training])
    x, inner = design[everybody.order], design[training]
    beta, found = np.zeros(design.shape[1]), np.empty(len(penalties))
    for i, penalty in enumerate(penalties):
        sorted_inner, ridge = _checked(inner, penalty, fitted)
        beta = _maximise(sorted_inner, fitted, ridge, beta)
        found[i] = everybody.log_likelihood(x @ beta) - fitted.log_likelihood(sorted_inner @ beta)
    return found


def _checked(design: Floats, penalty: npt.ArrayLike, sets: _RiskSets) -> tuple[Floats, Floats]:
    """Return the design in the order of the risk sets, and the penalty of each column."""
    x = np.asarray(design, np.float64)
    if x.ndim != 2 or len(x) != sets.n:
        raise ValueError(f"a design of shape {x.shape} for {sets.n} patients")
    if not np.isfinite(x).all():
        raise ValueError("the design of a Cox model has values that are not finite")
    if not sets.deaths.size:
        raise ValueError(f"no event among {sets.n} patients: there is no Cox model")
    ridge = np.broadcast_to(np.asarray(penalty, np.float64), x.shape[1:])
    if not (ridge > 0).all():
        raise ValueError("a penalty must be above 0")
    return x[sets.order], ridge


def _maximise(x: Floats, sets: _RiskSets, ridge: Floats, start: Floats) -> Floats:
    """Return the coefficients by Newton's method, every step halved until it gains."""
    beta: Floats = start
    value = sets.log_likelihood(x @ beta) - ridge @ beta**2 / 2
    for _ in range(MAX_STEPS):
        gradient, information = sets.derivatives(x, x @ beta)
        gradient -= ridge * beta
        # scipy.linalg.solve would take longer to check its arguments than to solve small systems.
        _, step, failure = dposv(information + np.diag(ridge), gradient)
        if failure:
            raise ValueError(
                "columns of a Cox model follow from each other: they need a larger penalty"
            )
        promised = gradient @ step / 2
        for halving in range(MAX_HALVINGS):
            candidate = beta + step / 2**halving
            found = sets.log_likelihood(x @ candidate) - ridge @ candidate**2 / 2
            # Rounding may hide a gain as small as the last step's.
            if found >= value - 1e-12 * (1 + abs(value)):
                break
        else:
            raise ValueError("the Cox model did not converge: no step raises the likelihood")
        beta, value = candidate, found
        if promised < DECREMENT:
            return beta
    raise ValueError(f"the Cox model did not converge in {MAX_STEPS} steps")


@dataclass(frozen=True, eq=False)
class _RiskSets:
    """Patients in the order of their times, and who is at risk at each distinct event time.

    Attributes
    ----------
    order
        (n,) row of each patient.
    event
        (n,) in that order.
    times, deaths, first
        (u,) distinct event times, events at each, and the first patient still at risk.
    n_passed
        (n,) number of distinct event times up to each patient's time.
    """

    order: npt.NDArray[np.int64]
    event: Bools
    times: Floats
    deaths: Floats
    first: npt.NDArray[np.int64]
    n_passed: npt.NDArray[np.int64]

    @classmethod
    def of(cls, time: Floats, event: Bools) -> _RiskSets:
        times, observed = np.asarray(time, np.float64), np.asarray(event, np.bool_)
        if times.shape != observed.shape or times.ndim != 1:
            raise ValueError(f"{times.shape} times for {observed.shape} events")
        if not np.isfinite(times).all():
            raise ValueError("a follow-up time is not finite")
        order = np.argsort(times, kind="stable")
        times, observed = times[order], observed[order]
        distinct, deaths = np.unique(times[observed], return_counts=True)
        first = np.searchsorted(times, distinct, side="left")
        passed = np.searchsorted(distinct, times, side="right")
        return cls(order, observed, distinct, deaths.astype(np.float64), first, passed)

    @property
    def n(self) -> int:
        return len(self.order)

    def at_risk(self, eta: Floats) -> tuple[float, Floats]:
        """Return a shift, and Σ exp(eta − shift) over those at risk at each event time."""
        shift = float(eta.max(initial=-np.inf)) if eta.size else 0.0
        return shift, _reverse_sum(np.exp(eta - shift))[self.first]

    def log_likelihood(self, eta: Floats) -> float:
        shift, at_risk = self.at_risk(eta)
        # A step so long that nobody at risk has any weight left is refused by its likelihood.
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = self.deaths @ (np.log(at_risk) + shift)
        return float(eta[self.event].sum() - lost)

    def derivatives(self, x: Floats, eta: Floats) -> tuple[Floats, Floats]:
        """Return gradient (p,) and observed information (p, p) of the log partial likelihood."""
        shift, at_risk = self.at_risk(eta)
        weight = np.exp(eta - shift)
        hazard = np.concatenate([[0.0], np.cumsum(self.deaths / at_risk)])[self.n_passed]
        expected = weight * hazard
        means = _reverse_sum(weight[:, None] * x)[self.first] / at_risk[:, None]
        gradient: Floats = x.T @ (self.event - expected)
        information: Floats = x.T @ (expected[:, None] * x) - means.T @ (
            self.deaths[:, None] * means
        )
        return gradient, information


def _reverse_sum(values: Floats) -> Floats:
    """Return the sum of every row and all after it."""
    sums: Floats = np.cumsum(values[::-1], axis=0)[::-1]
    return sums
