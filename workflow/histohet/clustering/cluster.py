"""Tiles of a slide to spatial clusters: many draws, their consensus, smoothing over the slide.

Ours is here: odd tiles are set aside (`outliers`), parts of the slide are clustered again and again
(`ensemble`), each time with the number of clusters that there is evidence for
(`number_of_clusters`); the partition nearest to all of these (`consensus`) gets labels of least
energy (`energy`, `potts`). The published procedure (HETMAP) is `published`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from histohet.clustering.consensus import consensus
from histohet.clustering.energy import calibrated_energy, typical_coupling
from histohet.clustering.ensemble import draw_ensemble
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.mixture import nearest
from histohet.clustering.number_of_clusters import LEAST_TILES
from histohet.clustering.outliers import odd_tiles
from histohet.clustering.potts.minimise import minimise
from histohet.clustering.potts.model import edges_within
from histohet.clustering.published.cluster import cluster as published_cluster
from histohet.clustering.result import (
    OUTLIER,
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
from histohet.common.arrays import Bools, Floats, Ints
from histohet.common.logs import logger
from histohet.common.outcome import SlideLost, Status, attempt
from histohet.features.file import FeatureTable

# At the start there is at most one cluster per so many tiles.
TILES_PER_CLUSTER = 10


def cluster_slide(
    table: FeatureTable, settings: ClusteringSettings, seed: int, smoothed: bool = True
) -> ClusteredTiles:
    """Cluster the tiles of one slide; none of them if it is lost or has too few.

    Parameters
    ----------
    table
        Embeddings of the tiles. Those of the rim are outliers, but not in the published procedure.
    settings, seed, smoothed
        As of `cluster_tiles`.
    """

    def step() -> Clustering:
        n, least = len(table.tile_index), settings.min_tiles
        rows = np.arange(n)
        if table.tiles.at_rim is not None and settings.procedure != "paper":
            rows = np.flatnonzero(~table.tiles.at_rim)
        if len(rows) < least:
            at_rim = f" and {n - len(rows)} at the rim" if len(rows) < n else ""
            raise SlideLost(
                f"{len(rows)} tiles to cluster{at_rim}, at least {least} are needed",
                Status.TOO_FEW_TILES,
            )
        part = table.only(rows)
        coords, pitch_px = part.tiles.coords, part.tiles.pitch_px
        found = cluster_tiles(part.features, coords, pitch_px, settings, seed, smoothed)
        return found.among(rows, n)

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

    Nothing but the tiles decides: they are put in an order of their own on entry, and positions
    enter only as who is whose neighbour, so neither the order of the tiles given matters, nor how
    the slide lay on the glass. The number of threads does not matter either, because linear algebra
    and k-means run on one (their sums would otherwise be rounded in another order); parallelism is
    over slides.

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
        cluster = _cluster_as_published if settings.procedure == "paper" else _cluster
        found = cluster(tiles, settings, seed, smoothed)
        logger.info("%d clusters, %s", found.n_clusters, found.certainty)
        return found.of_tiles(np.argsort(tiles.rows))


def _cluster_as_published(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    """Cluster as published, and resampled tiles to see how stable that is."""
    found = published_cluster(tiles, settings, seed, smoothed)
    if not settings.restarts or len(tiles) < 2:
        return found
    drawn, labels = [], []
    for restart in range(settings.restarts):
        rows = resample(len(tiles), seed, restart)
        again = published_cluster(tiles.subset(rows), settings, seed + restart + 1, smoothed)
        drawn.append(rows)
        labels.append(again.labels)
        logger.info("restart %d, %d clusters", restart + 1, again.n_clusters)
    numbers = [len(np.unique(again)) for again in labels]
    return with_stability(found, drawn, labels, min(numbers), max(numbers))


def _cluster(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    q, notes = _clusters_at_start(tiles, settings.q)
    one = at_most_one_cluster(settings, len(tiles), smoothed, notes)
    if settings.restarts and len(tiles) > 1:
        one = with_stability(one, [np.arange(len(tiles))], [one.labels], 1, 1)
    if q < 2:
        return one
    # Which tiles take part, as positions among all; first without those unlike any others.
    taking_part = np.flatnonzero(~odd_tiles(tiles.components))
    edges = edges_within(tiles.edges(settings.k, settings.reach), taking_part)
    part = tiles.subset(taking_part)
    ensemble = draw_ensemble(part, edges, q, settings.restarts, smoothed, seed)
    if ensemble is None:
        return one
    kept = np.flatnonzero(~ensemble.is_odd)
    agreed = consensus(
        [compact(draw.labels[kept]) for draw in ensemble.draws],
        settings.q,
        np.random.default_rng(seed),
    )
    components = ensemble.components[kept]
    space = np.ascontiguousarray(components[:, : ensemble.n_components])
    raw = labels = _of_enough_tiles(space, agreed.labels)
    certainty = UNKNOWN
    if smoothed:
        graph = Graph.of(edges_within(edges, kept), len(kept))
        raw, labels, certainty = _smooth(space, graph, labels)
    typical = ensemble.draws[agreed.nearest]
    start = typical.k_means.predict(components[:, : typical.n_components])
    start, raw, labels = (
        _among_all(labels, taking_part[kept], len(tiles)) for labels in (start, raw, labels)
    )
    found = numbered(settings, start, raw, labels, typical.steps, certainty, notes)
    if not settings.restarts:
        return found
    drawn = [taking_part[draw.rows] for draw in ensemble.draws]
    again = [draw.labels[draw.rows] for draw in ensemble.draws]
    n_low, n_high = min(agreed.n_low, found.n_clusters), agreed.n_high
    return with_stability(found, drawn, again, n_low, n_high)


def _clusters_at_start(tiles: OrderedTiles, q: int) -> tuple[int, tuple[str, ...]]:
    """Return how many clusters the tiles support at the start, and why they are fewer than `q`."""
    n = len(tiles)
    most = max(1, min(q, n // TILES_PER_CLUSTER))
    found = tiles.count_different(most) if tiles.components.shape[1] else min(n, 1)
    if found < most:
        return found, (too_few_different(n, found, q),)
    if found < q:
        return found, (f"{n} tiles: {found} instead of {q} clusters at the start",)
    return found, ()


def _among_all(labels: npt.NDArray[np.integer], rows: Ints, n: int) -> Ints:
    """Return the labels of `rows` among those of all `n` tiles, of which the others are odd."""
    found = np.full(n, OUTLIER, np.int64)
    found[rows] = labels
    return found


def _of_enough_tiles(rows: Floats, labels: Ints) -> Ints:
    """Return labels (N,) where tiles of clusters that are too small have what suits them best."""
    is_small = _too_small(labels, int(labels.max()) + 1)[labels]
    found = compact(np.where(is_small, OUTLIER, labels))
    found[is_small] = nearest(rows[is_small], rows[~is_small], found[~is_small])
    return found


def _smooth(rows: Floats, graph: Graph, labels: Ints) -> tuple[Ints, Ints, Certainty]:
    """Give tiles the labels of least energy for the clusters that `labels` describe.

    Returns
    -------
    raw
        (N,) int64 best cluster of each tile by its embedding alone.
    labels
        (N,) int64 in the same numbering. A cluster that hardly any tile has at the minimum is none.
    certainty
        How near the minimum they are.
    """
    model = calibrated_energy(rows, graph, labels)
    alone = np.argmin(model.unary, axis=1).astype(np.int64)
    found, numbers = minimise(model, labels), np.arange(model.unary.shape[1])
    while (small := _too_small(found.labels, len(numbers))).any():
        numbers = numbers[~small]
        model = replace(model, unary=np.ascontiguousarray(model.unary[:, ~small]))
        found = minimise(model, np.argmin(model.unary, axis=1))
    coupling = typical_coupling(model)
    certainty = Certainty(found.energy, found.lower_bound, found.gap_percent, coupling)
    return alone, numbers[found.labels], certainty


def _too_small(labels: npt.NDArray[np.integer], n_labels: int) -> Bools:
    """Return which clusters (K,) have fewer tiles than one needs, but any; never the largest."""
    sizes = np.bincount(labels, minlength=n_labels)
    return np.asarray((sizes > 0) & (sizes < min(LEAST_TILES, sizes.max())))
