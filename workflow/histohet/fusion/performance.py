"""How good predicted risks are by a horizon, in the presence of a competing event.

Who had the event by the horizon is a case; who had the competing one, or is followed beyond, is
not. Who was censored before is neither: the others stand for them, by the inverse probability of
being uncensored (IPCW; Graf et al. 1999, Uno et al. 2007, Blanche et al. 2013), which is estimated
from everybody and taken as known. By these weights the share of cases is the Aalen–Johansen
estimate. All functions take resamples of the patients, as counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.competing_risks import CENSORED, EVENT, of_cause, outlived
from histohet.survival.ranking import c_index, uncensored_before


@dataclass(frozen=True, eq=False)
class ByHorizon:
    """Who has had the event by a horizon, and for how many each patient stands.

    Attributes
    ----------
    case
        Whether the event is known to have happened by then, (n,).
    weight
        0 for who was censored before, (n,). They add up to n where somebody is followed beyond.
    """

    case: Bools
    weight: Floats

    @property
    def compares(self) -> bool:
        """Whether there are cases and others."""
        return bool(self.case.any() and (self.weight[~self.case] > 0).any())


def known_by(time: Floats, state: Ints, horizon: float) -> ByHorizon:
    """Weigh patients by the inverse probability of being uncensored.

    Parameters
    ----------
    time, state
        Follow-up and how it ended, each (n,).
    horizon
        In the unit of `time`.
    """
    happened = state != CENSORED
    # A censoring at the horizon itself is one before somebody is followed beyond it.
    reached = np.where(time > horizon, np.nextafter(horizon, np.inf), time)
    known = (time > horizon) | happened
    weight = np.zeros(len(time))
    weight[known] = 1 / uncensored_before(time, happened, reached[known])
    return ByHorizon((state == EVENT) & (time <= horizon), weight)


def auc(known: ByHorizon, risk: Floats, stratum: Ints, counts: Floats) -> Floats:
    """Return the share of case and other of the same stratum with the higher risk in the case.

    Parameters
    ----------
    known
        Of n patients.
    risk
        Anything that grows with it, (n,).
    stratum
        Compared within, (n,).
    counts
        How often each patient is in each of b resamples, (b, n).

    Returns
    -------
    ndarray
        (b,); NaN where nothing is compared.
    """
    right, total = np.zeros(len(counts)), np.zeros(len(counts))
    for value in np.unique(stratum):
        here = stratum == value
        rank = (np.sign(risk[here, None] - risk[here]) + 1) / 2
        drawn = counts[:, here] * known.weight[here]
        cases, others = drawn * known.case[here], drawn * ~known.case[here]
        right += ((cases @ rank) * others).sum(axis=1)
        total += cases.sum(axis=1) * others.sum(axis=1)
    share: Floats = np.full(len(counts), np.nan)
    np.divide(right, total, out=share, where=total > 0)
    return share


def concordance(
    time: Floats, state: Ints, risk: Floats, horizon: float, stratum: Ints, counts: Floats
) -> Floats:
    """Return Harrell's C of events by a horizon (Wolbers et al. 2009, Gerds et al. 2013).

    Who has the event is compared with everybody who had it later, was followed for longer, or had
    the competing event, at whatever time.

    Parameters
    ----------
    time, state, risk, stratum, counts
        As for `auc`.
    horizon
        Events after it do not count.

    Returns
    -------
    ndarray
        (b,); NaN where nothing is compared.
    """
    event = of_cause(state, EVENT) & (time <= horizon)
    return c_index(outlived(time, state), event, risk, counts=counts, stratum=stratum)


def brier(known: ByHorizon, risk: Floats, counts: Floats) -> Floats:
    """Return the mean squared difference between predicted risk and what happened, (b,).

    Parameters
    ----------
    known, counts
        As for `auc`.
    risk
        Predicted probabilities, (n,).
    """
    loss = known.weight * (known.case - risk) ** 2
    found: Floats = counts @ loss / counts.sum(axis=1)
    return found


def net_benefit(known: ByHorizon, risk: Floats, thresholds: Floats, counts: Floats) -> Floats:
    """Return what treating everybody with at least a threshold of risk is worth (Vickers 2008).

    Cases that are treated, less others that are, each of whom costs p / (1 − p) of a case at the
    threshold p; per patient. Treating all is worth that of the risk 1, treating nobody 0.

    Parameters
    ----------
    known, risk, counts
        As for `brier`.
    thresholds
        Between 0 and 1, (t,).

    Returns
    -------
    ndarray
        (b, t).
    """
    treated = risk[:, None] >= thresholds
    gain = (known.weight * known.case)[:, None] * treated
    cost = (known.weight * ~known.case)[:, None] * treated * (thresholds / (1 - thresholds))
    found: Floats = counts @ (gain - cost) / counts.sum(axis=1)[:, None]
    return found
