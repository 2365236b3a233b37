"""Files of tile embeddings, in the layout of TRIDENT 0.3: written batch by batch, read by rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Float32, Ints
from histohet.common.hdf5 import CHUNK_ROWS, new_file, open_file
from histohet.common.outcome import Outcome
from histohet.common.provenance import Provenance
from histohet.tiles.file import AT_RIM, TileTable, read_column, tiles_of, write_coords

NO_ROWS: Ints = np.empty(0, np.int64)


class FeatureRows:
    """Embeddings (M, D) that stay in their file until rows are asked for.

    Takes what an array takes; ascending row numbers, (K,) integers, are read block by block, which
    is several times faster than HDF5's own selection of single rows and holds one block at a time.
    """

    def __init__(self, dataset: h5py.Dataset, rows: Ints | None = None) -> None:
        """Give all rows of a dataset, or those with the given ascending numbers."""
        self._dataset = dataset
        self._rows = rows
        self.shape = (len(dataset) if rows is None else len(rows), int(dataset.shape[1]))
        self.ndim = len(self.shape)

    def only(self, rows: Ints) -> FeatureRows:
        """Return some of the rows, by ascending numbers."""
        return FeatureRows(self._dataset, rows if self._rows is None else self._rows[rows])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Float32:
        """Return rows by ascending numbers, or whatever else HDF5 can select."""
        if self._rows is not None and isinstance(key, tuple):
            return self[key[0]][:, key[1]]
        if self._rows is not None:
            key = self._rows[key]
        if not isinstance(key, np.ndarray):
            return np.asarray(self._dataset[key])
        found = np.empty((len(key), self.shape[1]), np.float32)
        limits = np.searchsorted(key, np.arange(0, len(self._dataset) + CHUNK_ROWS, CHUNK_ROWS))
        for first, end in pairwise(limits.tolist()):
            if first < end:
                low, high = key[first], key[end - 1]
                found[first:end] = self._dataset[low : high + 1][key[first:end] - low]
        return found


@dataclass(frozen=True)
class FeatureTable:
    """Embeddings of some tiles, in a file that is open.

    Attributes
    ----------
    features
        float32 (M, D), read as rows are asked for.
    tile_index
        int64 (M,), rows of the tile file.
    unreadable_index
        int64 (U,), rows of the tile file that were to be encoded and cannot be decoded.
    """

    features: FeatureRows
    tile_index: Ints
    tiles: TileTable
    unreadable_index: Ints

    def only(self, rows: Ints) -> FeatureTable:
        """Return some of the tiles, by ascending row numbers of this table."""
        return FeatureTable(
            self.features.only(rows),
            self.tile_index[rows],
            self.tiles.only(rows),
            self.unreadable_index,
        )

    def covered(self, coverage: npt.NDArray[np.floating], least: float) -> FeatureTable:
        """Return the tiles with more than `least` epithelium.

        Parameters
        ----------
        coverage
            (N,) share of epithelium of every tile of the tile file.
        """
        return self.only(np.flatnonzero(coverage[self.tile_index] > least))


class FeatureWriter:
    """Feature file under construction: batches are appended as they are computed."""

    def __init__(self, file: h5py.File) -> None:
        self._features = file["features"]
        self._filled = 0

    def append(self, batch: Float32) -> None:
        """Append float32 (B, D) rows, in tile order."""
        self._features[self._filled : self._filled + len(batch)] = batch
        self._filled += len(batch)


@contextmanager
def feature_file(
    path: str | Path,
    tiles: TileTable,
    tile_index: Ints,
    width: int,
    encoder: str,
    provenance: Provenance,
    unreadable_index: Ints = NO_ROWS,
) -> Iterator[FeatureWriter]:
    """Create a feature file for `tile_index` and fill it batch by batch.

    Parameters
    ----------
    unreadable_index
        Rows of the tile file that were to be encoded too and cannot be decoded.

    Raises
    ------
    ValueError
        If the block ends before every row has been written.
    """
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords[tile_index], tiles.attributes)
        if tiles.at_rim is not None:
            file.create_dataset(AT_RIM, data=tiles.at_rim[tile_index])
        file.create_dataset("tile_index", data=np.asarray(tile_index, np.int64))
        file.create_dataset("unreadable_index", data=np.asarray(unreadable_index, np.int64))
        dataset = file.create_dataset(
            "features",
            shape=(len(tile_index), width),
            maxshape=(None, width),
            chunks=(max(1, CHUNK_ROWS * 64 // width), width),
            dtype=np.float32,
        )
        dataset.attrs.update(
            {"name": tiles.attributes["name"], "savetodir": str(Path(path).parent)}
        )
        dataset.attrs["encoder"] = encoder
        writer = FeatureWriter(file)
        yield writer
        if writer._filled != len(tile_index):
            raise ValueError(f"{path}: {writer._filled} of {len(tile_index)} tiles were encoded")


def write_no_features(
    path: str | Path, tiles: TileTable, outcome: Outcome, encoder: str, provenance: Provenance
) -> None:
    """Write a feature file without rows that says why the slide has none."""
    nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
    with feature_file(path, nothing, NO_ROWS, 1, encoder, provenance):
        pass


@contextmanager
def open_features(path: str | Path) -> Iterator[FeatureTable]:
    """Open the embeddings of a slide, which can be read as long as the block lasts."""
    with open_file(path) as file:
        unreadable = file["unreadable_index"][:] if "unreadable_index" in file else NO_ROWS
        yield FeatureTable(
            FeatureRows(file["features"]), file["tile_index"][:], tiles_of(file), unreadable
        )


@contextmanager
def open_tiles(
    features: str | Path, coverage: str | Path | None, least: float | None
) -> Iterator[FeatureTable]:
    """Open the embeddings of a slide, without tiles that only another variant wants encoded.

    Parameters
    ----------
    coverage, least
        Epithelium of every tile, and how much is needed; None if all encoded tiles count.
    """
    with open_features(features) as table:
        if coverage is None or least is None:
            yield table
        else:
            yield table.covered(read_column(coverage, "coverage")[0], least)
