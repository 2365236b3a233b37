"""Odd tiles: pen, blur, fold, rim and whatever else has too few tiles like it to be a kind.

They are set aside before clusters are looked for. Left in, they win clusters of their own, for they
are unlike all others, or bend those of the others; dissolved afterwards, they leave a number of
clusters that was chosen for their sake.
"""

from __future__ import annotations

import numpy as np

from histohet.common.arrays import Bools, Float32, Floats

# Tiles that must be like a tile.
COMPANIONS = 10
# A tile is odd if its companions are farther than this many robust standard deviations above the
# typical logarithm of the distance, and this many times as far as the nearest companions of one of
# them are: tiles of a kind that varies more than others are no outliers.
FARTHEST = 4.0
FARTHER_THAN_THEIRS = 2.0
# Median absolute deviation to standard deviation, of a Gaussian.
TO_DEVIATION = 1.4826
# Tiles are compared with at most so many, evenly drawn.
COMPARED_TILES = 4_096
ROWS_PER_CHUNK = 1_024


def odd_tiles(rows: Floats) -> Bools:
    """Return which tiles have hardly any tiles like them.

    Parameters
    ----------
    rows
        (N, d) float64 embeddings, in an order that says nothing of them.

    Returns
    -------
    ndarray
        (N,) bool; none where tiles are few, or alike to the last digit.
    """
    n = len(rows)
    every = max(1, -(-n // COMPARED_TILES))
    compared = rows[::every].astype(np.float32)
    nobody = np.zeros(n, np.bool_)
    if len(compared) <= 2 * COMPANIONS or not rows.shape[1]:
        return nobody
    near = np.concatenate(
        [
            # The nearest is the tile itself.
            np.partition(_squared_distances(chunk, compared), COMPANIONS, axis=1)[:, COMPANIONS]
            for chunk in _chunks(compared)
        ]
    )
    if not near.min() > 0:
        return nobody
    distance = np.log(near) / 2
    typical = np.median(distance)
    deviation = TO_DEVIATION * np.median(np.abs(distance - typical))
    farthest = np.exp(2 * (typical + FARTHEST * deviation))
    single = rows.astype(np.float32)
    companions = np.concatenate(
        [(_squared_distances(chunk, compared) <= farthest).sum(axis=1) for chunk in _chunks(single)]
    )
    # Itself is among those compared with.
    companions[::every] -= 1
    odd = np.flatnonzero(companions < COMPANIONS)
    found = nobody
    for first in range(0, len(odd), ROWS_PER_CHUNK):
        some = odd[first : first + ROWS_PER_CHUNK]
        squared = _squared_distances(single[some], compared)
        itself = some % every == 0
        squared[itself, some[itself] // every] = np.inf
        their = np.argpartition(squared, COMPANIONS - 1, axis=1)[:, :COMPANIONS]
        own = np.take_along_axis(squared, their, axis=1).max(axis=1)
        found[some] = own > FARTHER_THAN_THEIRS**2 * near[their].min(axis=1)
    return found


def _squared_distances(rows: Float32, others: Float32) -> Float32:
    """Return the squared distances (N, M) between rows (N, d) and others (M, d), never below 0."""
    squares = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", others, others)
    return np.asarray(np.maximum(squares - 2 * (rows @ others.T), 0), np.float32)


def _chunks(rows: Float32) -> list[Float32]:
    return [rows[first : first + ROWS_PER_CHUNK] for first in range(0, len(rows), ROWS_PER_CHUNK)]
