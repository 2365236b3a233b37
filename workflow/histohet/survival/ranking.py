"""How often a risk ranks patients right: Harrell's C and the time-dependent AUC.

Both are shares of comparisons "i should have the higher risk than j", equal risks counting half.
With strata, comparisons are made within each alone, such as the patients of one test fold: risks of
different folds come from different models, whose scale and baseline differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Bools, Floats, Int32, Ints

REPLICATES_AT_ONCE = 64
"""Bootstrap replicates that share one pass; their tree of counts stays in the processor's cache."""


@dataclass(frozen=True)
class Concordance:
    """Harrell's C with a bootstrap interval.

    Attributes
    ----------
    c
        Share of comparable pairs in which the higher risk has the shorter survival, equal risks
        counting half; above 0.5, a higher risk means a higher hazard. None without a pair.
    lower, upper
        Percentiles 2.5 and 97.5 of the bootstrap over patients, None without a pair.
    replicates
        Bootstrap replicates.
    """

    c: float | None
    lower: float | None
    upper: float | None
    replicates: int


def concordance(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    replicates: int,
    seed: int,
) -> Concordance:
    """Estimate Harrell's C with its interval.

    Parameters
    ----------
    time, event, risk
        See `c_index`.
    replicates
        Bootstrap replicates; 0 for no interval.
    seed
        Of the bootstrap.
    """
    c = c_index(time, event, risk)[0]
    if np.isnan(c) or not replicates:
        return Concordance(None if np.isnan(c) else float(c), None, None, replicates)
    shares = bootstrapped_c(time, event, risk, replicates=replicates, seed=seed)
    lower, upper = np.nanpercentile(shares, [2.5, 97.5])
    return Concordance(float(c), float(lower), float(upper), replicates)


def bootstrapped_c(
    time: npt.ArrayLike, event: npt.ArrayLike, risk: npt.ArrayLike, *, replicates: int, seed: int
) -> Floats:
    """Return Harrell's C in bootstrap samples of the patients, shape (replicates,).

    The samples are the same for every risk of the same patients, so that differences between two
    risks can be taken sample by sample. NaN in a sample without comparable pairs.
    """
    order = _by_time(np.asarray(time, dtype=float), np.asarray(event, dtype=bool))
    n = len(order)
    rng = np.random.default_rng(seed)
    counts = np.empty((replicates, n), np.int32)
    # Drawn in order of time, so that the order of rows does not matter.
    for row in counts:
        row[order] = np.bincount(rng.integers(0, n, n), minlength=n)
    return c_index(time, event, risk, counts=counts)


def c_index(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    counts: npt.NDArray[np.number] | None = None,
    stratum: npt.ArrayLike | None = None,
) -> Floats:
    """Return Harrell's C (Harrell et al., JAMA 247:2543, 1982) in O(n log n).

    A pair is comparable if the shorter time is an event; at equal times, if one is an event and
    the other is not, and then the event is the first. Two events at one time are no pair. So do R's
    `concordance` and lifelines.

    Parameters
    ----------
    time, event, risk
        Follow-up, whether the event was observed, and anything that grows with the hazard, each
        of shape (n,).
    counts
        How often each patient is in each of b resamples, whole numbers, shape (b, n); everybody
        once if not given.
    stratum
        Compared within, shape (n,); all with all if not given. A stratum counts as much as it has
        pairs.

    Returns
    -------
    ndarray
        Shape (b,), or (1,) without `counts`; NaN without a comparable pair.
    """
    concordant, discordant, tied = count_pairs(time, event, risk, counts=counts, stratum=stratum)
    total = concordant + discordant + tied
    share: Floats = np.full(total.shape, np.nan)
    np.divide(concordant + tied / 2, total, out=share, where=total > 0)
    return share


def count_pairs(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    counts: npt.NDArray[np.number] | None = None,
    stratum: npt.ArrayLike | None = None,
) -> Ints:
    """Count comparable pairs, parameters as for `c_index`.

    Returns
    -------
    int64 (3, b)
        Pairs in which who has the event first has the higher, the lower or the same risk.
    """
    times, observed = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    risks = np.asarray(risk, dtype=float)
    weights = np.ones((1, len(times))) if counts is None else counts
    found = np.zeros((3, len(weights)), np.int64)
    for here in _strata(times, stratum):
        order = here[_by_time(times[here], observed[here])]
        moment = np.unique(times[order], return_inverse=True)[1]
        level = np.unique(risks[order], return_inverse=True)[1]
        for start in range(0, len(weights), REPLICATES_AT_ONCE):
            block = slice(start, start + REPLICATES_AT_ONCE)
            drawn = np.ascontiguousarray(weights[block, order].T, dtype=np.int32)
            found[:, block] += _count_pairs(moment, observed[order], level, drawn)
    return found


