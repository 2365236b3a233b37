"""Harrell's C: how often the patient with the higher risk has the event first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

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


@dataclass(frozen=True)
class Pairs:
    """Pairs of patients of whom one is known to have the event before the other.

    Attributes
    ----------
    concordant, discordant, tied
        Pairs in which who has the event first has the higher, the lower or the same risk.
    """

    concordant: int
    discordant: int
    tied: int


def concordance(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    replicates: int,
    seed: int,
) -> Concordance:
    """Estimate Harrell's C (Harrell et al., JAMA 247:2543, 1982) in O(n log n).

    A pair is comparable if the shorter time is an event; at equal times, if one is an event and
    the other is not, and then the event is the first. Two events at one time are no pair. So do R's
    `concordance` and lifelines.

    Parameters
    ----------
    time, event, risk
        Follow-up, whether the event was observed, and anything that grows with the hazard, each
        of shape (n,).
    replicates
        Bootstrap replicates; 0 for no interval.
    seed
        Of the bootstrap.
    """
    ranked = _Ranked.of(time, event, risk)
    n = len(ranked.order)
    c = _share(ranked.pairs(np.ones((n, 1), dtype=np.int32)))[0]
    if np.isnan(c) or not replicates:
        return Concordance(None if np.isnan(c) else float(c), None, None, replicates)
    shares = bootstrapped_c(time, event, risk, replicates=replicates, seed=seed)
    lower, upper = np.nanpercentile(shares, [2.5, 97.5])
    return Concordance(float(c), float(lower), float(upper), replicates)


def bootstrapped_c(
    time: npt.ArrayLike, event: npt.ArrayLike, risk: npt.ArrayLike, *, replicates: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return Harrell's C in bootstrap samples of the patients, shape (replicates,).

    The samples are the same for every risk of the same patients, so that differences between two
    risks can be taken sample by sample. NaN in a sample without comparable pairs.
    """
    ranked = _Ranked.of(time, event, risk)
    n = len(ranked.order)
    rng = np.random.default_rng(seed)
    shares = np.empty(replicates)
    for start in range(0, replicates, REPLICATES_AT_ONCE):
        size = min(REPLICATES_AT_ONCE, replicates - start)
        # A bootstrap sample is a weight per patient, so nothing needs to be sorted again.
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        counts = ranked.pairs(np.ascontiguousarray(weights.T, dtype=np.int32))
        shares[start : start + size] = _share(counts)
    return shares


def comparable_pairs(time: npt.ArrayLike, event: npt.ArrayLike, risk: npt.ArrayLike) -> Pairs:
    """Count the comparable pairs; parameters as for `concordance`."""
    ranked = _Ranked.of(time, event, risk)
    counts = ranked.pairs(np.ones((len(ranked.order), 1), dtype=np.int32))[:, 0]
    return Pairs(*(int(count) for count in counts))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Patients from the longest time to the shortest, at equal times the censored first."""

    order: Ints
    moment: Ints
    event: npt.NDArray[np.bool_]
    level: Ints

    @classmethod
    def of(cls, time: npt.ArrayLike, event: npt.ArrayLike, risk: npt.ArrayLike) -> Self:
        times, observed = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
        order = np.lexsort((observed, -times))
        _, moment = np.unique(times, return_inverse=True)
        _, level = np.unique(np.asarray(risk, dtype=float), return_inverse=True)
        return cls(order, moment[order], observed[order], level[order])

    def pairs(self, weights: npt.NDArray[np.int32]) -> Ints:
        """Count concordant, discordant and tied pairs, (3, r), under r weights, (n, r), ordered."""
        return _count_pairs(self.moment, self.event, self.level, weights)


@numba.njit(cache=True)
def _count_pairs(
    moment: Ints, event: npt.NDArray[np.bool_], level: Ints, weights: npt.NDArray[np.int32]
) -> Ints:
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
def _enter(tree: npt.NDArray[np.int32], level: int, weights: npt.NDArray[np.int32]) -> None:
    at = level + 1
    while at < len(tree):
        for r in range(len(weights)):
            tree[at, r] += weights[r]
        at += at & -at


@numba.njit(cache=True)
def _sum_below(tree: npt.NDArray[np.int32], level: int, total: npt.NDArray[np.int32]) -> None:
    total[:] = 0
    at = level
    while at > 0:
        for r in range(len(total)):
            total[r] += tree[at, r]
        at -= at & -at


def _share(counts: Ints) -> Floats:
    """Return C of each replicate, NaN without a comparable pair."""
    total = counts.sum(axis=0)
    concordant = counts[0] + counts[2] / 2
    share: Floats = np.divide(concordant, total, out=np.full(len(total), np.nan), where=total > 0)
    return share
