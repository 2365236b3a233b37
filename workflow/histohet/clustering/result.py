"""The clusters of a slide, how they came about and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histohet.clustering.stability import Stability

Labels = npt.NDArray[np.int32]


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
class Certificate:
    """How near the labels of a slide are to the minimum of their energy.

    Attributes
    ----------
    energy, lower_bound
        Energy of the labels, and one that no labels are below.
    gap_percent
        See `histohet.clustering.potts.minimise.gap_percent`.
    coupling
        Mean weight of the edges; for ``calibrated``, the estimated coupling.
    """

    energy: float
    lower_bound: float
    gap_percent: float
    coupling: float


@dataclass(frozen=True)
class Clustering:
    """Clusters of the tiles of a slide, every array in the order of the tiles given.

    Attributes
    ----------
    start
        (N,) int32 labels of the first k-means, numbered by descending size.
    raw
        (N,) int32 labels before the last smoothing: each tile's best cluster by its embedding
        alone (``bic_full``: the last k-means). A cluster that outlived the smoothing has its final
        number; the others are numbered from `n_clusters` on.
    labels
        (N,) int32 final labels 0..n_clusters-1 by descending size; among clusters of equal size
        the one with the topmost (then leftmost) tile comes first.
    n_clusters
        Number of final clusters; 0 for a slide without tiles.
    steps
        From the start to the last number of clusters tried.
    certificate
        None without smoothing.
    stability
        None without restarts.
    notes
        Sentences for the reader: why there were fewer than q clusters at the start, how many
        were too small to keep.
    """

    start: Labels
    raw: Labels
    labels: Labels
    n_clusters: int
    steps: tuple[Step, ...]
    certificate: Certificate | None
    stability: Stability | None
    notes: tuple[str, ...]
