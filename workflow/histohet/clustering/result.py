"""The clusters of a slide, how they came about and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from histohet.clustering.settings import ClusteringSettings
from histohet.common.arrays import Bools, Float32, Int32, Ints

Labels = Int32

# Odd tiles (rim, pen, blur, a fold) are set aside before clusters are sought: whatever is said of
# clusters is said without them. Below all clusters, so that `labels.max() + 1` counts these alone.
OUTLIER = -1
"""Label of the tiles that are in no cluster."""


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
        Mean adjusted Rand index of the restarts with the result, see `stability`; None without
        restarts, as the two that follow.
    n_all_clusters_low, n_all_clusters_high
        Interval of the number of clusters, see `consensus` (``paper``: fewest and most in a
        restart).
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

    A tile is an outlier at all stages or at none: it is `OUTLIER` (-1) in `start`, `raw` and
    `labels`, and NaN in `agreement`.

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
        the one with the first tile comes first, in the order in which the tiles were clustered.
    agreement
        (N,) float32 share of the restarts with a tile in which it was in the cluster that
        corresponds to its own; NaN where no restart drew it, and of outliers.
    steps
        From the start to the last number of clusters tried, of the draw most like the result.
    certainty
        Figures on the clusters.
    notes
        Sentences for the reader: why there were fewer than q clusters at the start.
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
        """Number of final clusters; 0 for a slide without tiles, or of outliers alone."""
        return int(self.labels.max(initial=OUTLIER)) + 1

    @property
    def is_outlier(self) -> Bools:
        """(N,) bool, whether each tile is in no cluster."""
        is_outlier: Bools = self.labels == OUTLIER
        return is_outlier

    @property
    def n_outliers(self) -> int:
        """Number of tiles in no cluster."""
        return int(self.is_outlier.sum())

    def among(self, rows: Ints, n: int) -> Clustering:
        """Return the clustering of `n` tiles, of which these are `rows` (N,), the others odd."""
        place = np.full(n, len(rows))
        place[rows] = np.arange(len(rows))
        start, raw, labels = (
            np.append(column, np.int32(OUTLIER))[place]
            for column in (self.start, self.raw, self.labels)
        )
        agreement = np.append(self.agreement, np.float32(np.nan))[place]
        return replace(self, start=start, raw=raw, labels=labels, agreement=agreement)

    def of_tiles(self, rows: Ints) -> Clustering:
        """Return the clustering of some tiles, `rows` (M,), in their order, numbered as before."""
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
        (N,) int64 labels before and after smoothing, in one numbering. `OUTLIER` stays what it is.
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
    """Renumber labels (N,) to int64 0..K-1 without gaps, keeping their order and `OUTLIER`."""
    found = np.full(len(labels), OUTLIER, np.int64)
    clustered = labels != OUTLIER
    found[clustered] = np.unique(labels[clustered], return_inverse=True)[1]
    return found


def number_by_size(labels: Ints, raw: Ints) -> tuple[Labels, Labels]:
    """Renumber the clusters of `labels` by descending size, then those found only in `raw`.

    Parameters
    ----------
    labels, raw
        (N,) int64, two labellings of the same tiles in one numbering, with gaps or without; tiles
        that are `OUTLIER` remain so, and count for no size.

    Returns
    -------
    tuple
        Both, (N,) int32, in the new numbering; of equal clusters the one with the first tile leads.
    """
    ranked = np.concatenate([_by_size(labels), _by_size(raw[~np.isin(raw, labels)])])
    # One row more than there are labels: the last, where -1 points, remains that of the outliers.
    number = np.full(ranked.max(initial=OUTLIER) + 2, OUTLIER, np.int32)
    number[ranked] = np.arange(len(ranked))
    return number[labels], number[raw]


def _by_size(labels: Ints) -> Ints:
    """Return the clusters in use by descending size, then by their first tile."""
    used, first, size = np.unique(labels, return_index=True, return_counts=True)
    ranked = used[np.lexsort((first, -size))]
    clusters: Ints = ranked[ranked != OUTLIER]
    return clusters
