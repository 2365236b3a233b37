"""The clusters of a slide, how they came about and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from histohet.clustering.settings import ClusteringSettings
from histohet.common.arrays import Float32, Int32, Ints

Labels = Int32


@dataclass(frozen=True)
class Step:
    """One number of clusters on the way from many to few.

    Attributes
    ----------
    n_clusters
        Number of clusters.
    criterion
        What the number is chosen by: log evidence (the more the better), or BIC (the less).
    merged_sizes
        Tiles of the two clusters that were merged next; None where nothing was.
    """

    n_clusters: int
    criterion: float
    merged_sizes: tuple[int, int] | None


@dataclass(frozen=True)
class Certainty:
    """Figures on all clusters of a slide, whether they count as tumour or not.

    Attributes
    ----------
    energy, lower_bound
        Energy of the labels, and one that no labels are below; None without smoothing, as the two
        that follow.
    gap_percent
        See `histohet.clustering.potts.minimise.gap_percent`.
    coupling
        Mean weight of the edges; of our own procedure, the estimated coupling.
    stability_ari
        Mean adjusted Rand index between restarts, see `stability`; None without restarts, as the
        two that follow.
    n_all_clusters_low, n_all_clusters_high
        Fewest and most clusters in a restart.
    """

    energy: float | None = None
    lower_bound: float | None = None
    gap_percent: float | None = None
    coupling: float | None = None
    stability_ari: float | None = None
    n_all_clusters_low: int | None = None
    n_all_clusters_high: int | None = None


UNKNOWN = Certainty()
"""Of a slide without clusters."""


@dataclass(frozen=True)
class Clustering:
    """Clusters of the tiles of a slide, every array in the order of the tiles given.

    Attributes
    ----------
    settings
        How the tiles were clustered.
    start
        (N,) int32 labels of the first k-means, numbered by descending size.
    raw
        (N,) int32 labels before the last smoothing: each tile's best cluster by its embedding
        alone (``paper``: the last k-means). A cluster that outlived the smoothing has its final
        number; the others are numbered from `n_clusters` on.
    labels
        (N,) int32 final labels 0..n_clusters-1 by descending size; among clusters of equal size
        the one with the topmost (then leftmost) tile comes first.
    agreement
        (N,) float32 share of the restarts with a tile in which it was in the cluster that
        corresponds to its own; NaN where no restart drew it.
    steps
        From the start to the last number of clusters tried.
    certainty
        Figures on the clusters.
    notes
        Sentences for the reader: why there were fewer than q clusters at the start, how many
        were too small to keep.
    """

    settings: ClusteringSettings
    start: Labels
    raw: Labels
    labels: Labels
    agreement: Float32
    steps: tuple[Step, ...]
    certainty: Certainty
    notes: tuple[str, ...]

    @property
    def n_clusters(self) -> int:
        """Number of final clusters; 0 for a slide without tiles."""
        return int(self.labels.max(initial=-1)) + 1

    def of_tiles(self, rows: Ints) -> Clustering:
        """Return the clustering with its tiles in another order, `rows` (N,)."""
        arrays = {name: getattr(self, name)[rows] for name in ("start", "raw", "labels")}
        return replace(self, **arrays, agreement=self.agreement[rows])


def numbered(
    settings: ClusteringSettings,
    start: Ints,
    raw: Ints,
    labels: Ints,
    steps: tuple[Step, ...],
    certainty: Certainty,
    notes: tuple[str, ...],
) -> Clustering:
    """Return a clustering with its clusters numbered by size, without restarts.

    Parameters
    ----------
    start
        (N,) int64 labels to begin with, in a numbering of their own.
    raw, labels
        (N,) int64 labels before and after smoothing, in one numbering.
    """
    final, before = number_by_size(labels, raw)
    unseen = np.full(len(labels), np.nan, np.float32)
    first = number_by_size(start, start)[0]
    return Clustering(settings, first, before, final, unseen, steps, certainty, notes)


def at_most_one_cluster(
    settings: ClusteringSettings, n_tiles: int, smoothed: bool = False, notes: tuple[str, ...] = ()
) -> Clustering:
    """Return the clustering of equal tiles, or of none; nothing is uncertain about it."""
    labels = np.zeros(n_tiles, np.int32)
    unseen = np.full(n_tiles, np.nan, np.float32)
    certainty = Certainty(0.0, 0.0, 0.0, 0.0) if smoothed else UNKNOWN
    return Clustering(settings, labels, labels, labels, unseen, (), certainty, notes)


def compact(labels: Ints) -> Ints:
    """Renumber labels (N,) to int64 0..K-1 without gaps, keeping their order."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


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
