"""How many clusters: pairs are merged down to one, and the number of most evidence is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histohet.clustering.energy import descend, estimate_coupling, neighbour_counts
from histohet.clustering.evidence import TileField, assess
from histohet.clustering.mergers import best_merge
from histohet.clustering.mixture import misfit, nearest
from histohet.clustering.potts.model import neighbour_lists
from histohet.clustering.result import Step, compact
from histohet.clustering.tiles import OrderedTiles
from histohet.common.arrays import Floats, Ints

# The number of clusters is searched for on at most about so many tiles, in square blocks of this
# many pitches a side that are spread over the slide; enough to know the clusters by.
SEARCHED_TILES = 40_000
BLOCK_PITCHES = 32
# Rounds in which tiles move between the clusters of the start, and after every merger.
START_ROUNDS = 10
MERGER_ROUNDS = 2


class Chosen(NamedTuple):
    """Clusters of the most evidence.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1, each used.
    steps
        From the start to one cluster.
    n_dissolved
        Clusters of the most evidence that were too small to keep.
    """

    labels: Ints
    steps: tuple[Step, ...]
    n_dissolved: int


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


def choose_clusters(tiles: OrderedTiles, edges: Ints, start: Ints, smoothed: bool) -> Chosen:
    """Merge down to one cluster, go back to the most evidence, and leave out odd tiles.

    Parameters
    ----------
    tiles
        N tiles; of very many, some blocks are looked at, and the others join what is found there.
    edges
        (E, 2) int64 pairs of neighbours.
    start
        (N,) int64 labels of many clusters.
    smoothed
        Whether neighbours attract each other's labels.
    """
    blocks = _blocks(tiles)
    rows = tiles.described[blocks]
    if len(blocks) < len(tiles):
        edges = _edges_within(edges, blocks)
    field = TileField.of(rows, neighbour_lists(edges, len(rows)))
    path = merge_path(field, compact(start[blocks]), smoothed)
    best = max(path, key=lambda stage: stage.step.criterion).labels
    labels = dissolve_small(rows, best, least_tiles(rows))
    n_dissolved = int(best.max() - labels.max())
    if len(blocks) < len(tiles):
        labels = nearest(tiles.described, rows, labels)
    return Chosen(labels, tuple(stage.step for stage in path), n_dissolved)


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
    return int(rows.shape[1]) + 1


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


def _blocks(tiles: OrderedTiles) -> Ints:
    """Return the rows of all tiles, or of those in every so many blocks of a large slide."""
    every = -(-len(tiles) // SEARCHED_TILES)
    block = (tiles.coords - tiles.coords.min(axis=0)) // round(BLOCK_PITCHES * tiles.pitch_px)
    number = np.unique(block[:, ::-1], axis=0, return_inverse=True)[1].ravel()
    return np.flatnonzero(number % every == 0).astype(np.int64)


def _edges_within(edges: Ints, rows: Ints) -> Ints:
    """Return the edges between two of the sorted `rows`, as positions among them."""
    u, v = np.searchsorted(rows, edges).clip(max=len(rows) - 1).T
    inside = (rows[u] == edges[:, 0]) & (rows[v] == edges[:, 1])
    return np.stack([u[inside], v[inside]], axis=1)
