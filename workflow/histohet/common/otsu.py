"""Otsu's threshold, for anything that is counted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Split(NamedTuple):
    """Two classes of values.

    Attributes
    ----------
    last_below
        Position of the last value of the lower class.
    mean_below, mean_above
        Means of the classes.
    explained
        Share of the variance that lies between the classes, 0 to 1: that of two normal
        distributions far apart is near 1, of a uniform one 3/4, of a single normal one 2/π.
    """

    last_below: int
    mean_below: float
    mean_above: float
    explained: float


def otsu_split(values: npt.ArrayLike, counts: npt.ArrayLike) -> Split | None:
    """Split values where the variance between the two classes is largest.

    Of all splits, the one with the largest n_below n_above (mean_below - mean_above)^2 is taken,
    the lowest among equals.

    Otsu, IEEE Trans. Systems, Man, and Cybernetics 9:62 (1979).

    Parameters
    ----------
    values
        (N,) ascending, each once: different values, or the centres of the bins of a histogram.
        Sums of values far from zero lose digits, so centre them.
    counts
        (N,) how often each was found.

    Returns
    -------
    Split
        None where fewer than two different values were found.
    """
    values, counts = np.asarray(values, np.float64), np.asarray(counts, np.float64)
    if np.count_nonzero(counts) < 2:
        return None
    below, moment = np.cumsum(counts), np.cumsum(counts * values)
    above = below[-1] - below
    mean_below = moment / np.maximum(below, 1)
    mean_above = (moment[-1] - moment) / np.maximum(above, 1)
    between = below * above * (mean_above - mean_below) ** 2
    best = int(np.argmax(between))
    n, mean = below[-1], moment[-1] / below[-1]
    variance = float(counts @ (values - mean) ** 2) / n
    explained = float(between[best]) / n**2 / variance
    return Split(best, float(mean_below[best]), float(mean_above[best]), explained)
