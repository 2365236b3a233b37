"""Spots of spatial transcriptomics: where they lie on a slide, and their expression cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histohet.agreement.settings import SpotColumns
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
    rows = _rows(path, (columns.x, columns.y), columns.spot)
    of_spot = _by_name(labels_path, _rows(labels_path, (columns.label,), columns.spot), columns)
    names = _by_name(path, rows, columns)
    strangers = [name for name in of_spot if name not in names]
    if strangers:
        number = of_spot[strangers[0]][0]
        raise ValueError(f"{labels_path}, row {number}: {path} has no spot '{strangers[0]}'")
    found = [of_spot[name][1][columns.label] if name in of_spot else "" for name in names]
    return Spots(_centres(path, rows, columns), _cleaned(found))


def _rows(path: str | Path, needed: Sequence[str], spot: str = "") -> list[Row]:
    """Read a table with the columns `needed`, and the ids of its spots as a column called `spot`.

    One name is given for two tables, and Space Ranger writes ``barcode`` in one of them and
    ``Barcode`` in the other: so capital letters do not count.
    """
    try:
        lines = [(number, list(map(one_line, cells))) for number, cells in read_lines(path)]
    except SheetError as error:
        raise SheetError(f"spots: {error}") from error
    if not lines:
        raise SheetError(f"{path} is empty")
    header = list(SPACE_RANGER) if _is_space_ranger(lines[0][1]) else lines.pop(0)[1]
    alike = [place for place, name in enumerate(header) if name.lower() == spot.lower()]
    if spot not in header and len(alike) == 1:
        header[alike[0]] = spot
    missing = [name for name in (*needed, *([spot] if spot else [])) if name not in header]
    if missing and any(map(_is_number, header)):
        raise SheetError(
            f"{path}, row 1: {', '.join(header)} are no names of columns: add a header"
        )
    if missing:
        both = ", as in the other table" if missing[0] == spot else ""
        raise SheetError(f"{path} has no column '{missing[0]}'{both}; {what_there_is(header)}")
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


def _centres(path: str | Path, rows: Sequence[Row], columns: SpotColumns) -> Floats:
    return np.array([_centre(path, row, columns) for row in rows], np.float64).reshape(-1, 2)


def _centre(path: str | Path, row: Row, columns: SpotColumns) -> tuple[float, float]:
    number, cells = row
    values = []
    for name in (columns.x, columns.y):
        try:
            values.append(number_of(cells[name]))
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {name} is '{cells[name]}', {error}") from error
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
