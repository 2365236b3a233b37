"""Spots of AnnData files (``.h5ad``), read as plain HDF5: nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histohet.common.hdf5 import MOST_ROWS, UNREADABLE, open_file

SPATIAL = "obsm/spatial"
Texts = npt.NDArray[np.str_]


class AnnDataError(ValueError):
    """A file cannot be used; the message names it and says why."""


def read_observations(
    path: str | Path, column: str
) -> tuple[Texts, npt.NDArray[np.float64], Texts]:
    """Read names, positions and one column of the observations.

    Understood are the layouts of anndata 0.7 and later: a group ``obs`` with one entry per column,
    categorical (``codes`` and ``categories``, or the older ``__categories``), nullable, text or
    number; and positions in ``obsm/spatial``, where Squidpy and Scanpy keep them.

    Returns
    -------
    names, positions, values
        Str (N,), float64 (N, 2) (x, y), and str (N,), "" where there is no value.

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
            if len(index) > MOST_ROWS:
                raise AnnDataError(f"{path} claims {len(index)} observations: that is no section")
            if column not in observations:
                there = [name for name in observations if not name.startswith("_")]
                raise AnnDataError(
                    f"{path}: obs has no column '{column}'; there are {_list(there)}"
                )
            values = _column(observations, column, len(index))
            return _texts(index, len(index)), _positions(file, path, len(index)), values
    except AnnDataError:
        raise
    except UNREADABLE as error:
        text = " ".join(str(error).split())
        raise AnnDataError(f"{path} cannot be read as AnnData: {text}") from error


def _positions(file: h5py.File, path: str | Path, n: int) -> npt.NDArray[np.float64]:
    found = file.get(SPATIAL)
    if not isinstance(found, h5py.Dataset):
        there = list(file["obsm"]) if "obsm" in file else []
        raise AnnDataError(f"{path} has no {SPATIAL}, the positions; obsm has {_list(there)}")
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] < 2:
        raise AnnDataError(f"{path}: {SPATIAL} has shape {found.shape}, not ({n}, 2)")
    return np.asarray(found[:, :2], np.float64)


def _column(observations: h5py.Group, name: str, n: int) -> Texts:
    entry = observations[name]
    if isinstance(entry, h5py.Group) and "codes" in entry:
        return _decoded(_rows(entry["codes"], n), entry["categories"])
    if isinstance(entry, h5py.Group):
        values = _texts(entry["values"], n)
        values[_rows(entry["mask"], n).astype(bool)] = ""
        return values
    older = observations.get("__categories")
    if older is not None and name in older:
        return _decoded(_rows(entry, n), older[name])
    return _texts(entry, n)


def _rows(dataset: h5py.Dataset, n: int) -> npt.NDArray[Any]:
    if dataset.shape != (n,) or n > MOST_ROWS:
        raise ValueError(f"{dataset.name} has shape {dataset.shape}, not ({n},)")
    return np.asarray(dataset[:])


def _decoded(codes: npt.NDArray[np.integer], dataset: h5py.Dataset) -> Texts:
    """Return the category of every code; -1 stands for none."""
    categories = _texts(dataset, len(dataset))
    return np.array([categories[code] if code >= 0 else "" for code in codes.tolist()], np.str_)


def _texts(dataset: h5py.Dataset, n: int) -> Texts:
    """Return values as text; numbers that are not there (NaN) are empty."""
    values = _rows(dataset, n).tolist()
    return np.array(["" if value != value else _text(value) for value in values], np.str_)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _list(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
