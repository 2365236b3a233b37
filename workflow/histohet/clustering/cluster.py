"""Tiles of a slide to spatial clusters: a start of many clusters, their merging, smoothing.

Every part has two forms, ours and the published one (HETMAP), which go together in any combination:
the energy (`energies`), its minimiser (`minimiser`, `annealing`) and the number of clusters
(`evidence`, `model_choice`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from histohet.clustering.annealing import anneal
from histohet.clustering.embedding import Features
from histohet.clustering.energy import Energy, calibrated_energy, cosine_energy, typical_coupling
from histohet.clustering.mixture import nearest
from histohet.clustering.number_of_clusters import dissolve_small, merge_path
from histohet.clustering.numbering import compact, number_by_size
from histohet.clustering.potts.minimise import gap_percent, lower_bound, minimise
from histohet.clustering.potts.model import Ints, Neighbours, neighbour_lists
from histohet.clustering.published import bic_embedding, first_improving_merge
from histohet.clustering.result import Certificate, Clustering, Step
from histohet.clustering.settings import PUBLISHED, ClusteringParams
from histohet.clustering.stability import resample, summarise_restarts
from histohet.clustering.start_clusters import start_clusters
from histohet.clustering.tile_field import TileField
from histohet.clustering.tiles import OrderedTiles
from histohet.common.logs import logger
from histohet.tiles.neighbours import knn_edges
from histohet.variants import Procedure

# The number of clusters is searched for on at most about so many tiles, in square blocks of this
# many pitches a side that are spread over the slide; enough to know the clusters by.
SEARCHED_TILES = 40_000
BLOCK_PITCHES = 32
# Labels and the description of their clusters settle each other; they do within a few rounds.
SETTLING_ROUNDS = 10


def cluster_tiles(
    features: npt.NDArray[np.floating],
    coords: npt.NDArray[np.integer],
    pitch_px: float,
    params: ClusteringParams,
    procedures: Sequence[Procedure],
    seed: int,
) -> dict[Procedure, Clustering]:
    """Cluster the tiles of one slide by each of the wanted procedures.

    ``potts`` is what `params` say; ``unsmoothed`` leaves out that neighbours attract each other's
    labels and changes nothing else; ``paper`` is `PUBLISHED`.

    The result belongs to the tiles, not to their order: tiles are sorted by position on entry, and
    positions enter only through differences. It does not depend on the number of threads either,
    because linear algebra and k-means run on one (their sums would otherwise be rounded in another
    order); parallelism is over slides.

    Parameters
    ----------
    features
        (N, D) float embeddings; an array, a memory map or anything that takes ascending row
        numbers. Read in chunks, unless the published parts need them whole.
    coords
        (N, 2) integer level-0 positions of the tiles.
    pitch_px
        Distance between neighbouring tiles in level-0 pixels.
    params
        How to cluster.
    procedures
        ``potts``, ``unsmoothed`` or ``paper``.
    seed
        Seed of k-means, resampling and annealing.

    Raises
    ------
    ValueError
        If shapes disagree, a feature is not finite or a procedure is unknown.
    """
    unknown = [name for name in procedures if name not in get_args(Procedure)]
    if unknown:
        raise ValueError(f"procedure is {', '.join(get_args(Procedure))}, not '{unknown[0]}'")
    if features.ndim != 2 or not features.shape[1] or coords.shape != (len(features), 2):
        raise ValueError(
            f"features {features.shape} and coordinates {coords.shape} are not (N, D) and (N, 2)"
        )
    with threadpool_limits(limits=1):
        tiles = OrderedTiles.of(features, coords, pitch_px, seed)
        return {name: _in_order(_run(tiles, params, name, seed), tiles.rows) for name in procedures}


class _Graph(NamedTuple):
    edges: Ints
    neighbours: Neighbours


class _Smoothed(NamedTuple):
    labels: Ints
    certificate: Certificate


Smooth = Callable[[Ints], _Smoothed]


class _Chosen(NamedTuple):
    """Labels before and after the last smoothing, in one numbering, and how they came about."""

    raw: Ints
    labels: Ints
    steps: tuple[Step, ...]
    certificate: Certificate | None
    notes: tuple[str, ...] = ()


def _run(
    tiles: OrderedTiles, params: ClusteringParams, procedure: Procedure, seed: int
) -> Clustering:
    """Cluster the tiles, and resampled ones to see how stable that is."""
    if procedure == "paper":
        params = PUBLISHED
    smoothed = procedure != "unsmoothed"
    found = _cluster(tiles, params, smoothed, seed)
    logger.info("%s: %d clusters, %s", procedure, found.n_clusters, found.certificate)
    if not params.restarts or len(tiles) < 2:
        return found
    drawn, labels = [], []
    for restart in range(params.restarts):
        rows = resample(len(tiles), seed, restart)
        again = _cluster(tiles.subset(rows), params, smoothed, seed + restart + 1)
        drawn.append(rows)
        labels.append(again.labels.astype(np.int64))
        logger.info("%s: restart %d, %d clusters", procedure, restart + 1, again.n_clusters)
    return replace(found, stability=summarise_restarts(found.labels, drawn, labels))


def _cluster(
    tiles: OrderedTiles, params: ClusteringParams, smoothed: bool, seed: int
) -> Clustering:
    start, notes = start_clusters(tiles, params, seed)
    if start.max(initial=0) < 1:
        same = start.astype(np.int32)
        certificate = Certificate(0.0, 0.0, 0.0, 0.0) if smoothed else None
        return Clustering(same, same, same, min(len(start), 1), (), certificate, None, notes)
    graph = _graph(tiles, params)
    rng = np.random.default_rng(seed)
    smooth = partial(_smooth, _energy(tiles, graph, params), params, rng) if smoothed else None
    if params.model_choice == "evidence":
        chosen = _choose_by_evidence(tiles, graph, start, smooth)
    else:
        chosen = _choose_by_bic(tiles, params, start, smooth)
    final, raw = number_by_size(chosen.labels, chosen.raw)
    return Clustering(
        start=number_by_size(start, start)[0],
        raw=raw,
        labels=final,
        n_clusters=int(final.max()) + 1,
        steps=chosen.steps,
        certificate=chosen.certificate,
        stability=None,
        notes=notes + chosen.notes,
    )


def _graph(tiles: OrderedTiles, params: ClusteringParams) -> _Graph:
    reach_px = None if params.reach is None else params.reach * tiles.pitch_px
    edges = knn_edges(tiles.coords, params.k, reach_px)
    return _Graph(edges, neighbour_lists(edges, len(tiles)))


def _energy(tiles: OrderedTiles, graph: _Graph, params: ClusteringParams) -> Energy:
    if params.energy == "cosine":
        return cosine_energy(tiles.features, graph.edges)
    return calibrated_energy(tiles.described, graph.edges, graph.neighbours)


def _smooth(
    energy: Energy, params: ClusteringParams, rng: np.random.Generator, labels: Ints
) -> _Smoothed:
    """Minimise the energy of the clusters that `labels` describe, from `labels`."""
    model = energy(labels)
    # Repelling neighbours are left out of what is minimised exactly and of the bound, which holds
    # all the more: they could only raise the energy.
    attracting = replace(model, weights=np.maximum(model.weights, 0.0))
    coupling = typical_coupling(model)
    if params.minimiser == "annealing":
        annealed = anneal(model, labels, params.schedule, rng)
        bound = min(annealed.energy, lower_bound(attracting, annealed.labels))
        gap = gap_percent(attracting, annealed.energy, bound)
        return _Smoothed(annealed.labels, Certificate(annealed.energy, bound, gap, coupling))
    found = minimise(attracting, labels)
    certificate = Certificate(found.energy, found.lower_bound, found.gap_percent, coupling)
    return _Smoothed(found.labels, certificate)


def _choose_by_evidence(
    tiles: OrderedTiles, graph: _Graph, start: Ints, smooth: Smooth | None
) -> _Chosen:
    """Merge down to one cluster, go back to the most evidence, without odd tiles, and smooth."""
    blocks = _blocks(tiles)
    rows = tiles.described[blocks]
    edges = graph.edges if len(blocks) == len(tiles) else _edges_within(graph.edges, blocks)
    tile_field = TileField.of(rows, neighbour_lists(edges, len(rows)))
    path = merge_path(tile_field, compact(start[blocks]), smoothed=smooth is not None)
    steps = tuple(
        Step(int(stage.labels.max()) + 1, stage.evidence, stage.merged_sizes) for stage in path
    )
    best = max(path, key=lambda stage: stage.evidence).labels
    # As many as it takes to span the space in which clusters are described.
    least = rows.shape[1] + 1
    labels = dissolve_small(rows, best, least)
    dissolved = int(best.max() - labels.max())
    notes = (f"clusters of fewer than {least} tiles, dissolved: {dissolved}",) if dissolved else ()
    if len(blocks) < len(tiles):
        labels = nearest(tiles.described, rows, labels)
    energy = calibrated_energy(tiles.described, graph.edges, graph.neighbours)
    if smooth is None:
        return _Chosen(labels, labels, steps, None, notes)
    for _ in range(SETTLING_ROUNDS):
        smoothed = smooth(labels)
        before = labels
        labels = dissolve_small(tiles.described, compact(smoothed.labels), least)
        if np.array_equal(labels, before):
            break
    alone = np.argmin(energy(before).unary, axis=1).astype(np.int64)
    return _Chosen(alone, smoothed.labels, steps, smoothed.certificate, notes)


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


def _choose_by_bic(
    tiles: OrderedTiles, params: ClusteringParams, raw: Ints, smooth: Smooth | None
) -> _Chosen:
    """Smooth, merge and refit k-means until no merge lowers BIC (HETMAP)."""
    embedding = bic_embedding(tiles.features, params.variance)
    steps: list[Step] = []
    while True:
        smoothed = smooth(raw) if smooth else None
        labels = smoothed.labels if smoothed else raw
        clusters = compact(labels)
        search = first_improving_merge(embedding, clusters)
        sizes = np.bincount(clusters).tolist()
        merged = (sizes[search.merge[0]], sizes[search.merge[1]]) if search.merge else None
        steps.append(Step(len(sizes), search.bic, merged))
        if search.merge is None:
            return _Chosen(raw, labels, tuple(steps), smoothed.certificate if smoothed else None)
        source, target = search.merge
        clusters = compact(np.where(clusters == source, target, clusters))
        raw = _refit(tiles.features, clusters)


def _refit(features: Features, clusters: Ints) -> Ints:
    """Return the labels of k-means that starts from the means of the clusters."""
    means = [features[clusters == k].mean(axis=0, dtype=np.float64) for k in np.unique(clusters)]
    init = np.array(means, np.float32)
    return compact(KMeans(len(init), init=init, n_init=1).fit(features).labels_)


def _in_order(clustering: Clustering, order: Ints) -> Clustering:
    """Return a clustering of sorted tiles in the order that the tiles had before."""
    back = np.argsort(order)
    stability = clustering.stability
    return replace(
        clustering,
        start=clustering.start[back],
        raw=clustering.raw[back],
        labels=clustering.labels[back],
        stability=stability and replace(stability, agreement=stability.agreement[back]),
    )
