"""HETMAP's procedure.

K-means; then, until no merge lowers BIC: annealing of the energy, one merge, k-means again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.cluster import KMeans

from histohet.clustering.energy import typical_coupling
from histohet.clustering.potts.minimise import gap_percent, lower_bound
from histohet.clustering.potts.model import PottsModel
from histohet.clustering.published.annealing import SCHEDULE, anneal
from histohet.clustering.published.bic import bic_embedding, first_improving_merge
from histohet.clustering.published.cosine import cosine_energy, edge_similarity
from histohet.clustering.result import (
    UNKNOWN,
    Certainty,
    Clustering,
    Step,
    at_most_one_cluster,
    compact,
    numbered,
)
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.tiles import Features, OrderedTiles, too_few_different
from histohet.common.arrays import Ints


def cluster(
    tiles: OrderedTiles, settings: ClusteringSettings, seed: int, smoothed: bool
) -> Clustering:
    """Cluster tiles as published.

    Parameters
    ----------
    settings
        Those of HETMAP are `ClusteringSettings(procedure="paper")`.
    seed
        Of k-means, which has `settings.q` starts (HETMAP), and of annealing.
    smoothed
        Whether there is annealing.
    """
    start, notes = _start(tiles, settings.q, seed)
    if start.max(initial=0) < 1:
        return at_most_one_cluster(settings, len(tiles), smoothed, notes)
    edges = tiles.published_edges(settings.k, settings.reach)
    weights = edge_similarity(tiles.features, edges)
    rng = np.random.default_rng(seed)
    embedding = bic_embedding(tiles.features)
    raw, steps = start, list[Step]()
    while True:
        labels, certainty = raw, UNKNOWN
        if smoothed:
            model = cosine_energy(tiles.features, edges, weights, raw)
            labels, certainty = _smooth(model, raw, rng)
        clusters = compact(labels)
        search = first_improving_merge(embedding, clusters)
        sizes = np.bincount(clusters).tolist()
        merged = (sizes[search.merge[0]], sizes[search.merge[1]]) if search.merge else None
        steps.append(Step(len(sizes), search.bic, merged))
        if search.merge is None:
            return numbered(settings, start, raw, labels, tuple(steps), certainty, notes)
        source, target = search.merge
        raw = _refit(tiles.features, compact(np.where(clusters == source, target, clusters)))


def _start(tiles: OrderedTiles, q: int, seed: int) -> tuple[Ints, tuple[str, ...]]:
    """Return the labels (N,) of the first k-means, and why they are fewer than `q`."""
    different = tiles.count_different(q)
    notes = () if different == q else (too_few_different(len(tiles), different, q),)
    if different < 2:
        return np.zeros(len(tiles), np.int64), notes
    k_means = KMeans(different, n_init=q, random_state=seed)
    return compact(k_means.fit(tiles.features).labels_), notes


def _smooth(model: PottsModel, labels: Ints, rng: np.random.Generator) -> tuple[Ints, Certainty]:
    """Anneal the labels, and tell how near the minimum they come."""
    annealed = anneal(model, labels, SCHEDULE, rng)
    # Repelling neighbours are left out of the bound, which holds all the more: they could only
    # raise the energy.
    attracting = replace(model, weights=np.maximum(model.weights, 0.0))
    bound = min(annealed.energy, lower_bound(attracting, annealed.labels))
    gap = gap_percent(attracting, annealed.energy, bound)
    return annealed.labels, Certainty(annealed.energy, bound, gap, typical_coupling(model))


def _refit(features: Features, clusters: Ints) -> Ints:
    """Return the labels of k-means that starts from the means of the clusters."""
    means = [features[clusters == k].mean(axis=0, dtype=np.float64) for k in np.unique(clusters)]
    init = np.array(means, np.float32)
    return compact(KMeans(len(init), init=init, n_init=1).fit(features).labels_)
