"""Per-slide HDF5 files: tiles, coverage, features, tumour scores.

One file per slide and step. Tiles and features have the layout of TRIDENT 0.3 (names of datasets,
dtypes, attributes of ``coords``), so its readers and Patho-Bench open them; chunks are larger than
TRIDENT's one row. Every file carries the outcome of its slide and its provenance as attributes, and
a slide without a result is a file without rows.

The tile file fixes the order of tiles. Later files hold a column of all its tiles in that order, or
of some of them together with their row numbers, ``tile_index``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histohet.common.files import atomic_path
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.tiles.lattice import Coords, TileSpec

CHUNK_ROWS = 4096
NO_ROWS: npt.NDArray[np.int64] = np.empty(0, np.int64)

# Magnification that TRIDENT gives to a scale: the first bound (µm per pixel) above it.
MAGNIFICATIONS = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5))

UNREADABLE = (
    OSError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
)
"""What h5py raises for files that are no HDF5, damaged, or hold types that NumPy lacks."""

MOST_ROWS = 2 * 10**7
"""No slide has more tiles or spots. A small file may claim any number, and memory is taken for them
before anything is read."""

TileAttributes = Mapping[str, Any]


def nominal_magnification(mpp: float) -> int:
    """Return the magnification bucket TRIDENT assigns to a scale; 0 if it is coarser than 5x."""
    return next((power for bound, power in MAGNIFICATIONS if mpp < bound), 0)


def tile_attributes(
    slide: str, spec: TileSpec, mpp: float, size: tuple[int, int], folder: str
) -> dict[str, Any]:
    """Return the attributes of ``coords``: TRIDENT's own, then ours with the exact scale.

    Parameters
    ----------
    slide
        Slide id.
    mpp
        Micrometres per level-0 px.
    size
        (width, height) of level 0.
    folder
        Where the file is kept, as TRIDENT records it.
    """
    return {
        "patch_size": spec.tile_px,
        "patch_size_level0": round(spec.side_px(mpp)),
        "level0_magnification": nominal_magnification(mpp),
        "target_magnification": nominal_magnification(spec.mpp),
        "overlap": round(spec.overlap_um / spec.mpp),
        "name": slide,
        "savetodir": folder,
        "level0_width": size[0],
        "level0_height": size[1],
        "mpp": mpp,
        "tile_um": spec.tile_um,
        "overlap_um": spec.overlap_um,
        "side_level0_px": spec.side_px(mpp),
    }


@dataclass(frozen=True)
class TileTable:
    """Tiles of a slide: int64 (N, 2) corners in level-0 px, and the attributes of ``coords``."""

    coords: Coords
    attributes: TileAttributes
    outcome: Outcome

    @property
    def mpp(self) -> float:
        """Micrometres per level-0 px."""
        return float(self.attributes["mpp"])

    @property
    def side_px(self) -> float:
        """Exact side of a tile, level-0 px."""
        return float(self.attributes["side_level0_px"])

    @property
    def spec(self) -> TileSpec:
        """Size of the tiles."""
        return TileSpec(
            float(self.attributes["tile_um"]),
            int(self.attributes["patch_size"]),
            float(self.attributes["overlap_um"]),
        )

    @property
    def pitch_px(self) -> float:
        """Exact distance between neighbouring tiles, level-0 px."""
        return self.spec.step_px(self.mpp)


class FeatureRows:
    """Embeddings (M, D) that stay in their file until rows are asked for.

    Takes what an array takes; ascending row numbers, (K,) integers, are read block by block, which
    is several times faster than HDF5's own selection of single rows and holds one block at a time.
    """

    def __init__(self, dataset: h5py.Dataset, rows: npt.NDArray[np.int64] | None = None) -> None:
        """Give all rows of a dataset, or those with the given ascending numbers."""
        self._dataset = dataset
        self._rows = rows
        self.shape = (len(dataset) if rows is None else len(rows), int(dataset.shape[1]))
        self.ndim = len(self.shape)

    def only(self, rows: npt.NDArray[np.int64]) -> FeatureRows:
        """Return some of the rows, by ascending numbers."""
        return FeatureRows(self._dataset, rows if self._rows is None else self._rows[rows])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
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
    tile_index: npt.NDArray[np.int64]
    tiles: TileTable
    unreadable_index: npt.NDArray[np.int64]

    def only(self, rows: npt.NDArray[np.int64]) -> FeatureTable:
        """Return some of the tiles, by ascending row numbers of this table."""
        tiles = replace(self.tiles, coords=self.tiles.coords[rows])
        return FeatureTable(
            self.features.only(rows), self.tile_index[rows], tiles, self.unreadable_index
        )


class _Disk(FileIO):
    """A file that HDF5 writes to, and that keeps to itself what the disk refuses.

    HDF5 2.0 does not survive a failed write: it goes on without a word, or crashes. So it never
    learns of one, and what it wrote is thrown away.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or note why that is not possible."""
        view = memoryview(data).cast("B")
        try:
            done = 0
            while done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = self.error or error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length, or note why that is not possible."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


@contextmanager
def new_file(path: str | Path, outcome: Outcome, provenance: Provenance) -> Iterator[h5py.File]:
    """Create a file that says how far its slide came and where it is from.

    Raises
    ------
    StorageError
        If the file system does not take the file.
    """
    with atomic_path(path) as partial, _Disk(partial, "w+") as disk:
        try:
            with h5py.File(disk, "w") as file:
                file.attrs["status"] = str(outcome.status)
                file.attrs["reason"] = outcome.reason
                file.attrs["provenance"] = provenance.as_json()
                yield file
        finally:
            if disk.error:
                raise disk.error


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open for reading without a lock: results may lie on a file system that has none."""
    with h5py.File(path, "r", locking=False) as file:
        yield file


