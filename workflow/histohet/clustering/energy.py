"""The energies of a slide: what they say of tiles and of edges, given clusters.

An energy takes labels (N,), whose clusters it describes, and returns the terms that any labelling
of the tiles by those clusters is judged with. Minimisers know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from histohet.clustering.mixture import misfit
from histohet.clustering.neighbour_labels import estimate_coupling, neighbour_counts
from histohet.clustering.potts.model import Floats, Ints, Neighbours, PottsModel, unary_cosine
from histohet.tiles.neighbours import edge_similarity

Energy = Callable[[Ints], PottsModel]


def cosine_energy(features: npt.NDArray[np.floating], edges: Ints) -> Energy:
    """Return HETMAP's energy: cosines of neighbours, and of tiles and the means of their clusters.

    Both terms weigh alike: the second is multiplied by edges / tiles. Neighbours that point in
    opposite directions have negative weights.

    Parameters
    ----------
    features
        (N, D) float embeddings.
    edges
        (E, 2) int64.
    """
    weights = edge_similarity(features, edges)

    def terms(labels: Ints) -> PottsModel:
        centres = [features[labels == k].mean(axis=0) for k in range(int(labels.max()) + 1)]
        unary = unary_cosine(features, np.array(centres), len(edges) / len(features))
        return PottsModel(edges, weights, unary)

    return terms


def calibrated_energy(rows: Floats, edges: Ints, neighbours: Neighbours) -> Energy:
    """Return the energy of a hidden Markov random field, in which nothing is set by hand.

    How badly a tile fits a cluster is minus the log density of `gaussian_clusters`; what equal
    neighbours earn is the coupling under which the given labels are most likely
    (`neighbour_labels`). Both are in units of log likelihood and so weigh against each other as
    they should, whatever the width and the similarities of the encoder.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings.
    edges, neighbours
        The graph, as edges and as lists.
    """

    def terms(labels: Ints) -> PottsModel:
        first_guess = misfit(rows, labels, np.ones(len(rows)))
        unary, _ = misfit(rows, labels, first_guess[1])
        counts = neighbour_counts(neighbours, labels, unary.shape[1])
        coupling = estimate_coupling(counts, labels)
        return PottsModel(edges, np.full(len(edges), coupling), unary)

    return terms


def typical_coupling(model: PottsModel) -> float:
    """Return the mean weight of an edge, 0 without edges."""
    return float(model.weights.mean()) if len(model.weights) else 0.0
