"""HETMAP's energy, from cosines.

Cosines of neighbours, and of tiles and the means of their clusters. Both terms weigh alike: the
second is multiplied by edges / tiles. Neighbours that point in opposite directions have negative
weights.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from histohet.clustering.potts.model import PottsModel
from histohet.common.arrays import Floats, Ints

EDGES_PER_CHUNK = 4096


def cosine_energy(
    features: npt.NDArray[np.floating], edges: Ints, weights: Floats, labels: Ints
) -> PottsModel:
    """Return the terms that any labelling by the clusters of `labels` is judged with.

    Parameters
    ----------
    features
        (N, D) float embeddings.
    edges, weights
        (E, 2) int64, and their (E,) `edge_similarity`.
    labels
        (N,) int64 in 0..K-1, each used; they describe the clusters.
    """
    centres = [features[labels == k].mean(axis=0) for k in range(int(labels.max()) + 1)]
    unary = unary_cosine(features, np.array(centres), len(edges) / len(features))
    return PottsModel(edges, weights, unary)


def unary_cosine(
    features: npt.NDArray[np.floating], centres: npt.NDArray[np.floating], weight: float
) -> Floats:
    """Return -weight * cos(centre_k, x_i) for every tile i and label k, the fit of HETMAP.

    Parameters
    ----------
    features
        (N, D) float; rows of zeros have cosine 0.
    centres
        (K, D) float.
    weight
        c of the published energy, number of edges / number of tiles, so that both terms weigh
        alike.

    Returns
    -------
    ndarray
        (N, K) float64.
    """
    products = (features @ centres.astype(features.dtype).T).astype(np.float64)
    norms = np.outer(_row_norms(features), _row_norms(centres))
    cosine = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return -weight * cosine


def _row_norms(rows: npt.NDArray[np.floating]) -> Floats:
    squared: Floats = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(squared)


def edge_similarity(features: npt.NDArray[np.floating], edges: Ints) -> Floats:
    """Return the cosine similarity of the two tiles of every edge.

    Works through the edges in chunks: the N x N matrix of all similarities never exists.

    Parameters
    ----------
    features
        (N, D) float, need not be normalised. The similarity with an all-zero row is 0.
    edges
        (E, 2) int64.

    Returns
    -------
    ndarray
        (E,) float64 in [-1, 1].
    """
    norm = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    scale = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
    similarity = np.empty(len(edges), np.float64)
    for first in range(0, len(edges), EDGES_PER_CHUNK):
        u, v = edges[first : first + EDGES_PER_CHUNK].T
        product = np.einsum("ij,ij->i", features[u], features[v], dtype=np.float64)
        similarity[first : first + EDGES_PER_CHUNK] = product * scale[u] * scale[v]
    return np.clip(similarity, -1.0, 1.0)