def outcome_of(file: h5py.File) -> Outcome:
    """Return how far the slide of an open file came."""
    return Outcome(Status(file.attrs["status"]), str(file.attrs["reason"]))


def write_coords(file: h5py.File, coords: Coords, attributes: TileAttributes) -> None:
    """Write the tiles that the rows of a new file stand for."""
    dataset = file.create_dataset(
        "coords",
        data=np.asarray(coords, np.int64).reshape(-1, 2),
        maxshape=(None, 2),
        chunks=(CHUNK_ROWS, 2),
    )
    dataset.attrs.update(attributes)


def tiles_of(file: h5py.File) -> TileTable:
    """Return the tiles that the rows of an open file stand for."""
    dataset = file["coords"]
    return TileTable(dataset[:], dict(dataset.attrs), outcome_of(file))


def write_tiles(path: str | Path, tiles: TileTable, provenance: Provenance) -> None:
    """Write the tiles of a slide; an outcome other than ok gives a file without rows."""
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords, tiles.attributes)


def read_tiles(path: str | Path) -> TileTable:
    """Read the tiles of a slide."""
    with open_file(path) as file:
        return tiles_of(file)


def write_column(
    path: str | Path,
    name: str,
    values: npt.NDArray[np.float32],
    outcome: Outcome,
    provenance: Provenance,
) -> None:
    """Write one float32 value per tile, in the order of the tile file."""
    with new_file(path, outcome, provenance) as file:
        file.create_dataset(name, data=np.asarray(values, np.float32))


def read_column(path: str | Path, name: str) -> tuple[npt.NDArray[np.float32], Outcome]:
    """Read what `write_column` wrote."""
    with open_file(path) as file:
        return file[name][:], outcome_of(file)


class FeatureWriter:
    """Feature file under construction: batches are appended as they are computed."""

    def __init__(self, file: h5py.File) -> None:
        self._features = file["features"]
        self._filled = 0

    def append(self, batch: npt.NDArray[np.float32]) -> None:
        """Append float32 (B, D) rows, in tile order."""
        self._features[self._filled : self._filled + len(batch)] = batch
        self._filled += len(batch)


@contextmanager
def feature_file(
    path: str | Path,
    tiles: TileTable,
    tile_index: npt.NDArray[np.int64],
    width: int,
    encoder: str,
    provenance: Provenance,
    unreadable_index: npt.NDArray[np.int64] = NO_ROWS,
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


@contextmanager
def open_features(path: str | Path) -> Iterator[FeatureTable]:
    """Open the embeddings of a slide, which can be read as long as the block lasts."""
    with open_file(path) as file:
        unreadable = file["unreadable_index"][:] if "unreadable_index" in file else NO_ROWS
        yield FeatureTable(
            FeatureRows(file["features"]), file["tile_index"][:], tiles_of(file), unreadable
        )
