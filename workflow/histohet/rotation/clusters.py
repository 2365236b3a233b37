"""Clusters that stay what they are: means of unit vectors, to which turned tiles are assigned.

Nothing is clustered twice: two clusterings of the same tiles differ by more than their vectors.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

from histohet.clustering.energy import estimate_coupling, neighbour_counts
from histohet.clustering.potts.minimise import minimise
from histohet.clustering.potts.model import PottsModel
from histohet.clustering.tiles import ROUNDING, Graph
from histohet.common.arrays import Float32, Floats, Ints

RESTARTS = 10


@dataclass(frozen=True, eq=False)
class Means:
    """Clusters of unit vectors.

    Attributes
    ----------
    centres
        float64 (K, D).
    variance
        float64, of a vector around its centre along a principal axis, each axis weighted by its
        own variance, so that many axes without any make clusters no sharper. 0 if vectors do not
        differ within clusters.
    """

    centres: Floats
    variance: float

    def distances(self, vectors: npt.NDArray[np.floating]) -> Floats:
        """Return the squared distance (N, K) of each vector (N, D), made a unit, to each centre."""
        return np.asarray(cdist(normalize(vectors), self.centres, "sqeuclidean"))


def draw(name: str, vectors: Float32, most: int, seed: int) -> Float32:
    """Draw some of the vectors (N, D) of a core, all if there are no more than `most`.

    Which ones depends on the name of the core, and not on other cores.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    rows = np.sort(rng.permutation(len(vectors))[:most])
    drawn: Float32 = vectors[rows]
    return drawn


def fit_means(cores: Sequence[Float32], clusters: int, seed: int) -> Means:
    """Fit means to tiles of some cores, in which every core has the same say.

    Parameters
    ----------
    cores
        Vectors (N, D) of each core, at least one.
    clusters
        How many; fewer where there are not so many different vectors, and one if they differ by
        rounding alone.
    """
    rows = normalize(np.concatenate(cores))
    weights = np.concatenate([np.full(len(vectors), 1 / len(vectors)) for vectors in cores])
    differ = (rows.std(axis=0, dtype=np.float64) > ROUNDING).any()
    most = min(clusters, len(np.unique(rows, axis=0))) if differ else 1
    found = KMeans(most, n_init=RESTARTS, random_state=seed).fit(rows, sample_weight=weights)
    centres = found.cluster_centers_.astype(np.float64)
    return Means(centres, _variance(rows - centres[found.labels_]))


def _variance(residuals: Floats) -> float:
    """Return the sum of squared eigenvalues of the covariance over that of the eigenvalues."""
    n = len(residuals)
    # Of the smaller of the two products, which have the same eigenvalues.
    product = residuals.T @ residuals if residuals.shape[1] < n else residuals @ residuals.T
    trace = float(np.trace(product)) / n
    return float((product**2).sum()) / n**2 / trace if trace > 0 else 0.0


def smooth(distances: Floats, variance: float, graph: Graph) -> Ints:
    """Smooth the labels of tiles under all views over their neighbours.

    The energy is that of the workflow's clustering with round clusters of one width: half the
    squared distance over the variance, less a coupling for every equal neighbour, which is that of
    the labels at 0° and the same under all views.

    Parameters
    ----------
    distances
        float64 (V, N, K), the first view at 0°.
    variance
        See `Means`; if 0, labels stay as they are.

    Returns
    -------
    int64 (V, N)
    """
    labels = np.asarray(distances.argmin(axis=2), np.int64)
    if variance <= 0:
        return labels
    counts = neighbour_counts(graph.neighbours, labels[0], distances.shape[2])
    coupling = np.full(len(graph.edges), estimate_coupling(counts, labels[0]))
    unary = distances / (2 * variance)
    smoothed = [
        minimise(PottsModel(graph.edges, coupling, costs), start).labels
        for costs, start in zip(unary, labels, strict=True)
    ]
    return np.array(smoothed, np.int64)
