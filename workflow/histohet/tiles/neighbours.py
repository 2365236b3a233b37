"""Which tiles are neighbours: exact nearest neighbours, edges between near or adjacent tiles."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histohet.common.arrays import Ints


def nearest(points: npt.NDArray[np.integer], queries: npt.NDArray[np.integer], k: int) -> Ints:
    """Return the `k` points nearest to each query, nearest first.

    Lattices are full of ties, and a k-d tree breaks them by the order of its input. Here equal
    distances are ordered by y, then x, of the point, in exact integer arithmetic, so the answer
    depends on positions alone. Only points at one and the same position are interchangeable.

    Parameters
    ----------
    points, queries
        (M, 2) and (N, 2) integer (x, y).
    k
        Number of neighbours, 1 to M.

    Returns
    -------
    ndarray
        (N, k) int64 row numbers of `points`.

    Raises
    ------
    ValueError
        If coordinates are not (N, 2) integers or `k` is out of range.
    """
    points, queries = _integer_coords(points), _integer_coords(queries)
    if not 1 <= k <= len(points):
        raise ValueError(f"{k} nearest of {len(points)} points asked for")
    tree = cKDTree(points)
    found = np.empty((len(queries), k), np.int64)
    pending = np.arange(len(queries))
    asked = 2 * k + 8
    while len(pending):
        asked = min(asked, len(points))
        near = tree.query(queries[pending], np.arange(1, asked + 1))[1]
        squared = ((points[near] - queries[pending, None]) ** 2).sum(axis=2)
        order = np.lexsort((near, points[near, 0], points[near, 1], squared), axis=-1)
        near = np.take_along_axis(near, order, axis=1)
        squared = np.take_along_axis(squared, order, axis=1)
        # The kth neighbour is settled once a farther one was seen, so that no tie was cut off.
        # At distance 0 all ties are points of the same place: any of them will do.
        settled = (squared[:, k - 1] < squared[:, -1]) | (squared[:, k - 1] == 0)
        if asked == len(points):
            settled[:] = True
        found[pending[settled]] = near[settled, :k]
        pending = pending[~settled]
        asked *= 2
    return found


def knn_edges(
    coords: npt.NDArray[np.integer], k: int, reach_px: float | None = None, *, ties: bool = False
) -> Ints:
    """Return the undirected union of every tile's edges to its `k` nearest tiles.

    Parameters
    ----------
    coords
        (N, 2) integer tile positions (x, y); tiles may share a position.
    k
        Neighbours per tile; N - 1 where a slide has fewer tiles.
    reach_px
        Tiles farther apart than this are no neighbours, so that no edge bridges a gap in the
        tissue; None for any distance, as published.
    ties
        Whether all tiles count that are as far as the kth: then the edges of a slide that is
        turned or mirrored are the same. Otherwise ties are broken as in `nearest`, as published.
        Where more than `k` tiles share a place, any of these will do in both cases.

    Returns
    -------
    ndarray
        (E, 2) int64 pairs u < v, sorted, each once, without self-loops.
    """
    coords = _integer_coords(coords)
    if k < 1:
        raise ValueError(f"a tile needs at least one neighbour, got k = {k}")
    n = len(coords)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((0, 2), np.int64)
    near = nearest(coords, coords, k + 1)
    itself = near == np.arange(n)[:, None]
    # Among more than k tiles of one position the tile itself may be missing from its own list.
    itself[~itself.any(axis=1), -1] = True
    v = near[~itself]
    u = np.repeat(np.arange(n), k)
    if ties:
        also_u, also_v = _as_far(coords, near[:, -1], reach_px)
        u, v = np.concatenate([u, also_u]), np.concatenate([v, also_v])
    if reach_px is not None:
        within = ((coords[u] - coords[v]) ** 2).sum(axis=1) <= reach_px**2
        u, v = u[within], v[within]
    return _sorted_edges(u, v, n)


def adjacent_edges(coords: npt.NDArray[np.integer], pitch_px: float) -> Ints:
    """Return the pairs of tiles that touch on the lattice, at a side or a corner.

    Parameters
    ----------
    coords
        (N, 2) integer tile positions (x, y).
    pitch_px
        Distance between neighbouring tiles in level-0 pixels. A fractional one is rounded up: the
        rounded corners of such a lattice are so far apart in places.

    Returns
    -------
    ndarray
        (E, 2) int64 pairs u < v, sorted.
    """
    coords = _integer_coords(coords)
    if not pitch_px > 0:
        raise ValueError(f"the pitch of the tiles must be positive, got {pitch_px}")
    if not len(coords):
        return np.empty((0, 2), np.int64)
    pairs = cKDTree(coords).query_pairs(math.ceil(pitch_px), p=np.inf, output_type="ndarray")
    return _sorted_edges(pairs[:, 0], pairs[:, 1], len(coords))


def edges_within_reach(coords: npt.NDArray[np.integer], reach_px: float) -> Ints:
    """Return all pairs of tiles that are at most `reach_px` apart, (E, 2) int64 u < v, sorted.

    Parameters
    ----------
    coords
        (N, 2) integer tile positions (x, y).
    reach_px
        Level-0 pixels.
    """
    coords = _integer_coords(coords)
    if not len(coords):
        return np.empty((0, 2), np.int64)
    pairs = cKDTree(coords).query_pairs(reach_px, output_type="ndarray")
    return _sorted_edges(pairs[:, 0], pairs[:, 1], len(coords))


def _as_far(coords: Ints, kth: Ints, reach_px: float | None) -> tuple[Ints, Ints]:
    """Return the pairs of tiles no farther apart than the first is from its `kth` (N,) tile."""
    squared = ((coords - coords[kth]) ** 2).sum(axis=1)
    apart = np.flatnonzero(squared > 0)
    # A little more than the distance, for its square is compared exactly afterwards.
    radius = np.sqrt(squared[apart]) * (1 + 1e-9)
    if reach_px is not None:
        radius = np.minimum(radius, reach_px * (1 + 1e-9))
    found = cKDTree(coords).query_ball_point(coords[apart], radius, return_sorted=False)
    u = np.repeat(apart, [len(tiles) for tiles in found])
    v = np.fromiter(chain.from_iterable(found), np.int64, len(u))
    kept = (u != v) & (((coords[u] - coords[v]) ** 2).sum(axis=1) <= squared[u])
    return u[kept], v[kept]


def _integer_coords(coords: npt.NDArray[np.integer]) -> Ints:
    coords = np.asarray(coords)
    if coords.ndim != 2 or coords.shape[1] != 2 or not np.issubdtype(coords.dtype, np.integer):
        raise ValueError(
            f"coordinates must be integers of shape (N, 2), got {coords.dtype} {coords.shape}"
        )
    return coords.astype(np.int64, copy=False)


def _sorted_edges(u: Ints, v: Ints, n: int) -> Ints:
    codes = np.unique(np.minimum(u, v) * n + np.maximum(u, v))
    return np.stack(np.divmod(codes, n), axis=1)
