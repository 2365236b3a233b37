"""How often models rank patients right: concordance and time-dependent AUC, with paired bootstrap.

Both are shares of comparisons "i should have the higher risk than j". Comparisons are only made
within a stratum, such as the patients of one test fold: risks of different folds come from
different models, whose scale and baseline differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """What is compared within one stratum.

    Attributes
    ----------
    members
        (m,) rows of its patients.
    weight
        (m, m) weight of the comparison that patient i (row) should have the higher risk than j.
    """

    members: Ints
    weight: Floats


def concordance_comparisons(time: Floats, event: Bools, stratum: Ints) -> list[Comparisons]:
    """Return the comparisons of Harrell's C: i has the event while j is still followed.

    Who is censored at the time of an event is followed; two events at the same time are no
    comparison, as in R's `concordance`.

    Parameters
    ----------
    time, event
        (n,) follow-up, and whether the event was observed.
    stratum
        (n,) compared within.
    """
    return [
        Comparisons(
            here,
            (
                event[here, None]
                & (
                    (time[here, None] < time[here])
                    | ((time[here, None] == time[here]) & ~event[here])
                )
            ).astype(np.float64),
        )
        for here in _strata(stratum)
    ]


def auc_comparisons(time: Floats, event: Bools, stratum: Ints, horizon: float) -> list[Comparisons]:
    """Return the comparisons of the cumulative/dynamic AUC at a horizon.

    Patient i has the event by then, j is still followed after it. Cases weigh by the inverse of the
    probability to be uncensored just before their event (Uno et al. 2007; the weight of controls is
    the same for all), estimated by Kaplan–Meier over all strata. Censoring is taken to be
    independent of everything.

    Parameters
    ----------
    time, event, stratum
        As for `concordance_comparisons`.
    horizon
        In the unit of `time`.
    """
    case = event & (time <= horizon)
    weight = np.zeros(len(time))
    weight[case] = 1 / uncensored_before(time, event, time[case])
    control = (time > horizon).astype(np.float64)
    return [Comparisons(here, np.outer(weight[here], control[here])) for here in _strata(stratum)]


def uncensored_before(time: Floats, event: Bools, at: Floats) -> Floats:
    """Return the Kaplan–Meier probability of not being censored before each time of `at`.

    Events come before censorings at the same time, so who has the event is not at risk of being
    censored then.
    """
    times, censored = np.unique(time[~event], return_counts=True)
    at_risk = np.array([np.sum(time > t) + np.sum((time == t) & ~event) for t in times])
    survival = np.concatenate([[1.0], np.cumprod(1 - censored / np.maximum(at_risk, 1))])
    found: Floats = survival[np.searchsorted(times, at, side="left")]
    return found


def share_ranked_right(
    comparisons: Sequence[Comparisons], risk: Floats, counts: Floats | None = None
) -> Floats:
    """Return the share of comparisons that `risk` ranks right; equal risks count half.

    Parameters
    ----------
    comparisons
        Of all strata. A stratum counts as much as its comparisons weigh.
    risk
        (n,) higher is worse; only compared within strata.
    counts
        (b, n) how often each patient is in each of b resamples; everybody once if not given.

    Returns
    -------
    ndarray
        (b,), or (1,) without `counts`; NaN where nothing is compared.
    """
    times_drawn = np.ones((1, len(risk))) if counts is None else counts
    right, all_of_them = np.zeros(len(times_drawn)), np.zeros(len(times_drawn))
    for one in comparisons:
        drawn, here = times_drawn[:, one.members], risk[one.members]
        rank = (np.sign(here[:, None] - here) + 1) / 2
        right += ((drawn @ (one.weight * rank)) * drawn).sum(axis=1)
        all_of_them += ((drawn @ one.weight) * drawn).sum(axis=1)
    share: Floats = np.full(len(right), np.nan)
    np.divide(right, all_of_them, out=share, where=all_of_them > 0)
    return share


def bootstrap_counts(n: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw how often each of `n` patients is in each of `resamples` resamples, (resamples, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def _strata(stratum: Ints) -> list[Ints]:
    return [np.flatnonzero(stratum == value) for value in np.unique(stratum)]
