"""Tiles of a slide to spatial clusters: k-means, Potts smoothing and merging by BIC (HETMAP).

The procedure is the published one; its parts live in `graph`, `potts` and `model_choice`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from histohet.annealing import Annealed as Minimum
from histohet.annealing import AnnealingSchedule, anneal
from histohet.graph import edge_similarity, knn_edges
from histohet.logs import logger
from histohet.model_choice import MergeSearch, bic_embedding, first_improving_merge
from histohet.potts import PottsModel, unary_cosine

Smoothing = Literal["potts", "unsmoothed"]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClusteringParams:
    """Parameters of HETMAP's clustering; the defaults are the published ones.

    Attributes
    ----------
    q
        Clusters at the start, and the most there can be.
    k
        Neighbours per tile in the graph.
    variance
        Share of the variance that the embedding of BIC explains.
    n_init
        Starts of the first k-means; None for `q` of them.
    schedule
        Cooling of the annealing.
    """

    q: int = 20
    k: int = 8
    variance: float = 0.8
    n_init: int | None = None
    schedule: AnnealingSchedule = field(default_factory=AnnealingSchedule)

    def __post_init__(self) -> None:
        if self.q < 1 or self.k < 1 or (self.n_init is not None and self.n_init < 1):
            raise ValueError(f"q, k and n_init must be at least 1: {self}")
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance is a share in (0, 1], got {self.variance}")


@dataclass(frozen=True)
class Round:
    """One k-means, the smoothing after it, and the merge found in its result.

    Attributes
    ----------
    n_clusters
        Clusters after smoothing.
    energy_start, energy
        Potts energy of the labels of k-means and after smoothing; None without smoothing.
    n_proposals
        Proposals of the annealing.
    bic, bic_merged
        BIC of the clusters and after the merge; `bic_merged` is None when no merge lowered BIC.
    merged_sizes
        Tiles of the cluster given up and of the one that took them; None without a merge.
    """

    n_clusters: int
    energy_start: float | None
    energy: float | None
    n_proposals: int
    bic: float
    bic_merged: float | None
    merged_sizes: tuple[int, int] | None


@dataclass(frozen=True)
class Clustering:
    """Clusters of the tiles of a slide, every array in the order of the tiles given.

    Attributes
    ----------
    start
        (N,) int32 labels of the first k-means, numbered by descending size.
    raw
        (N,) int32 labels of the last k-means, before the last smoothing. A cluster that outlived
        the smoothing has its final number; the others are numbered from `n_clusters` on.
    labels
        (N,) int32 final labels 0..n_clusters-1 by descending size; among clusters of equal size
        the one with the topmost (then leftmost) tile comes first.
    n_clusters
        Number of final clusters; 0 for a slide without tiles.
    bic_dimensions
        Width of the embedding of BIC; 0 where BIC was not needed.
    rounds
        What happened, in order.
    notes
        Sentences for the reader, such as why there were fewer than q clusters at the start.
    """

    start: Labels
    raw: Labels
    labels: Labels
    n_clusters: int
    bic_dimensions: int
    rounds: tuple[Round, ...]
    notes: tuple[str, ...]


def cluster_tiles(
    features: npt.NDArray[np.floating],
    coords: npt.NDArray[np.integer],
    params: ClusteringParams,
    smoothings: Sequence[Smoothing],
    seed: int,
) -> dict[Smoothing, Clustering]:
    """Cluster the tiles of one slide, with each of the wanted smoothings.

    K-means with q clusters on L2-normalised features; annealing of the Potts energy; then, as long
    as some merge lowers BIC, the first such merge, k-means refitted from the merged centres, and
    annealing again. ``unsmoothed`` leaves the annealing out and changes nothing else: both begin
    with the same k-means.

    The result belongs to the tiles, not to their order: tiles are sorted by position on entry, and
    positions enter only through differences. It does not depend on the number of threads either,
    because linear algebra and k-means run on one (their sums would otherwise be rounded in another
    order); parallelism is over slides.

    Parameters
    ----------
    features
        (N, D) float embeddings, may be memory-mapped; one sorted, normalised float32 copy is made.
    coords
        (N, 2) integer level-0 positions of the tiles.
    params
        Parameters of the procedure.
    smoothings
        ``potts``, ``unsmoothed`` or both.
    seed
        Seed of k-means and annealing.

    Raises
    ------
    ValueError
        If shapes disagree, a feature is not finite or a smoothing is unknown.
    """
    unknown = [name for name in smoothings if name not in get_args(Smoothing)]
    if unknown:
        raise ValueError(f"smoothing is 'potts' or 'unsmoothed', not '{unknown[0]}'")
    if features.ndim != 2 or not features.shape[1] or coords.shape != (len(features), 2):
        raise ValueError(
            f"features {features.shape} and coordinates {coords.shape} are not (N, D) and (N, 2)"
        )
    order = _canonical_order(features, coords)
    rows, places = _unit_rows(features, order), coords[order]
    with threadpool_limits(limits=1):
        start = _start(rows, params, seed)
        smoothers = {
            name: _annealer(rows, places, params, seed)
            if name == "potts" and len(start.centres) > 1
            else None
            for name in smoothings
        }
        return {
            name: _in_order(_merge(rows, start, smooth), order)
            for name, smooth in smoothers.items()
        }


class _Start(NamedTuple):
    """The first k-means of sorted tiles, and the space in which merges are judged."""

    labels: Ints
    centres: Features
    embedding: npt.NDArray[np.float64]
    notes: tuple[str, ...]


def _start(features: Features, params: ClusteringParams, seed: int) -> _Start:
    q = _count_distinct_rows(features, at_most=params.q)
    notes: tuple[str, ...] = ()
    if q < params.q:
        notes = (
            f"{len(features)} tiles with {q} different feature vectors:"
            f" {q} instead of {params.q} clusters at the start",
        )
    if q < 2:
        one = np.zeros(len(features), np.int64)
        return _Start(one, features[:1], np.empty((len(features), 0)), notes)
    k_means = KMeans(q, n_init=params.n_init or params.q, random_state=seed)
    labels, centres = _k_means(features, k_means)
    return _Start(labels, centres, bic_embedding(features, params.variance), notes)


def _merge(
    features: Features, start: _Start, smooth: Callable[[Ints, Features], Minimum] | None
) -> Clustering:
    """Smooth, merge and refit from the start until no merge lowers BIC."""
    raw, centres = start.labels, start.centres
    if len(centres) < 2:
        same = raw.astype(np.int32)
        return Clustering(same, same, same, len(centres), 0, (), start.notes)
    rounds: list[Round] = []
    while True:
        smoothed = smooth(raw, centres) if smooth else None
        labels = smoothed.labels if smoothed else raw
        clusters = _compact(labels)
        search = first_improving_merge(start.embedding, clusters)
        rounds.append(_record(clusters, smoothed, search))
        logger.info("clustering round %d: %s", len(rounds), rounds[-1])
        if search.merge is None:
            break
        source, target = search.merge
        merged = _compact(np.where(clusters == source, target, clusters))
        init = _centroids(features, merged)
        raw, centres = _k_means(features, KMeans(len(init), init=init, n_init=1))
    final, before_smoothing = _number_by_size(labels, raw)
    return Clustering(
        start=_number_by_size(start.labels, start.labels)[0],
        raw=before_smoothing,
        labels=final,
        n_clusters=rounds[-1].n_clusters,
        bic_dimensions=start.embedding.shape[1],
        rounds=tuple(rounds),
        notes=start.notes,
    )


def _annealer(
    features: Features, coords: npt.NDArray[np.integer], params: ClusteringParams, seed: int
) -> Callable[[Ints, Features], Minimum]:
    """Return the smoothing of labels of k-means with given centres; it draws from one generator."""
    rng = np.random.default_rng(seed)
    edges = knn_edges(coords, params.k)
    weights = edge_similarity(features, edges)
    both_terms_alike = len(edges) / len(features)

    def smooth(labels: Ints, centres: Features) -> Minimum:
        model = PottsModel(edges, weights, unary_cosine(features, centres, both_terms_alike))
        return anneal(model, labels, params.schedule, rng)

    return smooth


def _record(clusters: Ints, smoothed: Minimum | None, search: MergeSearch) -> Round:
    sizes = np.bincount(clusters).tolist()
    return Round(
        n_clusters=len(sizes),
        energy_start=smoothed.start_energy if smoothed else None,
        energy=smoothed.energy if smoothed else None,
        n_proposals=smoothed.n_proposals if smoothed else 0,
        bic=search.bic,
        bic_merged=search.bic_merged,
        merged_sizes=(sizes[search.merge[0]], sizes[search.merge[1]]) if search.merge else None,
    )


def _canonical_order(features: npt.NDArray[np.floating], coords: npt.NDArray[np.integer]) -> Ints:
    """Return the order of tiles by y, then x; the first feature decides between tiles of one place.

    Tiles of one place show the same image, so they hardly ever differ in anything else.
    """
    return np.lexsort((features[:, 0], coords[:, 0], coords[:, 1])).astype(np.int64, copy=False)


def _unit_rows(features: npt.NDArray[np.floating], order: Ints) -> Features:
    """Return the rows in `order`, L2-normalised; rows of zeros stay as they are."""
    rows = features[order].astype(np.float32, copy=False)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(norms).all():
        tile = int(order[~np.isfinite(norms)].min())
        raise ValueError(f"the feature vector of tile {tile} is not finite; encode the slide again")
    norms[norms == 0] = 1
    rows /= norms[:, None]
    return rows


def _count_distinct_rows(rows: Features, at_most: int) -> int:
    """Count different rows, and stop counting at `at_most`."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add(row.tobytes())
        if len(seen) == at_most:
            break
    return len(seen)