def dynamic_auc(
    time: Floats,
    event: Bools,
    risk: Floats,
    horizon: float,
    *,
    counts: npt.NDArray[np.number] | None = None,
    stratum: npt.ArrayLike | None = None,
) -> Floats:
    """Return the cumulative/dynamic AUC at a horizon.

    Patient i has the event by then, j is still followed after it. Cases weigh by the inverse of the
    probability to be uncensored just before their event (Uno et al. 2007; the weight of controls is
    the same for all), estimated by Kaplan–Meier over all strata. Censoring is taken to be
    independent of everything.

    Parameters
    ----------
    time, event, risk, counts, stratum
        As for `c_index`.
    horizon
        In the unit of `time`.

    Returns
    -------
    ndarray
        Shape (b,), or (1,) without `counts`; NaN where nothing is compared.
    """
    case = event & (time <= horizon)
    weight = np.zeros(len(time))
    weight[case] = 1 / uncensored_before(time, event, time[case])
    control = (time > horizon).astype(np.float64)
    drawn = np.ones((1, len(time))) if counts is None else counts
    right, total = np.zeros(len(drawn)), np.zeros(len(drawn))
    for here in _strata(time, stratum):
        rank = (np.sign(risk[here, None] - risk[here]) + 1) / 2
        cases, controls = drawn[:, here] * weight[here], drawn[:, here] * control[here]
        right += ((cases @ rank) * controls).sum(axis=1)
        total += cases.sum(axis=1) * controls.sum(axis=1)
    share: Floats = np.full(len(drawn), np.nan)
    np.divide(right, total, out=share, where=total > 0)
    return share


def uncensored_before(time: Floats, event: Bools, at: Floats) -> Floats:
    """Return the Kaplan–Meier probability of not being censored before each time of `at`.

    Events come before censorings at the same time, so who has the event is not at risk of being
    censored then.
    """
    times, censored = np.unique(time[~event], return_counts=True)
    at_risk = np.array([np.sum(time > t) + np.sum((time == t) & ~event) for t in times])
    survival = np.concatenate([[1.0], np.cumprod(1 - censored / np.maximum(at_risk, 1))])
    return survival[np.searchsorted(times, at, side="left")]


def bootstrap_counts(n: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw how often each of `n` patients is in each of `resamples` resamples, (resamples, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def _by_time(time: Floats, event: Bools) -> Ints:
    """Return rows from the longest time to the shortest, at equal times the censored first."""
    return np.lexsort((event, -time))


def _strata(time: Floats, stratum: npt.ArrayLike | None) -> Iterator[Ints]:
    """Yield the rows of each stratum."""
    of = np.zeros(len(time)) if stratum is None else np.asarray(stratum)
    for value in np.unique(of):
        yield np.flatnonzero(of == value)


@numba.njit(cache=True)
def _count_pairs(moment: Ints, event: Bools, level: Ints, weights: Int32) -> Ints:
    """Count pairs with a Fenwick tree over the levels of risk of those who survive longer."""
    n, replicates = weights.shape
    size = level.max() + 1 if n else 0
    tree = np.zeros((size + 1, replicates), dtype=np.int32)
    longer = np.zeros(replicates, dtype=np.int32)
    below = np.empty(replicates, dtype=np.int32)
    up_to = np.empty(replicates, dtype=np.int32)
    counts = np.zeros((3, replicates), dtype=np.int64)
    waiting = 0
    for i in range(n):
        # Who dies together enters the tree together, and makes no pair.
        while waiting < i and (not event[waiting] or moment[waiting] != moment[i]):
            _enter(tree, level[waiting], weights[waiting])
            longer += weights[waiting]
            waiting += 1
        if event[i]:
            _sum_below(tree, level[i], below)
            _sum_below(tree, level[i] + 1, up_to)
            for r in range(replicates):
                weight = np.int64(weights[i, r])
                counts[0, r] += weight * below[r]
                counts[1, r] += weight * (longer[r] - up_to[r])
                counts[2, r] += weight * (up_to[r] - below[r])
    return counts


@numba.njit(cache=True)
def _enter(tree: Int32, level: int, weights: Int32) -> None:
    at = level + 1
    while at < len(tree):
        for r in range(len(weights)):
            tree[at, r] += weights[r]
        at += at & -at


@numba.njit(cache=True)
def _sum_below(tree: Int32, level: int, total: Int32) -> None:
    total[:] = 0
    at = level
    while at > 0:
        for r in range(len(total)):
            total[r] += tree[at, r]
        at -= at & -at
