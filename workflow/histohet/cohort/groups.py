"""Groups: patients of low and of high score, formed before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from histohet.cohort.grouping import Grouping

PERCENTILES: Mapping[str, tuple[float, float]] = {"quartiles": (25, 75), "median": (50, 50)}


def known_percentiles(
    values: pd.Series[float], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """Return two percentiles (numpy's ``linear``) of what is not NaN; NaN, NaN without any."""
    known = values.dropna()
    if known.empty:
        return np.nan, np.nan
    low, high = np.percentile(known, percentiles)
    return float(low), float(high)


def group_limits(score: pd.Series[float], grouping: Grouping) -> tuple[float, float]:
    """Return the largest score that is low and the score above which it is high.

    NaN, NaN without any score, and where no groups are formed.
    """
    if grouping.low_at_most is not None and grouping.high_above is not None:
        return grouping.low_at_most, grouping.high_above
    if grouping.how not in PERCENTILES:
        return np.nan, np.nan
    return known_percentiles(score, PERCENTILES[grouping.how])


def assign_groups(score: pd.Series[float], grouping: Grouping) -> pd.Series[str]:
    """Return ``low``, ``middle`` or ``high`` for every score, "" where there is none.

    Ties stay together, so groups of a small integer score can be of unequal size or empty. Without
    groups (``none``, ``best_cut``) all are "".
    """
    low_at_most, high_above = group_limits(score, grouping)
    group = pd.Series("middle", index=score.index, dtype=object)
    group = group.mask(score <= low_at_most, "low").mask(score > high_above, "high")
    return group.mask(score.isna() | np.isnan(low_at_most), "")
