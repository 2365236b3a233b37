"""AnnData on disk (``.h5ad``), by its published specification: observations read, files written.

https://anndata.readthedocs.io/en/stable/fileformat-prose.html. Every element says by its
attributes ``encoding-type`` and ``encoding-version`` what it is; files of anndata 0.7, where some
do not, are read too. It is plain HDF5: nothing is unpickled, and the package is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Floats, Ints
from histohet.common.hdf5 import MOST_ROWS, UNREADABLE, new_file, open_file
from histohet.common.outcome import Outcome
from histohet.common.provenance import Provenance

SPATIAL = "obsm/spatial"
"""Where Squidpy and Scanpy keep positions."""

X_COLUMNS = ("x", "pxl_col_in_fullres", "pixel_x", "imagecol")
Y_COLUMNS = ("y", "pxl_row_in_fullres", "pixel_y", "imagerow")
"""Names of positions in a data frame, in lower case."""

Texts = npt.NDArray[np.str_]


class AnnDataError(ValueError):
    """A file cannot be used; the message names it and says why."""


# --- reading --------------------------------------------------------------------------------------


def read_observations(path: str | Path, column: str = "") -> tuple[Texts, Floats, Texts]:
    """Read names, positions and one column of the observations, or none.

    Any element may be in any encoding that fits: text, numbers, truth values, categories, each with
    or without missing values; positions an array or a data frame.

    Returns
    -------
    names, positions, values
        Str (N,), float64 (N, 2) (x, y), and str (N,), "" where there is no value, or no column.

    Raises
    ------
    AnnDataError
        If the file is no HDF5, has no such column or no positions, or is laid out otherwise.
    """
    try:
        with open_file(path) as file:
            observations = file.get("obs")
            if not isinstance(observations, h5py.Group):
                raise AnnDataError(
                    f"{path} has no group 'obs', as anndata 0.7 and later write it: read it with "
                    "a recent anndata and write it again"
                )
            index = observations[_text(observations.attrs.get("_index", "_index"))]
            n = _length(index)
            if n > MOST_ROWS:
                raise AnnDataError(f"{path} claims {n} observations: that is no section")
            if column and column not in observations:
                there = [name for name in observations if not name.startswith("_")]
                raise AnnDataError(
                    f"{path}: obs has no column '{column}'; there are {_list(there)}"
                )
            values = np.full(n, "", np.str_)
            if column:
                values = _values(observations[column], n, _older_categories(observations, column))
            return _values(index, n), _positions(file, path, n), values
    except AnnDataError:
        raise
    except UNREADABLE as error:
        text = " ".join(str(error).split())
        raise AnnDataError(f"{path} cannot be read as AnnData: {text}") from error


def _positions(file: h5py.File, path: str | Path, n: int) -> Floats:
    found = file.get(SPATIAL)
    if isinstance(found, h5py.Group) and "column-order" in found.attrs:
        names = _xy(path, [_text(name) for name in found.attrs["column-order"]])
        return np.column_stack([_numbers(found[name], n) for name in names])
    if isinstance(found, h5py.Group):
        raise AnnDataError(
            f"{path}: {SPATIAL} is of the kind '{_kind(found)}', not an array or a data frame"
        )
    if found is None:
        there = list(file["obsm"]) if "obsm" in file else []
        raise AnnDataError(f"{path} has no {SPATIAL}, the positions; obsm has {_list(there)}")
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] < 2:
        raise AnnDataError(f"{path}: {SPATIAL} has shape {found.shape}, not ({n}, 2)")
    return np.asarray(found[:, :2], np.float64)


def _xy(path: str | Path, names: Sequence[str]) -> list[str]:
    """Tell which columns of a data frame are x and y; of two without a known name, in order."""
    known = [
        next((name for name in names if name.lower() in meanings), "")
        for meanings in (X_COLUMNS, Y_COLUMNS)
    ]
    if all(known):
        return known
    if any(known) or len(names) != 2:
        raise AnnDataError(
            f"{path}: which columns of {SPATIAL} are x and y? There are {_list(names)}: call them "
            "'x' and 'y'"
        )
    return list(names)


def _numbers(entry: h5py.Dataset | h5py.Group, n: int) -> Floats:
    texts = _values(entry, n)
    return np.where(texts == "", "nan", texts).astype(np.float64)


def _older_categories(observations: h5py.Group, column: str) -> h5py.Dataset | None:
    """Return the categories that anndata before 0.8 keeps apart from their codes, if any."""
    older = observations.get("__categories")
    return older[column] if older is not None and column in older else None


def _values(entry: h5py.Dataset | h5py.Group, n: int, older: h5py.Dataset | None = None) -> Texts:
    """Return n values as text, "" where there is none."""
    if isinstance(entry, h5py.Dataset):
        return _texts(entry, n) if older is None else _decoded(_rows(entry, n), older)
    if "codes" in entry:
        return _decoded(_rows(entry["codes"], n), entry["categories"])
    if "values" not in entry or "mask" not in entry:
        raise ValueError(f"{entry.name} is of the kind '{_kind(entry)}', which has no row per spot")
    values = _texts(entry["values"], n)
    values[_rows(entry["mask"], n).astype(bool)] = ""
    return values


def _length(entry: h5py.Dataset | h5py.Group) -> int:
    if isinstance(entry, h5py.Group):
        entry = entry["codes"] if "codes" in entry else entry["values"]
    return len(entry)


def _decoded(codes: npt.NDArray[np.integer], entry: h5py.Dataset | h5py.Group) -> Texts:
    """Return the category of every code; -1 stands for none."""
    categories = _values(entry, _length(entry))
    return np.array([categories[code] if code >= 0 else "" for code in codes.tolist()], np.str_)


def _rows(dataset: h5py.Dataset, n: int) -> npt.NDArray[Any]:
    if dataset.shape != (n,) or n > MOST_ROWS:
        raise ValueError(f"{dataset.name} has shape {dataset.shape}, not ({n},)")
    return np.asarray(dataset[:])


def _texts(dataset: h5py.Dataset, n: int) -> Texts:
    """Return values as text; numbers that are not there (NaN) are empty."""
    values = _rows(dataset, n).tolist()
    return np.array(["" if value != value else _text(value) for value in values], np.str_)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _kind(entry: h5py.Group) -> str:
    return _text(entry.attrs.get("encoding-type", "unknown"))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


# --- writing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Categories:
    """Values of a few kinds: the kind of each, (N,) from 0 on, and the names of the kinds."""

    codes: Ints
    names: Sequence[str]


@contextmanager
def new_anndata(path: str | Path, outcome: Outcome, provenance: Provenance) -> Iterator[h5py.File]:
    """Create a file whose ``X`` (`new_rows`), ``obs``, ``var`` (`write_frame`) the block writes.

    Raises
    ------
    StorageError
        If the file system does not take the file.
    """
    with new_file(path, outcome, provenance) as file:
        _mark(file, "anndata", "0.1.0")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            write_element(file, name, {})
        yield file


def new_rows(file: h5py.File, name: str, shape: tuple[int, int]) -> h5py.Dataset:
    """Create a matrix of float32 to be filled with rows, a megabyte of them together on disk."""
    chunks = (min(max(1, 2**18 // shape[1]), shape[0]), shape[1]) if shape[0] else None
    rows = file.create_dataset(name, shape, np.float32, chunks=chunks)
    _mark(rows, "array", "0.2.0")
    return rows


def write_frame(
    file: h5py.File,
    name: str,
    index: Sequence[str],
    columns: Mapping[str, npt.NDArray[Any] | Categories],
) -> None:
    """Write a data frame: its index, and a column of the same length by name."""
    group = file.create_group(name)
    _mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array(list(columns), h5py.string_dtype())
    write_element(group, "_index", np.array(index, np.str_))
    for column, values in columns.items():
        write_element(group, column, values)


def write_element(parent: h5py.Group, name: str, value: Any) -> None:
    """Write a dictionary of elements, an array, categories, a text or a number."""
    if isinstance(value, Mapping):
        group = parent.create_group(name)
        _mark(group, "dict", "0.1.0")
        for key, inner in value.items():
            write_element(group, key, inner)
    elif isinstance(value, Categories):
        group = parent.create_group(name)
        _mark(group, "categorical", "0.2.0")
        group.attrs["ordered"] = False
        write_element(group, "codes", np.asarray(value.codes, np.int32))
        write_element(group, "categories", np.array(value.names, np.str_))
    elif isinstance(value, str):
        _mark(parent.create_dataset(name, data=value, dtype=h5py.string_dtype()), "string", "0.2.0")
    elif np.ndim(value) == 0:
        _mark(parent.create_dataset(name, data=value), "numeric-scalar", "0.2.0")
    elif value.dtype.kind == "U":
        texts = parent.create_dataset(name, data=value.astype(object), dtype=h5py.string_dtype())
        _mark(texts, "string-array", "0.2.0")
    else:
        # Pictures are the only large ones, and become a third.
        packed = "gzip" if value.ndim > 2 else None
        _mark(parent.create_dataset(name, data=value, compression=packed), "array", "0.2.0")


def _mark(element: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    element.attrs["encoding-type"] = kind
    element.attrs["encoding-version"] = version
