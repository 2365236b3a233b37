"""Tiles of a slide to spatial clusters: a start of many, their merging, smoothing over the slide.

Ours is here: the start by k-means, then the clusters there is evidence for (`number_of_clusters`),
then labels of least energy (`energy`, `potts`). The published procedure (HETMAP) is `published`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from histohet.clustering.energy import calibrated_energy, typical_coupling
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.number_of_clusters import choose_clusters, dissolve_small, least_tiles
from histohet.clustering.potts.minimise import minimise
from histohet.clustering.published.cluster import cluster as published_cluster
from histohet.clustering.result import (
    UNKNOWN,
    Certainty,
    Clustering,
    at_most_one_cluster,
    compact,
    numbered,
)
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.stability import resample, with_stability
from histohet.clustering.tiles import Graph, OrderedTiles, Source, too_few_different
from histohet.common.arrays import Ints
from histohet.common.logs import logger
from histohet.common.outcome import SlideLost, Status, attempt
from histohet.features.file import FeatureTable

# K-means has so many starts, is fitted to at most so many tiles (the others join the nearest
# centre), and looks for at most one cluster per so many.
K_MEANS_STARTS = 5
FITTED_TILES = 16_384
TILES_PER_CLUSTER = 10
# Labels and the description of their clusters settle each other; they do within a few rounds.
SETTLING_ROUNDS = 10


def cluster_slide(
    table: FeatureTable, settings: ClusteringSettings, seed: int, smoothed: bool = True
) -> ClusteredTiles:
    """Cluster the tiles of one slide; none of them if it is lost or has too few.

    Parameters
    ----------
    table
        Embeddings of the tiles.
    settings, seed, smoothed
        As of `cluster_tiles`.
    """

    def step() -> Clustering:
        tiles, least = table.tiles, settings.min_tiles
        if len(tiles.coords) < least:
            raise SlideLost(
                f"{len(tiles.coords)} tiles to cluster, at least {least} are needed",
                Status.TOO_FEW_TILES,
            )
        return cluster_tiles(table.features, tiles.coords, tiles.pitch_px, settings, seed, smoothed)

    found, outcome = attempt(step, at_most_one_cluster(settings, 0), table.tiles.outcome)
    kept = table if outcome.ok else table.only(np.empty(0, np.int64))
    return ClusteredTiles(replace(kept.tiles, outcome=outcome), kept.tile_index, found)


def cluster_tiles(
    features: Source,
    coords: npt.NDArray[np.integer],
    pitch_px: float,
    settings: ClusteringSettings,
    seed: int,
    smoothed: bool = True,
) -> Clustering:
    """Cluster the tiles of one slide.

    The result belongs to the tiles, not to their order: tiles are sorted by position on entry, and
    positions enter only through differences. It does not depend on the number of threads either,
    because linear algebra and k-means run on one (their sums would otherwise be rounded in another
    order); parallelism is over slides.

    Parameters
    ----------
    features
        (N, D) float embeddings; an array, a memory map or anything that takes ascending row
        numbers. Read in chunks, unless the published procedure needs them whole.
    coords
        (N, 2) integer level-0 positions of the tiles.
    pitch_px
        Distance between neighbouring tiles in level-0 pixels.
    settings
        How to cluster.
    seed
        Seed of k-means, resampling and annealing.
    smoothed
        Whether neighbours attract each other's labels; nothing else depends on it.

    Raises
    ------
    ValueError
        If shapes disagree or a feature is not finite.
    """
    if features.ndim != 2 or not features.shape[1] or coords.shape != (len(features), 2):
        raise ValueError(
            f"features {features.shape} and coordinates {coords.shape} are not (N, D) and (N, 2)"
        )
    with threadpool_limits(limits=1):
        tiles = OrderedTiles.of(features, coords, pitch_px, seed)
        found = _with_restarts(tiles, settings, seed, smoothed)
        return found.of_tiles(np.argsort(tiles.rows))


def _with_restarts(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    """Cluster the tiles, and resampled ones to see how stable that is."""
    cluster = published_cluster if settings.procedure == "paper" else _cluster
    found = cluster(tiles, settings, seed, smoothed)
    logger.info("%d clusters, %s", found.n_clusters, found.certainty)
    if not settings.restarts or len(tiles) < 2:
        return found
    drawn, labels = [], []
    for restart in range(settings.restarts):
        rows = resample(len(tiles), seed, restart)
        again = cluster(tiles.subset(rows), settings, seed + restart + 1, smoothed)
        drawn.append(rows)
        labels.append(again.labels)
        logger.info("restart %d, %d clusters", restart + 1, again.n_clusters)
    return with_stability(found, drawn, labels)


def _cluster(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    start, notes = _start(tiles, settings.q, seed)
    if start.max(initial=0) < 1:
        return at_most_one_cluster(settings, len(tiles), smoothed, notes)
    graph = tiles.graph(settings.k, settings.reach)
    chosen = choose_clusters(tiles, graph.edges, start, smoothed)
    if chosen.n_dissolved:
        least = least_tiles(tiles.described)
        dissolved = f"clusters of fewer than {least} tiles, dissolved: {chosen.n_dissolved}"
        notes = (*notes, dissolved)
    raw, labels, certainty = chosen.labels, chosen.labels, UNKNOWN
    if smoothed:
        raw, labels, certainty = _smooth(tiles, graph, chosen.labels)
    return numbered(settings, start, raw, labels, chosen.steps, certainty, notes)


def _start(tiles: OrderedTiles, q: int, seed: int) -> tuple[Ints, tuple[str, ...]]:
    """Find the many clusters that are merged afterwards, by k-means of principal components.

    Returns
    -------
    labels
        (N,) int64 in 0..K-1, each used; fewer than `q` where the tiles do not support them.
    notes
        Sentences for the reader: why they are fewer.
    """
    rows = tiles.components
    most = max(1, min(q, len(rows) // TILES_PER_CLUSTER))
    found = tiles.count_different(most) if rows.shape[1] else min(len(rows), 1)
    notes: tuple[str, ...] = ()
    if found < most:
        notes = (too_few_different(len(rows), found, q),)
    elif found < q:
        notes = (f"{len(rows)} tiles: {found} instead of {q} clusters at the start",)
    if found < 2:
        return np.zeros(len(rows), np.int64), notes
    k_means = KMeans(found, n_init=K_MEANS_STARTS, random_state=seed)
    k_means.fit(rows[:: -(-len(rows) // FITTED_TILES)])
    return compact(k_means.predict(rows)), notes


def _smooth(tiles: OrderedTiles, graph: Graph, labels: Ints) -> tuple[Ints, Ints, Certainty]:
    """Let labels and the description of their clusters settle each other, by least energy.

    Returns
    -------
    raw
        (N,) int64 best cluster of each tile by its embedding alone.
    labels
        (N,) int64 in the same numbering.
    certainty
        How near the minimum they are.
    """
    rows = tiles.described
    for _ in range(SETTLING_ROUNDS):
        model = calibrated_energy(rows, graph, labels)
        found = minimise(model, labels)
        before = labels
        labels = dissolve_small(rows, compact(found.labels), least_tiles(rows))
        if np.array_equal(labels, before):
            break
    alone = np.argmin(model.unary, axis=1).astype(np.int64)
    coupling = typical_coupling(model)
    return (
        alone,
        found.labels,
        Certainty(found.energy, found.lower_bound, found.gap_percent, coupling),
    )
