"""How many clusters: pairs are merged down to one, and the number of most evidence is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histohet.clustering.energy import descend, estimate_coupling, neighbour_counts
from histohet.clustering.evidence import TileField, assess
from histohet.clustering.mergers import best_merge
from histohet.clustering.mixture import misfit
from histohet.clustering.result import OUTLIER, Step, compact
from histohet.common.arrays import Floats, Ints

# Rounds in which tiles move between the clusters of the start, and after every merger.
START_ROUNDS = 10
MERGER_ROUNDS = 2
# Tiles that a cluster needs at least; and enough to span the space.
LEAST_TILES = 10


class Chosen(NamedTuple):
    """Clusters of the most evidence.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used; `OUTLIER` for tiles that were too few for a cluster.
    gain
        Log evidence above that of one cluster.
    steps
        From the start to one cluster.
    """

    labels: Ints
    gain: float
    steps: tuple[Step, ...]


class Stage(NamedTuple):
    """One number of clusters on the path.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used.
    step
        Their number and log evidence.
    """

    labels: Ints
    step: Step


def most_evident(field: TileField, start: Ints, smoothed: bool) -> Chosen:
    """Merge down to one cluster and go back to the most evidence, without odd tiles.

    A few tiles of pen, blur or fold are unlike all others, so there is evidence for a cluster of
    them, but it is no region. They are set aside, and the number of the other clusters is chosen
    anew without them, until all clusters have tiles enough.

    Parameters
    ----------
    field
        Embeddings of N tiles on their graph.
    start
        (N,) int64 in 0..K-1, each used.
    smoothed
        Whether neighbours attract each other's labels.
    """
    least = least_tiles(field.rows)
    path = merge_path(field, start, smoothed)
    steps = tuple(stage.step for stage in path)
    labels = np.full(len(start), OUTLIER, np.int64)
    rows = np.arange(len(start))
    while True:
        best = max(path, key=lambda stage: stage.step.criterion)
        gain = best.step.criterion - path[-1].step.criterion
        sizes = np.bincount(best.labels)
        enough = (sizes >= least)[best.labels]
        if enough.all() or not enough.any():
            labels[rows] = best.labels
            return Chosen(labels, gain, steps)
        rows = rows[enough]
        part = field.part(np.flatnonzero(enough))
        field, path = part, merge_path(part, compact(best.labels[enough]), smoothed)


def merge_path(field: TileField, start: Ints, smoothed: bool = True) -> list[Stage]:
    """Merge the clusters of `start` until one is left, each time the pair with the most evidence.

    Tiles move to the cluster that suits them best, first and after every merger: two halves of a
    kind become one cluster with the kind's mean and covariance, and what the worse ones had
    attracted goes elsewhere.

    Parameters
    ----------
    field
        Embeddings on their graph.
    start
        (N,) int64 in 0..K-1, each used.
    smoothed
        Whether neighbours attract each other's labels when tiles move. The evidence is the same.

    Returns
    -------
    list
        Stages of ever fewer clusters, down to one; clusters may vanish in between.
    """
    path: list[Stage] = []
    labels = _settle(field, start, START_ROUNDS, smoothed)
    weights: Floats = np.ones(len(labels))
    while True:
        now = assess(field, labels, weights)
        if now.n_clusters == 1:
            path.append(Stage(labels, Step(1, now.evidence, None)))
            return path
        kept, given_up = best_merge(now, field.rows.shape[1])
        sizes = np.bincount(labels)
        merged_sizes = int(sizes[kept]), int(sizes[given_up])
        path.append(Stage(labels, Step(now.n_clusters, now.evidence, merged_sizes)))
        merged = compact(np.where(labels == given_up, kept, labels))
        weights = now.weights
        labels = _settle(field, merged, MERGER_ROUNDS, smoothed)


def least_tiles(rows: Floats) -> int:
    """Return the tiles that a cluster needs: enough to span the space of the rows (N, d)."""
    return max(LEAST_TILES, int(rows.shape[1]) + 1)


def _settle(field: TileField, labels: Ints, max_rounds: int, smoothed: bool) -> Ints:
    """Let tiles move to the clusters that suit them, describing the clusters anew every round."""
    weights: Floats = np.ones(len(labels))
    for _ in range(max_rounds):
        unary, weights = misfit(field.rows, labels, weights)
        counts = neighbour_counts(field.neighbours, labels, unary.shape[1])
        coupling = estimate_coupling(counts, labels) if smoothed else 0.0
        moved = compact(descend(field.neighbours, unary, coupling, labels))
        if np.array_equal(moved, labels):
            break
        labels = moved
    return labels
