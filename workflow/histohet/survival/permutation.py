"""Permutation p-values: the outcome of one patient given to another, and everything done again.

Scores, trimming, thresholds and groups are made without a look at outcomes. So if outcome and score
have nothing to do with each other, every assignment of the pairs (time, event) to the patients is
as likely as the one observed, and repeating the procedure for random assignments gives an exact
p-value. Cheaply: the score statistic of a Cox model is sum(x_i · M_i), x the exposure and M the
martingale residuals of the model without it, which move with the pairs; so a permutation is a dot
product.

So is the search for the cut that separates survival best. A cut point that was chosen by looking at
the outcome makes every ordinary p-value and interval of the two groups wrong (Altman et al., JNCI
86:829, 1994); so the search and its correction are one function, and it returns no other p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Bools, Floats, Ints
from histohet.survival.cox import FitStatus
from histohet.survival.design import Design
from histohet.survival.partial_likelihood import NoMaximumError, RiskSets, maximise
from histohet.survival.separation import TooFarApartError, supremum

VALUES_AT_ONCE = 1_000_000
"""Permuted values that are held in memory."""

ROUNDING = 1e-9
"""Statistics that differ by less, relative to their standard deviation, are equal: they are sums of
the same numbers in another order."""

LEAST_SHARE = 0.1
"""Share of the patients that each side of a cut must have."""


def log_rank_scores(time: npt.ArrayLike, event: npt.ArrayLike) -> Floats:
    """Return observed less expected events of each patient, shape (n,); their sum is 0.

    Their sum over a group is the numerator of its log-rank test. They are the martingale residuals
    of the model without covariates, with the Nelson–Aalen estimate.
    """
    risk = RiskSets(time, event, ties="breslow")
    return risk.martingale_residuals(np.ones(risk.n))


def exposure_permutation_p(design: Design, *, permutations: int, seed: int) -> float | None:
    """Test the first column of a Cox model by permutation; None if it cannot be tested.

    Without further columns the test is exact: it permutes the pairs (time, event). With covariates
    it permutes the martingale residuals of the model that has the covariates alone, against the
    part of the exposure that they do not explain linearly. So it tests whether the exposure says
    something about the hazard that the covariates do not. Then it is approximate, because the
    residuals are not exchangeable in full: those of patients at higher risk vary more.

    Parameters
    ----------
    design
        From `histohet.survival.design.make_design`, its first covariate a single column.
    permutations, seed
        See `permutation_p`.
    """
    if design.reason:
        return None
    exposure, covariates = design.matrix[:, 0], design.matrix[:, 1:]
    try:
        without = supremum(covariates, design.risk)
    except TooFarApartError:
        return None
    residuals = without.risk.martingale_residuals(without.maximum.at.hazard)
    if np.abs(residuals).max() < ROUNDING:
        # The covariates tell who dies when.
        return None
    known = np.column_stack([np.ones(len(exposure)), covariates])
    unexplained = exposure - known @ np.linalg.lstsq(known, exposure)[0]
    return permutation_p(unexplained, residuals, permutations=permutations, seed=seed)


def permutation_p(
    exposures: npt.ArrayLike, residuals: npt.ArrayLike, *, permutations: int, seed: int
) -> float:
    """Test by permutation whether any exposure goes with any outcome (two-sided).

    The statistic is the largest absolute correlation of an exposure with the residuals of an
    outcome; all outcomes of a patient stay together. With one exposure and one outcome this is the
    test of that pair; with several, the p-value is that of having tried them all and kept the best
    (Westfall and Young's).

    Parameters
    ----------
    exposures
        Shape (n,) or (n, k).
    residuals
        Residuals without the exposures (`log_rank_scores`), shape (n,) or (n, m).
    permutations
        Random permutations B; the p-value is (1 + b) / (1 + B), b of them at least as extreme.
    seed
        Of the permutations.
    """
    x, m = _standardised(exposures), _standardised(residuals)
    n = len(x)
    observed = np.abs(x.T @ m).max()
    rng = np.random.default_rng(seed)
    batch = max(1, VALUES_AT_ONCE // n)
    extreme = 0
    for start in range(0, permutations, batch):
        rows = np.tile(np.arange(n), (min(batch, permutations - start), 1))
        shuffled = m[rng.permuted(rows, axis=1, out=rows)]
        statistics = np.abs(np.tensordot(shuffled, x, axes=(1, 0))).max(axis=(1, 2))
        extreme += int(np.sum(statistics >= observed - ROUNDING / np.sqrt(n)))
    return (1 + extreme) / (1 + permutations)


def _standardised(values: npt.ArrayLike) -> Floats:
    """Return columns of mean 0 and length 1; a constant one becomes 0."""
    array = np.asarray(values, dtype=float)
    columns = array.reshape(len(array), -1)
    centred = columns - columns.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    varies = length > 1e-12 * np.abs(columns).max(axis=0, initial=0)
    unit: Floats = np.divide(centred, length, out=np.zeros_like(centred), where=varies)
    return unit


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


def _hazard_ratio(high: Bools, time: npt.ArrayLike, event: Bools) -> float | None:
    try:
        fitted = maximise(high[:, None].astype(float), RiskSets(time, event))
    except NoMaximumError:
        return None
    return float(np.exp(fitted.coefficients[0]))


def _count_extreme(
    residuals: Floats, low: Ints, observed: float, permutations: int, seed: int
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


def _statistics(residuals: Floats, low: Ints) -> Floats:
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
