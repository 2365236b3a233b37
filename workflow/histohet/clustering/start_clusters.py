"""The clusters to start from: many, by k-means, no more than the tiles can support."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from histohet.clustering.embedding import unit_rows
from histohet.clustering.numbering import compact
from histohet.clustering.potts.model import Ints
from histohet.clustering.settings import ClusteringParams
from histohet.clustering.tiles import OrderedTiles

TILES_PER_CLUSTER = 10
# K-means is fitted to at most so many tiles; the others join the nearest centre.
FITTED_TILES = 16_384
# Tiles whose embeddings are compared at once when different ones are counted.
COUNTED_TILES = 1_024


def start_clusters(
    tiles: OrderedTiles, params: ClusteringParams, seed: int
) -> tuple[Ints, tuple[str, ...]]:
    """Find the many clusters that are merged afterwards, by k-means.

    The published choice of their number needs k-means of the embeddings, ours of their leading
    principal components.

    Parameters
    ----------
    tiles
        What to cluster.
    params
        The most clusters (`q`), restarts of k-means (`n_init`) and the choice of the number.
    seed
        Of k-means.

    Returns
    -------
    labels
        (N,) int64 in 0..K-1, each used; fewer than `params.q` where the tiles do not support them.
    notes
        Sentences for the reader: why they are fewer.
    """
    rows: npt.NDArray[np.floating] = (
        tiles.components if params.model_choice == "evidence" else tiles.features
    )
    most = params.q
    if params.model_choice == "evidence":
        most = max(1, min(most, len(rows) // TILES_PER_CLUSTER))
    q = _count_different(tiles, at_most=most) if rows.shape[1] else min(len(rows), 1)
    notes: tuple[str, ...] = ()
    if q < most:
        notes = (
            f"{len(rows)} tiles with {q} different feature vectors:"
            f" {q} instead of {params.q} clusters at the start",
        )
    elif q < params.q:
        notes = (f"{len(rows)} tiles: {q} instead of {params.q} clusters at the start",)
    if q < 2:
        return np.zeros(len(rows), np.int64), notes
    k_means = KMeans(q, n_init=params.n_init or params.q, random_state=seed)
    if params.model_choice == "bic_full":
        return compact(k_means.fit(rows).labels_), notes
    k_means.fit(rows[:: -(-len(rows) // FITTED_TILES)])
    return compact(k_means.predict(rows)), notes


def _count_different(tiles: OrderedTiles, at_most: int) -> int:
    """Count different embeddings, and stop counting at `at_most`."""
    seen: set[bytes] = set()
    for first in range(0, len(tiles), COUNTED_TILES):
        for row in unit_rows(tiles.source, tiles.rows[first : first + COUNTED_TILES]):
            seen.add(row.tobytes())
            if len(seen) == at_most:
                return at_most
    return len(seen)
