"""Area under the ROC curve, with its interval, over patients of the same fold."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from histohet.common.arrays import Bools, Floats

CONFIDENCE = 0.95


class Auc(NamedTuple):
    """An AUC with the limits of its interval, and the numbers behind it; NaN without a pair."""

    value: float
    lower: float
    upper: float
    n_low: int
    n_high: int


def auc(scores: Floats, high: Bools) -> float:
    """Return how often a high one has the higher score, ties by half; NaN without a pair."""
    n_high, n_low = int(high.sum()), int((~high).sum())
    if not n_high or not n_low:
        return math.nan
    ranks = rankdata(scores)
    return float((ranks[high].sum() - n_high * (n_high + 1) / 2) / (n_high * n_low))


def placements(scores: Floats, high: Bools) -> tuple[Floats, Floats]:
    """Return of each high one the share of low ones below it, and of each low one of high above it.

    Ties count by half. Their means are the AUC, their variances those of DeLong et al., Biometrics
    1988, in O(n log n) by midranks (Sun and Xu, IEEE Signal Processing Letters 2014).
    """
    n_high, n_low = int(high.sum()), int((~high).sum())
    ranks = rankdata(scores)
    of_high = (ranks[high] - rankdata(scores[high])) / n_low
    of_low = 1 - (ranks[~high] - rankdata(scores[~high])) / n_high
    return of_high, of_low


def stratified_auc(
    scores: Floats, high: Bools, strata: npt.NDArray[np.integer] | None = None
) -> Auc:
    """Return the AUC over pairs of the same stratum, with DeLong's interval on the logit scale.

    Scores of different models are on different scales, so patients of different folds are not
    compared; folds count by their pairs. An AUC of 0 or 1, of which DeLong's variance is 0, has the
    interval of Newcombe (Statistics in Medicine 2006, method 5), which is of some width.

    Parameters
    ----------
    scores
        (N,).
    high
        (N,) which are high.
    strata
        (N,) fold of each; all are of one if not given.
    """
    strata = np.zeros(len(scores), np.int64) if strata is None else strata
    pairs, values, variances = [], [], []
    n_high = n_low = 0
    for stratum in np.unique(strata):
        here = strata == stratum
        above, below = int(high[here].sum()), int((~high[here]).sum())
        if not above or not below:
            continue
        of_high, of_low = placements(scores[here], high[here])
        pairs.append(above * below)
        values.append(of_high.mean())
        # A single one has no variance that could be seen; the largest there is stands for it.
        spread = [one.var(ddof=1) if len(one) > 1 else 0.25 for one in (of_high, of_low)]
        variances.append(spread[0] / above + spread[1] / below)
        n_high, n_low = n_high + above, n_low + below
    if not pairs:
        return Auc(math.nan, math.nan, math.nan, int((~high).sum()), int(high.sum()))
    share = np.array(pairs) / sum(pairs)
    value, variance = float(share @ values), float(share**2 @ variances)
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    if 0 < value < 1 and variance > 0:
        half = z * math.sqrt(variance) / (value * (1 - value))
        lower, upper = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    else:
        lower, upper = newcombe(value, n_low, n_high, z)
    return Auc(value, lower, upper, n_low, n_high)


def newcombe(value: float, n_low: int, n_high: int, z: float) -> tuple[float, float]:
    """Return the limits where an AUC is just z standard errors away from `value`."""
    grid = np.linspace(0, 1, 20001)
    n = (n_low + n_high) / 2 - 1
    variance = grid * (1 - grid) * (1 + n * ((1 - grid) / (2 - grid) + grid / (1 + grid)))
    near = np.abs(grid - value) <= z * np.sqrt(variance / (n_low * n_high))
    return float(grid[near].min()), float(grid[near].max())