def _k_means(features: Features, model: KMeans) -> tuple[Ints, Features]:
    """Fit `model`; return labels without gaps and the centres of the clusters that have tiles."""
    found = model.fit(features)
    used = np.unique(found.labels_)
    return _compact(found.labels_), found.cluster_centers_[used]


def _compact(labels: npt.NDArray[np.integer]) -> Ints:
    """Renumber labels 0..K-1 without gaps, keeping their order."""
    renumbered: Ints = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return renumbered


def _centroids(features: Features, labels: Ints) -> Features:
    means = [features[labels == k].mean(axis=0, dtype=np.float64) for k in range(labels.max() + 1)]
    return np.array(means, np.float32)


def _number_by_size(labels: Ints, raw: Ints) -> tuple[Labels, Labels]:
    """Return both with the clusters of `labels` numbered by size, then those only in `raw`."""
    ranked = np.concatenate([_by_size(labels), _by_size(raw[~np.isin(raw, labels)])])
    number = np.empty(ranked.max() + 1, np.int32)
    number[ranked] = np.arange(len(ranked))
    return number[labels], number[raw]


def _by_size(labels: Ints) -> Ints:
    """Return the labels in use by descending size, then by their first tile."""
    used, first, size = np.unique(labels, return_index=True, return_counts=True)
    return used[np.lexsort((first, -size))]


def _in_order(clustering: Clustering, order: Ints) -> Clustering:
    """Return a clustering of sorted tiles in the order that the tiles had before."""
    back = np.argsort(order)
    return replace(
        clustering,
        start=clustering.start[back],
        raw=clustering.raw[back],
        labels=clustering.labels[back],
    )
