"""Embeddings of other tools' files, row by row, and which row each of our tiles came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from histohet.common.arrays import Float32, Ints
from histohet.common.hdf5 import CHUNK_ROWS, new_file, open_file
from histohet.common.provenance import Provenance
from histohet.features.imported.layouts import FeatureFileError, FeatureSource, open_foreign
from histohet.tiles.file import TileTable, write_coords

BLOCK_BYTES = 128 * 2**20

SAME = 0.01
"""Relative distance up to which features are the same: half precision and batches leave traces."""


def write_imported_tiles(
    path: str | Path, tiles: TileTable, source_row: Ints, provenance: Provenance
) -> None:
    """Write a tile file that also tells which row of the feature file each tile came from."""
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords, tiles.attributes)
        file.create_dataset("source_row", data=np.asarray(source_row, np.int64))


def read_source_rows(path: str | Path) -> Ints:
    """Return the rows of the feature file, (N,) int64, that `write_imported_tiles` kept."""
    with open_file(path) as file:
        return np.asarray(file["source_row"][:])


def read_rows(
    source: FeatureSource, rows: Ints, block_bytes: int = BLOCK_BYTES
) -> Iterator[Float32]:
    """Read embeddings in any order, a block at a time.

    For every block the file is passed once from its first to its last wanted row: a file in our
    order is read once, whatever its size, another as often as its blocks need, and never in
    scattered rows.

    Parameters
    ----------
    rows
        (M,) rows of the feature file.
    block_bytes
        Size of a block as float32; about twice that is held.

    Yields
    ------
    float32 (B, D)

    Raises
    ------
    FeatureFileError
        If an embedding is not finite, or the file is damaged.
    """
    per_block = max(1, block_bytes // (4 * max(1, source.width)))
    with open_foreign(source.path) as file:
        dataset = file[source.dataset]
        for first in range(0, len(rows), per_block):
            wanted = rows[first : first + per_block]
            block = _gather(dataset, wanted, source.width)
            broken = ~np.isfinite(block).all(axis=1)
            if broken.any():
                raise FeatureFileError(
                    f"{source.path}: the features of {broken.sum()} tiles are not finite, the "
                    f"first in row {wanted[broken].min()}: extract them again"
                )
            yield block


def check_repeats(source: FeatureSource, repeats: Ints) -> None:
    """Check that tiles that stand twice in a feature file have the same features both times.

    Parameters
    ----------
    repeats
        (K, 2) rows of the file, see `PlacedTiles.repeats`.

    Raises
    ------
    FeatureFileError
        If they have not, or see `read_rows`.
    """
    compared = zip(*(read_rows(source, repeats[:, column]) for column in range(2)), strict=True)
    done = 0
    for again, first in compared:
        distance = np.linalg.norm(again - first, axis=1)
        differs = np.flatnonzero(distance > SAME * np.linalg.norm(first, axis=1))
        if len(differs):
            row, earlier = repeats[done + differs[0]].tolist()
            raise FeatureFileError(
                f"{source.path}: the tiles of rows {earlier} and {row} have the same position and "
                "different features: extract them again"
            )
        done += len(again)


def _gather(dataset: h5py.Dataset, rows: Ints, width: int) -> Float32:
    found = np.empty((len(rows), width), np.float32)
    ascending = np.argsort(rows, kind="stable")
    in_order = rows[ascending]
    for low in range(int(in_order[0]), int(in_order[-1]) + 1, CHUNK_ROWS):
        start, end = np.searchsorted(in_order, (low, low + CHUNK_ROWS))
        if start < end:
            high = int(in_order[end - 1]) + 1
            part = dataset[0, low:high] if dataset.ndim == 3 else dataset[low:high]
            # A float64 beyond float32 becomes infinite, and is refused as such.
            with np.errstate(over="ignore"):
                found[ascending[start:end]] = part[in_order[start:end] - low]
    return found
