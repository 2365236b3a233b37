"""Permutation p-values: the outcome of one patient given to another, and everything done again.

Scores, trimming, thresholds and groups are made without a look at outcomes. So if outcome and score
have nothing to do with each other, every assignment of the pairs (time, event) to the patients is
as likely as the one observed, and repeating the procedure for random assignments gives an exact
p-value. Cheaply: the score statistic of a Cox model is sum(x_i · M_i), x the exposure and M the
martingale residuals of the model without it, which move with the pairs; so a permutation is a dot
product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from histohet.survival.design import Design
from histohet.survival.partial_likelihood import Floats, NoMaximumError, RiskSets, maximise

VALUES_AT_ONCE = 1_000_000
"""Permuted values that are held in memory."""

ROUNDING = 1e-9
"""Statistics that differ by less, relative to their standard deviation, are equal: they are sums of
the same numbers in another order."""


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
        without = maximise(covariates, design.risk)
    except NoMaximumError:
        return None
    residuals = design.risk.martingale_residuals(np.exp(without.at.predictor))
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
