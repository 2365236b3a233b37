"""Spots of spatial transcriptomics: where they lie on a slide, and their expression cluster.

Tables, and AnnData files (``.h5ad``), read as plain HDF5: nothing is unpickled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from histohet.agreement.settings import SpotColumns
from histohet.common.arrays import Floats
from histohet.common.hdf5 import MOST_ROWS, UNREADABLE, open_file
from histohet.common.sheets import is_missing, read_table

SPATIAL = "obsm/spatial"
"""Where Squidpy and Scanpy keep the positions of AnnData."""

Row = tuple[int, dict[str, str]]
Texts = npt.NDArray[np.str_]


class AnnDataError(ValueError):
    """A file cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Spots:
    """Spots of one section: float64 (N, 2) centres in level-0 px and str (N,) labels, "" if none.

    Raises
    ------
    ValueError
        If a position is not finite.
    """

    centres: Floats
    labels: Texts

    def __post_init__(self) -> None:
        lost = np.flatnonzero(~np.isfinite(self.centres).all(axis=1))
        if len(lost):
            raise ValueError(f"spot {lost[0] + 1} has no finite position: {self.centres[lost[0]]}")


def read_spots(
    path: str | Path, columns: SpotColumns, labels_path: str | Path | None = None
) -> Spots:
    """Read spots and their expression clusters.

    Parameters
    ----------
    path
        AnnData (``.h5ad``), or a table (tab-separated for ``.tsv`` and ``.txt``, else
        comma-separated, also gzipped) with one row per spot.
    columns
        What its columns are called.
    labels_path
        A second table with the labels, if the first has only positions; spots without a row in it
        have no label.

    Raises
    ------
    ValueError
        If a column is missing, a position is not a number, a spot comes twice, or a label belongs
        to no spot; names file and row.
    """
    if str(path).endswith(".h5ad"):
        if labels_path is not None:
            raise ValueError(f"{path} brings its labels: leave {labels_path} out")
        _, centres, labels = read_observations(path, columns.label)
        return Spots(centres, _cleaned(labels.tolist()))
    joined = labels_path is not None
    needed = (columns.x, columns.y, columns.spot if joined else columns.label)
    _, rows = read_table(path, "spots", needed)
    centres = np.array([_centre(path, row, columns) for row in rows], np.float64).reshape(-1, 2)
    if labels_path is None:
        return Spots(centres, _cleaned([cells[columns.label] for _, cells in rows]))
    _, labelled = read_table(labels_path, "spots", (columns.spot, columns.label))
    of_spot = _by_name(labels_path, labelled, columns)
    names = _by_name(path, rows, columns)
    strangers = [name for name in of_spot if name not in names]
    if strangers:
        number = of_spot[strangers[0]][0]
        raise ValueError(f"{labels_path}, row {number}: {path} has no spot '{strangers[0]}'")
    found = [of_spot[name][1][columns.label] if name in of_spot else "" for name in names]
    return Spots(centres, _cleaned(found))


def _centre(path: str | Path, row: Row, columns: SpotColumns) -> tuple[float, float]:
    number, cells = row
    values = []
    for name in (columns.x, columns.y):
        try:
            value = float(cells[name])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{path}, row {number}: {name} is '{cells[name]}', not a number")
        values.append(value)
    return values[0], values[1]


def _by_name(path: str | Path, rows: list[Row], columns: SpotColumns) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for number, cells in rows:
        name = cells[columns.spot]
        if name in found:
            raise ValueError(f"{path}, row {number}: spot '{name}' stands in row {found[name][0]}")
        found[name] = (number, cells)
    return found


def _cleaned(labels: list[str]) -> Texts:
    return np.array(["" if is_missing(label) else label for label in labels], np.str_)


def read_observations(path: str | Path, column: str) -> tuple[Texts, Floats, Texts]:
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


def _positions(file: h5py.File, path: str | Path, n: int) -> Floats:
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
