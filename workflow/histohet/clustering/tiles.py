"""The tiles of a slide in an order of their own: principal components of embeddings, the graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from histohet.clustering.potts.model import Neighbours, neighbour_lists
from histohet.common.arrays import Float32, Floats, Ints
from histohet.features.file import FeatureRows
from histohet.tiles.neighbours import edges_within_reach, knn_edges

# Embeddings (N, D) in memory, or in a file that is read by ascending row numbers.
Source = npt.NDArray[np.floating] | FeatureRows
Features = Float32

# A tile's vicinity reaches so many pitches: drift hardly changes within it, and borders of real
# tissue, which are blurred over a tile or two, are narrower.
VICINITY = 2.5
# Leading principal components among which those with spatial structure are.
COMPONENTS = 32
# Tiles whose embeddings are compared at once when different ones are counted.
COUNTED_TILES = 1_024
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


class Graph(NamedTuple):
    """Neighbouring tiles, as edges (E, 2) int64 and as lists."""

    edges: Ints
    neighbours: Neighbours

    @classmethod
    def of(cls, edges: Ints, n_tiles: int) -> Graph:
        """Return the graph of edges between `n_tiles` tiles."""
        return cls(edges, neighbour_lists(edges, n_tiles))


@dataclass(frozen=True)
class OrderedTiles:
    """Tiles of a slide, or some of them, in an order of their own.

    The order is that of a checksum of their embeddings: it says nothing of where a tile lies or
    what it shows, so it does not change when a slide is turned or its tiles are listed otherwise,
    and any every-so-manieth tiles are a fair sample. Everything that is computed in this order is
    the same to the last bit, whatever the order of the tiles given.

    Attributes
    ----------
    source
        Features of all tiles of the slide, as they were given.
    rows
        (N,) int64, which of them these are.
    coords
        (N, 2) integer level-0 positions.
    pitch_px
        Distance between neighbouring tiles in level-0 pixels.
    components
        (N, up to `COMPONENTS`) float64, along the leading principal axes of all tiles.
    """

    source: Source
    rows: Ints
    coords: npt.NDArray[np.integer]
    pitch_px: float
    components: Floats

    @classmethod
    def of(
        cls,
        features: Source,
        coords: npt.NDArray[np.integer],
        pitch_px: float,
        seed: int,
    ) -> OrderedTiles:
        """Put the tiles of a slide in order; `seed` is that of their principal components."""
        order = _order_by_content(features, coords)
        components = principal_components(features, order, COMPONENTS, seed)
        return cls(features, order, coords[order], pitch_px, components)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def features(self) -> Features:
        """All unit rows, (N, D): only the published parts need them."""
        return unit_rows(self.source, self.rows)

    def edges(self, k: int, reach: float | None) -> Ints:
        """Join every tile with its `k` nearest and all as far: (E, 2) int64.

        They are at most `reach` pitches away.
        """
        return knn_edges(self.coords, k, self._reach_px(reach), ties=True)

    def published_edges(self, k: int, reach: float | None) -> Ints:
        """Join every tile with its `k` nearest alone, as HETMAP does: (E, 2) int64."""
        return knn_edges(self.coords, k, self._reach_px(reach))

    def vicinity(self) -> Ints:
        """Join every tile with all in its vicinity: (E, 2) int64."""
        return edges_within_reach(self.coords, VICINITY * self.pitch_px)

    def _reach_px(self, reach: float | None) -> float | None:
        return None if reach is None else reach * self.pitch_px

    def blocks(self, pitches: int) -> Ints:
        """Return the square block of so many pitches a side that each tile is in, (N,) 0..B-1.

        Blocks lie around the middle of the slide and are numbered by their first tiles, so they
        are the same on a slide that is turned.
        """
        low, high = self.coords.min(axis=0), self.coords.max(axis=0)
        offset = 2 * self.coords.astype(np.int64) - (low + high)
        number = np.sign(offset) * np.floor(np.abs(offset) / (2 * pitches * self.pitch_px) + 0.5)
        _, first, block = np.unique(number, axis=0, return_index=True, return_inverse=True)
        return np.asarray(np.argsort(np.argsort(first))[block.ravel()], np.int64)

    def count_different(self, at_most: int) -> int:
        """Count different embeddings, and stop counting at `at_most`."""
        seen: set[bytes] = set()
        for first in range(0, len(self), COUNTED_TILES):
            for row in unit_rows(self.source, self.rows[first : first + COUNTED_TILES]):
                seen.add(row.tobytes())
                if len(seen) == at_most:
                    return at_most
        return len(seen)

    def subset(self, drawn: Ints) -> OrderedTiles:
        """Return the tiles `drawn` (M,), with the principal components of all."""
        return replace(
            self,
            rows=self.rows[drawn],
            coords=self.coords[drawn],
            components=self.components[drawn],
        )


def _order_by_content(features: Source, coords: npt.NDArray[np.integer]) -> Ints:
    """Return the order of tiles by a checksum of their embeddings.

    Of equal embeddings, the one nearer to the middle of the slide comes first, then by position.
    """
    digits = np.random.default_rng(0).integers(2**63, size=features.shape[1], dtype=np.uint64)
    digits |= np.uint64(1)
    checksum = np.empty(len(features), np.uint64)
    for first in range(0, len(features), ROWS_PER_CHUNK):
        tiles = np.arange(first, min(first + ROWS_PER_CHUNK, len(features)))
        # Adding 0 makes one zero of both.
        rows = unit_rows(features, tiles) + np.float32(0)
        checksum[tiles] = rows.view(np.uint32).astype(np.uint64) @ digits
    if not len(features):
        return np.empty(0, np.int64)
    offset = np.abs(2 * coords.astype(np.int64) - coords.min(axis=0) - coords.max(axis=0))
    keys = (coords[:, 0], coords[:, 1], offset.max(axis=1), (offset**2).sum(axis=1), checksum)
    return np.lexsort(keys).astype(np.int64, copy=False)


def unit_rows(features: Source, tiles: Ints) -> Features:
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


def principal_components(features: Source, tiles: Ints, n_components: int, seed: int) -> Floats:
    """Return the leading principal components of the standardised unit rows of `tiles`.

    Every feature has the same say, whatever its scale, as in HETMAP's space of the model choice.
    Reads the features in chunks and twice, so they may be far larger than the memory.

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
    to_axes = (scale[:, None] * axes).astype(np.float32)
    offset = centre @ to_axes
    place = np.argsort(tiles, kind="stable")
    components = np.empty((len(tiles), axes.shape[1]))
    # In the order of the file, which is read once; always as many rows at a time, for a product
    # of fewer may round otherwise.
    chunk = np.zeros((ROWS_PER_CHUNK, features.shape[1]), np.float32)
    for first in range(0, len(tiles), ROWS_PER_CHUNK):
        places = place[first : first + ROWS_PER_CHUNK]
        chunk[: len(places)] = unit_rows(features, tiles[places])
        components[places] = (chunk @ to_axes)[: len(places)] - offset
    return components


def too_few_different(n_tiles: int, different: int, q: int) -> str:
    """Return the note that there are fewer clusters at the start because tiles are alike."""
    return (
        f"{n_tiles} tiles with {different} different feature vectors:"
        f" {different} instead of {q} clusters at the start"
    )
