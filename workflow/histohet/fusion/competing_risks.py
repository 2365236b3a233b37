"""Two events of which the first forbids the other: incidence as observed, and from two hazards.

A patient is censored, has the event of interest, or a competing event after which it can no longer
happen, such as death before metastasis. To take the latter for censored, and 1 − Kaplan–Meier for
the risk, answers for a world in which nobody dies, and is too high in this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from histohet.common.arrays import Bools, Floats, Ints
from histohet.prognosis.evaluation import ObservedRisk

CENSORED, EVENT, COMPETING = 0, 1, 2
"""States that follow-up ends in."""

CAUSES = (EVENT, COMPETING)

_CONFIDENCE = ndtri(0.975)


@dataclass(frozen=True, eq=False)
class Incidence:
    """Cumulative incidence of one of two competing events, as observed.

    Attributes
    ----------
    time
        Times at which either event happens, increasing, (m,).
    share
        Share of patients with the event in question up to and including each time, (m,).
    standard_error
        Aalen's (1978), as R's `cmprsk` has it, (m,).
    followed
        The longest follow-up; NaN without patients.
    at_risk_after
        Whether patients without any event are left after the last time.
    """

    time: Floats
    share: Floats
    standard_error: Floats
    followed: float
    at_risk_after: bool

    def by(self, horizon: float) -> ObservedRisk:
        """Return the incidence by a horizon; the interval is that of log(−log(incidence))."""
        if np.isnan(self.followed):
            return ObservedRisk(np.nan, reason="there is no patient")
        if self.followed < horizon and self.at_risk_after:
            last = f"the last leaves at {self.followed:g}"
            return ObservedRisk(np.nan, reason=f"nobody is followed for {horizon:g}: {last}")
        last_time = int(np.searchsorted(self.time, horizon, side="right")) - 1
        share = float(self.share[last_time]) if last_time >= 0 else 0.0
        if not 0 < share < 1:
            return ObservedRisk(share)
        reach = _CONFIDENCE * self.standard_error[last_time] / (share * np.log(share))
        upper, lower = share ** np.exp(reach), share ** np.exp(-reach)
        return ObservedRisk(share, float(lower), float(upper))


def aalen_johansen(time: Floats, state: Ints, cause: int = EVENT) -> Incidence:
    """Estimate the cumulative incidence of one of two competing events (Aalen and Johansen 1978).

    Parameters
    ----------
    time
        Follow-up, (n,). May be empty.
    state
        `CENSORED`, `EVENT` or `COMPETING`, (n,).
    cause
        Which of the two events.
    """
    happened = state != CENSORED
    moments = np.unique(time[happened])
    at_risk = len(time) - np.searchsorted(np.sort(time), moments, side="left")
    died = np.array(
        [np.sum((time[:, None] == moments) & (state == one)[:, None], axis=0) for one in CAUSES]
    )
    number = CAUSES.index(cause)
    survival = np.cumprod(1 - died.sum(axis=0) / np.maximum(at_risk, 1))
    before = np.concatenate([[1.0], survival[:-1]]) if len(moments) else survival
    share = np.cumsum(before * died[number] / np.maximum(at_risk, 1))
    return Incidence(
        time=moments,
        share=share,
        standard_error=_standard_error(share, before, survival, at_risk, died, number),
        followed=float(time.max()) if len(time) else np.nan,
        at_risk_after=bool(len(survival) == 0 or survival[-1] > 1e-12),
    )


def _standard_error(
    share: Floats, before: Floats, survival: Floats, at_risk: Ints, died: Ints, number: int
) -> Floats:
    """Return Aalen's standard error of the incidence at each of m times, (m,).

    The incidence at t changes with the hazard of its cause at u by S(u−), and with either hazard by
    what is still to come, I(t) − I(u), of which those who leave at u have no part. Hazards of
    different times and causes are uncorrelated; that of d among n has the variance d (n − d) /
    (n² (n − 1)).
    """
    # The hazard of everybody who is left leaves nobody for later, and has no variance.
    spread = died * (at_risk - died) / np.maximum(at_risk**2 * (at_risk - 1.0), 1.0)
    ahead = np.divide(before, survival, out=np.zeros_like(before), where=survival > 1e-12)
    by_own, by_other = spread[number], spread[1 - number]
    variance = np.zeros(len(share))
    for last in range(len(share)):
        until = slice(0, last + 1)
        lost = (share[last] - share[until]) * ahead[until]
        gained = (before[until] - lost) ** 2 * by_own[until]
        variance[last] = np.sum(gained + lost**2 * by_other[until])
    return np.sqrt(variance)


@dataclass(frozen=True, eq=False)
class Hazards:
    """Baseline hazards of the two events.

    Attributes
    ----------
    time
        Times of either event among those they were learnt from, increasing, (m,).
    increments
        By how much the cumulative hazard of each event grows at each time, for a patient whose log
        relative hazard is 0, (2, m).
    """

    time: Floats
    increments: Floats

    def incidence(self, predictors: Floats, at: Floats) -> Floats:
        """Return the incidence of the event, F₁(t | x), from both cause-specific hazards.

        F₁(t) = Σ S(u−) (1 − exp(−dΛ(u))) dΛ₁(u) / dΛ(u), with dΛ = dΛ₁ + dΛ₂ and S = exp(−Λ): who
        leaves at a time is shared out by the hazards, so that both incidences and the survival add
        up to 1, and without a competing event F₁ = 1 − exp(−Λ₁).

        Parameters
        ----------
        predictors
            Log relative hazard of n patients for each event, (2, n).
        at
            Times, (h,).

        Returns
        -------
        ndarray
            (n, h) float64, between 0 and 1.
        """
        # Somebody unlike all training patients may be beyond what a float holds.
        relative = np.exp(np.minimum(predictors, 500.0))
        own = relative[0][:, None] * self.increments[0]
        total = own + relative[1][:, None] * self.increments[1]
        cumulative = np.cumsum(total, axis=1)
        survival = np.exp(-(cumulative - total))
        part = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
        incidence = np.cumsum(survival * -np.expm1(-total) * part, axis=1)
        padded = np.hstack([np.zeros((len(incidence), 1)), incidence])
        return padded[:, np.searchsorted(self.time, at, side="right")]


def outlived(time: Floats, state: Ints) -> Floats:
    """Return follow-up in which whoever had the competing event is followed for ever, (n,).

    The event did not happen to them and never will, so they are compared with all who had it
    (Wolbers et al. 2009).
    """
    return np.where(state == COMPETING, time.max(initial=0.0) + 1.0, time)


def of_cause(state: Ints, cause: int) -> Bools:
    """Return who had one of the events, (n,); the other is censored where a hazard is modelled."""
    found: Bools = state == cause
    return found
