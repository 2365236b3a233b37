"""The sheet of arrays, and the tables that say whose their cores are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from histohet.common.sheets import SheetError, is_missing, number_of, read_rows, what_there_is
from histohet.cores.grid import KINDS, Core, Kind, column_number, place_of, row_number
from histohet.slides.sheet import problem_of_id

MAP_COLUMNS = ("row", "column", "patient")
"""Columns of a map that has one line per core."""


@dataclass(frozen=True)
class ArrayRow:
    """One array of the sheet. Cells without a value are None.

    Attributes
    ----------
    number
        Row in the file as an editor shows it.
    array
        Id; the slides of its cores begin with it.
    path
        The slide file.
    mpp, diameter_um
        Scale, and diameter of its cores, where they are not the file's and the configuration's.
    rows, columns
        How many there are, if known: what is found is compared with it.
    map
        Whose the cores are.
    cores
        Where they are, of QuPath or as a table; found if not given.
    """

    number: int
    array: str
    path: str
    mpp: float | None = None
    diameter_um: float | None = None
    rows: int | None = None
    columns: int | None = None
    map: str | None = None
    cores: str | None = None

    @property
    def files(self) -> dict[str, str]:
        """Files that it names, by column."""
        named = {"path": self.path, "map": self.map, "cores": self.cores}
        return {column: file for column, file in named.items() if file}


REQUIRED = ("array", "path")
COLUMNS = tuple(field.name for field in fields(ArrayRow) if field.name != "number")


def read_array_sheet(path: str | Path) -> dict[str, ArrayRow]:
    """Read and check the sheet of arrays.

    Raises
    ------
    SheetError
        If it cannot be read, lacks a column or has an unknown one, or a row has an id that cannot
        name files or comes twice, no path, or a number that is none.
    """
    header, rows = read_rows(path)
    for name in REQUIRED:
        if name not in header:
            raise SheetError(f"{path}: column '{name}' is missing; {what_there_is(header)}")
    for name in header:
        if name not in COLUMNS:
            raise SheetError(f"{path}: unknown column '{name}'; known are {', '.join(COLUMNS)}")
    arrays: dict[str, ArrayRow] = {}
    for number, cells in rows:
        where = f"{path}, row {number}"
        row = _array_row(number, cells, where)
        if row.array in arrays:
            other = arrays[row.array].number
            raise SheetError(f"{where}: array '{row.array}' stands in row {other} too")
        arrays[row.array] = row
    if not arrays:
        raise SheetError(f"{path} names no array: add one row per slide (docs/cores.md)")
    return arrays


def _array_row(number: int, cells: Mapping[str, str], where: str) -> ArrayRow:
    given = {name: cells[name] for name in COLUMNS if not is_missing(cells.get(name, ""))}
    for name in REQUIRED:
        if name not in given:
            raise SheetError(f"{where}: no {name}")
    if problem := problem_of_id(given["array"]):
        raise SheetError(f"{where}: array id {problem}")

    def number_in(name: str) -> float | None:
        return _positive(given[name], f"{where}: {name}") if name in given else None

    def count_in(name: str) -> int | None:
        return _whole(given[name], f"{where}: {name}") if name in given else None

    return ArrayRow(
        number,
        given["array"],
        given["path"],
        mpp=number_in("mpp"),
        diameter_um=number_in("diameter_um"),
        rows=count_in("rows"),
        columns=count_in("columns"),
        map=given.get("map"),
        cores=given.get("cores"),
    )


def _finite(cell: str, where: str) -> float:
    try:
        value = number_of(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SheetError(f"{where} is '{cell}', not a number of pixels")
    return value


def _positive(cell: str, where: str) -> float:
    try:
        value = number_of(cell)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SheetError(f"{where} is '{cell}', not a positive number")
    return value


def _whole(cell: str, where: str) -> int:
    value = _positive(cell, where)
    if value != int(value):
        raise SheetError(f"{where} is '{cell}', not a whole number: how many there are")
    return int(value)


class Place(NamedTuple):
    """What the map says of a place: whose core it is, and of which kind."""

    patient: str | None
    kind: Kind
    where: str


def read_map(path: str | Path, array: str) -> dict[tuple[int, int], Place]:
    """Read whose the cores of an array are, by row and column from 0 on.

    Either one line per core, with the columns ``row``, ``column``, ``patient``, and, where they
    apply, ``kind`` (tissue, control, empty) and ``array``; or laid out like the block: numbers of
    columns in the first line, letters (or numbers) of rows in the first cell of the others, and in
    the cells the patient, ``control``, or nothing.

    Raises
    ------
    SheetError
        If it is neither, a place is none or comes twice, a core of tissue has no patient, or a kind
        is unknown; names file and row.
    """
    header, rows = read_rows(path)
    if set(MAP_COLUMNS) <= set(header):
        listed = _listed(path, header, rows, array)
    elif len(header) > 1 and all(name.strip().isdecimal() for name in header[1:]):
        listed = _laid_out(path, header, rows)
    else:
        raise SheetError(
            f"{path} is no map of cores: give the columns {', '.join(MAP_COLUMNS)}, or the layout "
            f"of the block with column numbers in the first line; {what_there_is(header)}"
        )
    places: dict[tuple[int, int], Place] = {}
    for at, place in listed:
        if at in places:
            raise SheetError(f"{place.where}: the same place as {places[at].where}")
        if place.kind == "tissue" and place.patient is None:
            raise SheetError(f"{place.where}: no patient; set kind to control or empty if so")
        places[at] = place
    if not places:
        raise SheetError(f"{path} has no place of array '{array}'")
    return places


def read_core_table(path: str | Path) -> list[Core]:
    """Read where the cores of an array are: a line each, in level-0 px of the file.

    Columns ``core`` (A-1) or ``row`` and ``column``, ``x`` and ``y`` of the centre, and, where they
    apply, ``missing`` (0 or 1, true or false) and ``patient``; others are passed over.

    Raises
    ------
    SheetError
        If a column is missing, or a cell cannot be read; names file and row.
    """
    header, rows = read_rows(path)
    named = "core" in header
    for name in ("x", "y") if named else ("row", "column", "x", "y"):
        if name not in header:
            raise SheetError(
                f"{path}: column '{name}' is missing: core (A-1) or row and column, x, y; "
                f"{what_there_is(header)}"
            )
    cores = []
    for number, cells in rows:
        where = f"{path}, row {number}"
        if named:
            try:
                at = place_of(cells["core"])
            except ValueError as error:
                raise SheetError(f"{where}: core '{cells['core']}' is no place as A-1") from error
        else:
            at = _place(cells["row"], cells["column"], where)
        x, y = (_finite(cells[axis], f"{where}: {axis}") for axis in ("x", "y"))
        missing = cells.get("missing", "").strip().lower()
        if missing not in {"", "0", "1", "false", "true"}:
            raise SheetError(f"{where}: missing is '{missing}', not 0 or 1")
        patient = cells.get("patient", "")
        owner = None if is_missing(patient) else patient
        cores.append(Core(*at, x, y, missing in {"1", "true"}, owner))
    if not cores:
        raise SheetError(f"{path} has no core")
    return cores


Rows = list[tuple[int, dict[str, str]]]
Listed = list[tuple[tuple[int, int], Place]]


def _listed(path: str | Path, header: list[str], rows: Rows, array: str) -> Listed:
    """Return the places of a map with one line per core."""
    found = []
    for number, cells in rows:
        if "array" in header and cells["array"] != array:
            continue
        where = f"{path}, row {number}"
        at = _place(cells["row"], cells["column"], where)
        patient = None if is_missing(cells["patient"]) else cells["patient"]
        kind = cells.get("kind", "").strip().lower() or KINDS[0]
        if kind not in KINDS:
            raise SheetError(f"{where}: kind '{cells['kind']}' is none of {', '.join(KINDS)}")
        found.append((at, Place(patient, kind, where)))
    return found


def _laid_out(path: str | Path, header: list[str], rows: Rows) -> Listed:
    """Return the places of a map laid out like the block."""
    found: Listed = []
    for number, cells in rows:
        for name in header[1:]:
            where = f"{path}, row {number}, column {name}"
            text, at = cells[name].strip(), _place(cells[header[0]], name, where)
            kind: Kind = "tissue"
            if is_missing(text) or text.lower() == "empty":
                kind = "empty"
            elif text.lower() == "control":
                kind = "control"
            found.append((at, Place(text if kind == "tissue" else None, kind, where)))
    return found


def _place(row: str, column: str, where: str) -> tuple[int, int]:
    try:
        return row_number(row), column_number(column)
    except ValueError as error:
        raise SheetError(
            f"{where}: row '{row}', column '{column}' is no place: rows are letters (or numbers), "
            "columns numbers, both from the upper left corner"
        ) from error
