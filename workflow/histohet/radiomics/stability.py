"""How stable features are when the mask is another one: ICC(1,1), learnt without any outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from histohet.common.arrays import Floats
from histohet.radiomics.names import family_of, tag_of

LEVEL = 0.95
COLUMNS = ("feature", "ibsi", "family", "source", "n_scans", "n_masks", "icc", "low", "high")


class Icc(NamedTuple):
    """Intraclass correlation and its 95 % interval, each (F,)."""

    icc: Floats
    low: Floats
    high: Floats


def intraclass_correlation(values: Floats, groups: npt.NDArray[np.integer]) -> Icc:
    """Return ICC(1,1) of one-way random effects, from the analysis of variance.

    Shrout & Fleiss, Psychological Bulletin 86:420 (1979), case 1, with the interval by F that they
    give; groups of unequal size have the size n0 of Donner, International Statistical Review 54:67
    (1986), and the interval is then approximate.

    Parameters
    ----------
    values
        (N, F), one column per feature.
    groups
        (N,), whose the rows are: at least two groups, and more rows than groups.

    Returns
    -------
    Icc
        1 for a feature that does not change within any group; NaN for one that never changes, or
        is not finite everywhere.
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    n, total = len(counts), len(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = np.zeros((n, values.shape[1]))
        np.add.at(sums, index, values)
        means = sums / counts[:, None]
        between = (counts[:, None] * (means - values.mean(axis=0)) ** 2).sum(axis=0) / (n - 1)
        within = ((values - means[index]) ** 2).sum(axis=0) / (total - n)
        size = (total - (counts**2).sum() / total) / (n - 1)
        ratio = between / within
        tail = (1 + LEVEL) / 2
        low = ratio / stats.f.ppf(tail, n - 1, total - n)
        high = ratio * stats.f.ppf(tail, total - n, n - 1)
        of_ratios = [(f - 1) / (f + size - 1) for f in (ratio, low, high)]
    same = (within == 0) & (between > 0)
    return Icc(*(np.where(same, 1.0, one) for one in of_ratios))


def measure_stability(draws: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the ICC of every feature of an engine, by source of masks.

    Parameters
    ----------
    draws, features
        As for `icc_by_source`.

    Returns
    -------
    DataFrame
        `COLUMNS`.
    """
    found = icc_by_source(draws, features)
    found["ibsi"] = [tag_of(name) for name in found["feature"]]
    found["family"] = [family_of(name) for name in found["feature"]]
    return found[list(COLUMNS)]


def icc_by_source(draws: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the ICC of every feature, whatever it is called, by source of masks.

    To leave features out in a model, give the draws of the scans of its training fold alone.

    Parameters
    ----------
    draws
        Rows of `draws.tsv`: ``scan``, ``source`` and the features.
    features
        Names of the features.

    Returns
    -------
    DataFrame
        ``feature``, ``source``, ``n_scans``, ``n_masks``, ``icc``, ``low``, ``high``, by source and
        feature; nothing for a source that does not give two scans at least two masks each.
    """
    parts = []
    for source in ("reader", "perturbation"):
        of_source = draws[draws["source"].isin(["mask", source])]
        n_masks = of_source.groupby("scan")["scan"].transform("size")
        rows = of_source[n_masks > 1]
        if rows["scan"].nunique() < 2:
            continue
        scans = rows["scan"].astype("category").cat.codes.to_numpy()
        found = intraclass_correlation(rows[list(features)].to_numpy(float), scans)
        parts.append(
            pd.DataFrame(
                {
                    "feature": list(features),
                    "source": source,
                    "n_scans": rows["scan"].nunique(),
                    "n_masks": len(rows),
                    **found._asdict(),
                }
            )
        )
    columns = [name for name in COLUMNS if name not in ("ibsi", "family")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def lowest_icc(stability: pd.DataFrame) -> pd.Series[float]:
    """Return where the interval of each feature begins under the source that it bears least.

    Parameters
    ----------
    stability
        Of `icc_by_source` or `measure_stability`.

    Returns
    -------
    Series
        By feature; NaN for one that is not defined under every mask, or never changes.
    """
    by_feature = stability.groupby("feature", sort=False)["low"]
    return by_feature.agg(lambda low: low.min(skipna=False))


def stable_of(names: Sequence[str], stability: pd.DataFrame, min_icc: float | None) -> list[str]:
    """Return the features whose interval begins at `min_icc` or above, under every source.

    All where `min_icc` is None, or nothing is known of their stability.
    """
    if min_icc is None or stability.empty:
        return list(names)
    lowest = lowest_icc(stability).reindex(list(names))
    return [str(name) for name in lowest.index[lowest >= min_icc]]
