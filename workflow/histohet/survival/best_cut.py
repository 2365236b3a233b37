"""The cut of a score that separates survival best, with the p-value that the search deserves.

A cut point that was chosen by looking at the outcome makes every ordinary p-value and interval of
the two groups wrong (Altman et al., JNCI 86:829, 1994). So the search and its correction are one
function, and it returns no other p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histohet.survival.cox import FitStatus
from histohet.survival.partial_likelihood import Floats, NoMaximumError, RiskSets, maximise
from histohet.survival.permutation import ROUNDING, VALUES_AT_ONCE, log_rank_scores

LEAST_SHARE = 0.1
"""Share of the patients that each side of a cut must have."""


@dataclass(frozen=True)
class BestCut:
    """The cut with the largest log-rank statistic.

    Attributes
    ----------
    status, reason
        ``not_estimable`` carries a reason.
    cut
        Patients with at most this score are low, the others high.
    n_cuts
        Cuts that were tried.
    statistic
        Standardised log-rank statistic of the best, positive if the high group dies sooner.
    hazard_ratio
        High against low, without p-value or interval. It is too far from 1, as the cut was chosen
        for it. None if it is not finite.
    permutation_p
        Share of permutations whose own best cut separates at least as well.
    permutations
        Their number.
    """

    status: FitStatus
    reason: str = ""
    cut: float | None = None
    n_cuts: int = 0
    statistic: float | None = None
    hazard_ratio: float | None = None
    permutation_p: float | None = None
    permutations: int = 0


def best_cut(
    score: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    permutations: int,
    seed: int,
) -> BestCut:
    """Search the cut with the largest log-rank statistic, and repeat the search by permutation.

    The statistic is the linear rank statistic of Lausen and Schumacher (Biometrics 48:73, 1992):
    observed less expected events of the high group, divided by their standard deviation over all
    permutations. Cuts are scores that leave at least `LEAST_SHARE` of the patients on either side.

    Parameters
    ----------
    score, time, event
        Of the patients, each of shape (n,).
    permutations
        Random permutations B of the outcomes; the p-value is (1 + b) / (1 + B).
    seed
        Of the permutations.
    """
    scores, observed = np.asarray(score, dtype=float), np.asarray(event, dtype=bool)
    if observed.sum() < 2:
        return BestCut(
            "not_estimable", f"{observed.sum()} events among {len(scores)} patients: too few"
        )
    values, counts = np.unique(scores, return_counts=True)
    low = np.cumsum(counts)
    possible = np.minimum(low, len(scores) - low) >= LEAST_SHARE * len(scores)
    values, low = values[possible], low[possible]
    if not len(values):
        return BestCut(
            "not_estimable",
            f"no score leaves {LEAST_SHARE:.0%} of {len(scores)} patients on either side",
        )
    residuals = log_rank_scores(time, observed)[np.argsort(scores, kind="stable")]
    statistics = _statistics(residuals[None], low)[0]
    best = int(np.argmax(np.abs(statistics)))
    extreme = _count_extreme(residuals, low, float(np.abs(statistics[best])), permutations, seed)
    return BestCut(
        status="ok",
        cut=float(values[best]),
        n_cuts=len(values),
        statistic=float(statistics[best]),
        hazard_ratio=_hazard_ratio(scores > values[best], time, observed),
        permutation_p=(1 + extreme) / (1 + permutations),
        permutations=permutations,
    )


def _hazard_ratio(
    high: npt.NDArray[np.bool_], time: npt.ArrayLike, event: npt.NDArray[np.bool_]
) -> float | None:
    try:
        fitted = maximise(high[:, None].astype(float), RiskSets(time, event))
    except NoMaximumError:
        return None
    return float(np.exp(fitted.coefficients[0]))


def _count_extreme(
    residuals: Floats, low: npt.NDArray[np.int64], observed: float, permutations: int, seed: int
) -> int:
    """Count the permutations whose best cut is at least as extreme as the observed one."""
    rng = np.random.default_rng(seed)
    batch = max(1, VALUES_AT_ONCE // len(residuals))
    extreme = 0
    for start in range(0, permutations, batch):
        rows = np.tile(residuals, (min(batch, permutations - start), 1))
        statistics = _statistics(rng.permuted(rows, axis=1, out=rows), low)
        extreme += int(np.sum(np.abs(statistics).max(axis=1) >= observed - ROUNDING))
    return extreme


def _statistics(residuals: Floats, low: npt.NDArray[np.int64]) -> Floats:
    """Return the standardised statistic of every cut, (b, c).

    Parameters
    ----------
    residuals
        Log-rank scores in order of the patients' scores, (b, n); their sum is 0.
    low
        Number of patients at or below each cut, (c,).
    """
    n = residuals.shape[1]
    scale = (residuals[0] ** 2).sum() / (n * (n - 1))
    # The residuals add up to 0: those of the high group are what the low group lacks.
    of_high = -np.cumsum(residuals, axis=1)[:, low - 1]
    standardised: Floats = of_high / np.sqrt(low * (n - low) * scale)
    return standardised
