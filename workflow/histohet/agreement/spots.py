"""Spots of spatial transcriptomics: where they lie on a slide, and their expression cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histohet.agreement.anndata import read_observations
from histohet.common.sheets import read_table

NO_LABEL = frozenset({"", "na", "nan", "none"})
"""What stands for a spot without a cluster (lower case)."""

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class SpotColumns:
    """Where a table keeps what we need.

    Attributes
    ----------
    label
        Column with the expression cluster; of AnnData, a column of ``obs``.
    x, y
        Columns with the centre of a spot in level-0 px. AnnData keeps them in ``obsm["spatial"]``.
    spot
        Column with the name of a spot, by which a table of positions and one of labels are joined.
    """

    label: str
    x: str = "x"
    y: str = "y"
    spot: str = "spot"


@dataclass(frozen=True)
class Spots:
    """Spots of one section: float64 (N, 2) centres in level-0 px and str (N,) labels, "" if none.

    Raises
    ------
    ValueError
        If a position is not finite.
    """

    centres: npt.NDArray[np.float64]
    labels: npt.NDArray[np.str_]

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


def _cleaned(labels: list[str]) -> npt.NDArray[np.str_]:
    return np.array(["" if label.lower() in NO_LABEL else label for label in labels], np.str_)
