"""Potts models of a few tiles, whose every labelling can be tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from histohet.clustering.potts.model import IntegerModel, PottsModel
from histohet.clustering.published.cosine import edge_similarity, unary_cosine
from histohet.common.arrays import Float32, Ints
from histohet.tiles.neighbours import knn_edges


class FewTiles(NamedTuple):
    """Embeddings of tiles and centres, and the published model of them."""

    features: Float32
    centres: Float32
    model: PottsModel


def few_tiles(seed: int, n: int = 7, n_labels: int = 3) -> FewTiles:
    """Return tiles scattered on a lattice of 5 x 5."""
    rng = np.random.default_rng(seed)
    coords = rng.permutation(25)[:n]
    coords = np.stack([coords % 5, coords // 5], axis=1)
    features = rng.standard_normal((n, 4)).astype(np.float32)
    centres = rng.standard_normal((n_labels, 4)).astype(np.float32)
    edges = knn_edges(coords, 3)
    unary = unary_cosine(features, centres, len(edges) / n)
    return FewTiles(features, centres, PottsModel(edges, edge_similarity(features, edges), unary))


def labelings(model: PottsModel | IntegerModel) -> Iterator[Ints]:
    """Yield every labelling of the tiles."""
    n, n_labels = model.unary.shape
    return (np.array(labels) for labels in itertools.product(range(n_labels), repeat=n))
