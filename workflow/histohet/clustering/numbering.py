"""The numbers that clusters go by: without gaps, or by size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]


def compact(labels: Ints) -> Ints:
    """Renumber labels (N,) to int64 0..K-1 without gaps, keeping their order."""
    renumbered: Ints = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return renumbered


def number_by_size(labels: Ints, raw: Ints) -> tuple[Labels, Labels]:
    """Renumber the clusters of `labels` by descending size, then those found only in `raw`.

    Parameters
    ----------
    labels, raw
        (N,) int64, two labellings of the same tiles in one numbering, with gaps or without.

    Returns
    -------
    tuple
        Both, (N,) int32, in the new numbering; of equal clusters the one with the first tile leads.
    """
    ranked = np.concatenate([_by_size(labels), _by_size(raw[~np.isin(raw, labels)])])
    number = np.empty(ranked.max() + 1, np.int32)
    number[ranked] = np.arange(len(ranked))
    return number[labels], number[raw]


def _by_size(labels: Ints) -> Ints:
    """Return the labels in use by descending size, then by their first tile."""
    used, first, size = np.unique(labels, return_index=True, return_counts=True)
    return used[np.lexsort((first, -size))]
