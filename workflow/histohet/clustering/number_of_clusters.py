"""From many clusters to those that the tiles give evidence for, one merger at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histohet.clustering.evidence import assess, best_merge
from histohet.clustering.mixture import misfit
from histohet.clustering.neighbour_labels import descend, estimate_coupling, neighbour_counts
from histohet.clustering.numbering import compact
from histohet.clustering.potts.model import Floats, Ints
from histohet.clustering.tile_field import TileField

# Rounds in which tiles move between the clusters of the start, and after every merger.
START_ROUNDS = 10
MERGER_ROUNDS = 2


@dataclass(frozen=True)
class Stage:
    """One number of clusters on the path.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used.
    evidence
        Their log evidence.
    merged_sizes
        Tiles of the two clusters that were merged next; None at the end.
    """

    labels: Ints
    evidence: float
    merged_sizes: tuple[int, int] | None


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
            path.append(Stage(labels, now.evidence, None))
            return path
        kept, given_up = best_merge(now, field.rows.shape[1])
        sizes = np.bincount(labels)
        path.append(Stage(labels, now.evidence, (int(sizes[kept]), int(sizes[given_up]))))
        merged = compact(np.where(labels == given_up, kept, labels))
        weights = now.weights
        labels = _settle(field, merged, MERGER_ROUNDS, smoothed)


def dissolve_small(rows: Floats, labels: Ints, least: int) -> Ints:
    """Give the tiles of clusters of fewer than `least` tiles to the others, the smallest first.

    A few tiles of pen, blur or fold are unlike all others, so there is evidence for a cluster of
    them; it keeps the other clusters clean while these are found, but it is no region.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    labels
        (N,) int64 in 0..K-1, each used.
    least
        Tiles that a cluster needs. The last cluster stays whatever its size.
    """
    while True:
        sizes = np.bincount(labels)
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= least or len(sizes) == 1:
            return labels
        unary, _ = misfit(rows, labels, np.ones(len(labels)))
        unary[:, smallest] = np.inf
        labels = compact(np.where(labels == smallest, np.argmin(unary, axis=1), labels))


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
