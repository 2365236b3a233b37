"""The space of a slide: the principal components that carry spatial structure.

What a component says of a region, it says of neighbours alike. So a component whose values at
neighbouring tiles are no more alike than those of any two tiles cannot tell regions, however much
it varies; it is left out. How many of the others the clusters need is a question of evidence, which
`ensemble` asks.
"""

from __future__ import annotations

import numpy as np

from histohet.common.arrays import Floats, Ints

# Standard errors that a correlation of neighbours must exceed: with 32 components, chance lets one
# in once in some 25 slides.
STANDARD_ERRORS = 3.0


def neighbour_correlation(components: Floats, edges: Ints) -> Floats:
    """Return how alike neighbours are: 1 less half the mean squared difference over the variance.

    Geary's ratio, subtracted from 1 (Geary, The Incorporated Statistician 5:115, 1954): 1 of a
    constant, 0 where tiles lie as by chance.

    Parameters
    ----------
    components
        (N, d) float64, none of them constant.
    edges
        (E, 2) int64 pairs of neighbours, E > 0.

    Returns
    -------
    ndarray
        (d,) float64.
    """
    differences = np.zeros(components.shape[1])
    for column, values in enumerate(components.T):
        step = values[edges[:, 0]] - values[edges[:, 1]]
        differences[column] = step @ step
    return np.asarray(1 - differences / (2 * len(edges) * components.var(axis=0)))


def structured(components: Floats, edges: Ints) -> Floats:
    """Return the components (N, d') in which neighbours are alike, in their order.

    Where no tile has a neighbour nothing can be told, and all are returned.
    """
    if not len(edges) or not components.shape[1]:
        return components
    alike = neighbour_correlation(components, edges) > STANDARD_ERRORS / np.sqrt(len(edges))
    return np.ascontiguousarray(components[:, alike])
