"""A narrow picture of wide embeddings: unit rows and their leading principal components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]

# Axes are fitted to at most so many tiles, evenly spread: they are known well enough by then.
FITTED_TILES = 16_384
ROWS_PER_CHUNK = 8_192
# Features of unit rows that vary by less than this are constant but for rounding; so are axes that
# vary by less than this share of the leading one.
ROUNDING = 1e-5
SMALLEST_SPREAD = 1e-5
# Wider features than this are reduced by a randomised decomposition (Halko et al., 2011).
EXACT_WIDTH = 256
POWER_ITERATIONS = 3


def unit_rows(features: npt.NDArray[np.floating], tiles: Ints) -> Features:
    """Return the embeddings of `tiles`, in that order, L2-normalised; zeros stay zeros.

    Parameters
    ----------
    features
        (N, D) float; an array, a memory map or anything that takes ascending row numbers.
    tiles
        (M,) int64 row numbers, each once.

    Returns
    -------
    ndarray
        (M, D) float32.

    Raises
    ------
    ValueError
        If an embedding is not finite.
    """
    ascending = np.argsort(tiles, kind="stable")
    rows = np.empty((len(tiles), features.shape[1]), np.float32)
    rows[ascending] = features[tiles[ascending]]
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(norms).all():
        tile = int(tiles[~np.isfinite(norms)].min())
        raise ValueError(f"the feature vector of tile {tile} is not finite; encode the slide again")
    norms[norms == 0] = 1
    rows /= norms[:, None]
    return rows


def principal_components(
    features: npt.NDArray[np.floating], tiles: Ints, n_components: int, seed: int
) -> Floats:
    """Return the leading principal components of the standardised unit rows of `tiles`.

    Every feature has the same say, whatever its scale, as in HETMAP's space of the model choice.
    Reads the features in chunks and twice at most, so they may be far larger than the memory.

    Parameters
    ----------
    features, tiles
        As in `unit_rows`.
    n_components
        The most components; fewer where the rows span fewer dimensions.
    seed
        Of the randomised decomposition of wide features.

    Returns
    -------
    ndarray
        (M, d) float64 of descending variance; d = 0 where all rows are equal.
    """
    sample = unit_rows(features, tiles[:: max(1, -(-len(tiles) // FITTED_TILES))])
    most = min(n_components, len(sample) - 1, features.shape[1])
    if most < 1:
        return np.empty((len(tiles), 0))
    # In place, for the sample of a large slide is as large as everything else together.
    centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    sample -= centre
    spread = np.sqrt(np.einsum("ij,ij->j", sample, sample, dtype=np.float64) / len(sample))
    varies = spread > ROUNDING
    if not varies.any():
        return np.empty((len(tiles), 0))
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=varies)
    sample *= scale.astype(np.float32)
    if features.shape[1] > EXACT_WIDTH and most < min(sample.shape) // 2:
        solver = {"svd_solver": "randomized", "iterated_power": POWER_ITERATIONS}
    else:
        solver = {"svd_solver": "full"}
    pca = PCA(most, random_state=seed, **solver).fit(sample)
    kept = pca.singular_values_ > SMALLEST_SPREAD * pca.singular_values_[0]
    axes = pca.components_[kept].T
    if len(sample) == len(tiles):
        return np.asarray(sample @ axes, np.float64)
    to_axes = (scale[:, None] * axes).astype(np.float32)
    offset = centre @ to_axes
    components = np.empty((len(tiles), axes.shape[1]))
    for first in range(0, len(tiles), ROWS_PER_CHUNK):
        chunk = slice(first, first + ROWS_PER_CHUNK)
        components[chunk] = unit_rows(features, tiles[chunk]) @ to_axes - offset
    return components
