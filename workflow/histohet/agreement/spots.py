"""Spots of spatial transcriptomics: where they lie on a slide, and their expression cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histohet.agreement.settings import SpotColumns, SpotPlaces
from histohet.common.anndata import Texts, read_observations
from histohet.common.arrays import Floats
from histohet.common.sheets import (
    SheetError,
    is_missing,
    number_of,
    one_line,
    read_lines,
    rows_under,
    what_there_is,
)

SPACE_RANGER = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)
"""Columns of Space Ranger's positions, which version 1 writes without a header."""

Row = tuple[int, dict[str, str]]


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
    if str(path).lower().endswith(".h5ad"):
        if labels_path is not None:
            raise ValueError(f"{path} brings its labels: leave {labels_path} out")
        _, centres, labels = read_observations(path, columns.label)
        return Spots(centres, _cleaned(labels.tolist()))
    if labels_path is None:
        rows = _rows(path, (columns.x, columns.y, columns.label))
        return Spots(
            _centres(path, rows, columns), _cleaned([cells[columns.label] for _, cells in rows])
        )
    shared = ", as in the other table"
    rows = _rows(path, (columns.x, columns.y), columns.id_columns, shared)
    labelled = _rows(labels_path, (columns.label,), columns.id_columns, shared)
    of_spot = _by_name(labels_path, labelled, columns)
    names = _by_name(path, rows, columns)
    strangers = [name for name in of_spot if name not in names]
    if strangers:
        number = of_spot[strangers[0]][0]
        raise ValueError(f"{labels_path}, row {number}: {path} has no spot '{strangers[0]}'")
    found = [of_spot[name][1][columns.label] if name in of_spot else "" for name in names]
    return Spots(_centres(path, rows, columns), _cleaned(found))


def read_positions(path: str | Path, columns: SpotPlaces) -> tuple[Texts, Floats]:
    """Read where spots lie, by their ids, from what `read_spots` reads.

    Returns
    -------
    names, centres
        Str (N,), each once, and float64 (N, 2) in level-0 px.

    Raises
    ------
    ValueError
        If a column is missing, a position is not a number, or a spot comes twice; names file and
        row.
    """
    if str(path).lower().endswith(".h5ad"):
        names, centres, labels = read_observations(path)
        spots = Spots(centres, labels)
    else:
        rows = _rows(path, (columns.x, columns.y), columns.id_columns, " with the ids of its spots")
        names = np.array(list(_by_name(path, rows, columns)), np.str_)
        spots = Spots(_centres(path, rows, columns), np.full(len(rows), "", np.str_))
    values, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{path}: spot '{values[counts > 1][0]}' comes twice")
    return names, spots.centres


def _rows(
    path: str | Path, needed: Sequence[str], ids: Sequence[str] = (), why: str = ""
) -> list[Row]:
    """Read a table with the columns `needed`, and `ids`, which are there `why`.

    One name is given for two tables, and Space Ranger writes ``barcode`` in one of them and
    ``Barcode`` in the other: so capital letters of `ids` do not count.
    """
    try:
        lines = [(number, list(map(one_line, cells))) for number, cells in read_lines(path)]
    except SheetError as error:
        raise SheetError(f"spots: {error}") from error
    if not lines:
        raise SheetError(f"{path} is empty")
    header = list(SPACE_RANGER) if _is_space_ranger(lines[0][1]) else lines.pop(0)[1]
    for spot in ids:
        alike = [place for place, name in enumerate(header) if name.lower() == spot.lower()]
        if spot not in header and len(alike) == 1:
            header[alike[0]] = spot
    missing = [name for name in (*needed, *ids) if name not in header]
    if missing and any(map(_is_number, header)):
        raise SheetError(
            f"{path}, row 1: {', '.join(header)} are no names of columns: add a header"
        )
    if missing:
        reason = why if missing[0] in ids else ""
        raise SheetError(f"{path} has no column '{missing[0]}'{reason}; {what_there_is(header)}")
    return list(rows_under(header, lines, path))


def _is_space_ranger(cells: Sequence[str]) -> bool:
    """Whether a first row is one of Space Ranger's positions, and no header."""
    return len(cells) == len(SPACE_RANGER) and all(map(_is_number, cells[1:]))


def _is_number(cell: str) -> bool:
    try:
        number_of(cell)
    except ValueError:
        return False
    return True


def _centres(path: str | Path, rows: Sequence[Row], columns: SpotPlaces) -> Floats:
    return np.array([_centre(path, row, columns) for row in rows], np.float64).reshape(-1, 2)


def _centre(path: str | Path, row: Row, columns: SpotPlaces) -> tuple[float, float]:
    number, cells = row
    values = []
    for name in (columns.x, columns.y):
        try:
            values.append(number_of(cells[name]))
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {name} is '{cells[name]}', {error}") from error
    return values[0], values[1]


def _by_name(path: str | Path, rows: list[Row], columns: SpotPlaces) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for number, cells in rows:
        name = "x".join(cells[column] for column in columns.id_columns)
        if name in found:
            raise ValueError(f"{path}, row {number}: spot '{name}' stands in row {found[name][0]}")
        found[name] = (number, cells)
    return found


def _cleaned(labels: list[str]) -> Texts:
    return np.array(["" if is_missing(label) else label for label in labels], np.str_)
