"""An array taken apart: its cores found or read, placed, compared with its map, and listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats
from histohet.cores.find import CORE_PX, WIDTHS, find_discs
from histohet.cores.grid import ArrayError, Core, check_places, overlaps, row_name
from histohet.cores.lattice import choose_cores, places_of
from histohet.cores.qupath import QPTMA, read_geojson_cores, read_qptma
from histohet.cores.settings import ArraySettings
from histohet.cores.sheet import ArrayRow, Place, read_core_table, read_map
from histohet.cores.tiling import CoreSize
from histohet.slides.files import GEOJSON
from histohet.slides.reader import DARK, Slide
from histohet.slides.region import qupath_bounds
from histohet.slides.sampling import read_overview
from histohet.slides.scale import resolve_scale

GLASS_PERCENTILE = 95
"""A twentieth of a picture is glass, whatever black borders it has."""

NAMED = 8
"""So many cores are named in a message."""


@dataclass(frozen=True)
class Array:
    """An array taken apart.

    Attributes
    ----------
    row
        Its row of the sheet.
    cores
        By row and column; missing ones among them.
    diameter_um, diameter_px
        Of a core, nominal, in µm and in level-0 px.
    offset
        Where QuPath's origin lies, level-0 px.
    notes
        What is unusual.
    problems
        What contradicts the sheet: nobody should go on before it is settled.
    """

    row: ArrayRow
    cores: tuple[Core, ...]
    diameter_um: float
    diameter_px: float
    offset: tuple[int, int]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def core_size(self) -> CoreSize:
        """Size of its cores, and scale of its slide."""
        return CoreSize(self.diameter_um, self.diameter_um / self.diameter_px)


def take_apart(slide: Slide, row: ArrayRow, settings: ArraySettings) -> Array:
    """Find, or read, the cores of an open array slide.

    Raises
    ------
    SlideLost
        If its scale is not known, or there is no core.
    ArrayError, SheetError
        If a file of its cores, or its map, cannot be used.
    """
    scale = resolve_scale(slide.info, row.mpp)
    diameter_um = row.diameter_um or settings.diameter_um
    diameter_px = diameter_um / scale.mpp
    bounds = qupath_bounds(slide.info)
    offset = (bounds.x, bounds.y)
    notes = list(scale.conflicts)
    problems = []
    if row.cores is None:
        cores, found_notes = _find(slide, diameter_px)
        notes += found_notes
    else:
        cores = _read(row.cores, row.path, offset)
        _check_within(cores, slide, row.cores)
        problems += _problems_of_overlap(cores, diameter_px)
    check_places(cores, row.cores or f"array '{row.array}'")
    problems += _problems_of_grid(cores, row)
    if row.map is not None:
        cores, map_notes, map_problems = with_map(cores, read_map(row.map, row.array))
        notes += map_notes
        problems += map_problems
    if not any(core.patient for core in cores):
        notes.append("no map says whose the cores are: each would be a patient of its own")
    cores = sorted(cores, key=lambda core: core.place)
    return Array(row, tuple(cores), diameter_um, diameter_px, offset, tuple(notes), tuple(problems))


def _read(path: str, slide: str, offset: tuple[int, int]) -> list[Core]:
    suffix = Path(path).suffix.lower()
    if suffix == QPTMA:
        return read_qptma(path, slide, offset)
    return read_geojson_cores(path, offset) if suffix in GEOJSON else read_core_table(path)


def _check_within(cores: Sequence[Core], slide: Slide, path: str) -> None:
    """Refuse cores whose centres lie outside of the slide: they are of another one.

    Raises
    ------
    ArrayError
        If one does; names it.
    """
    width, height = slide.info.width, slide.info.height
    beyond = [core.name for core in cores if not (0 <= core.x < width and 0 <= core.y < height)]
    if beyond:
        raise ArrayError(
            f"{path}: outside of {slide.path}, which has {width} × {height} px, lie cores "
            f"{_some(beyond)}: is the file of another slide, or in pixels of another level?"
        )


def _problems_of_overlap(cores: Sequence[Core], diameter_px: float) -> list[str]:
    """Say which cores are there twice. Those that are found keep their distance."""
    close = overlaps(cores, diameter_px)
    return [f"cores overlap, or one is there twice: {_some(close)}"] if close else []


def _find(slide: Slide, diameter_px: float) -> tuple[list[Core], list[str]]:
    """Return the cores that can be seen, the places where one is missing, and what to say."""
    shrink = max(1.0, diameter_px / CORE_PX)
    picture = read_overview(slide, shrink)
    scale = np.array([slide.info.width / picture.shape[1], slide.info.height / picture.shape[0]])
    nominal = diameter_px / float(scale.mean())
    if np.percentile(picture.min(axis=2), GLASS_PERCENTILE) < DARK:
        raise ArrayError(
            f"{slide.path} shows no glass: cores are found on it, by the light that they absorb. "
            "Of fluorescence, or a picture on a dark ground, name a file with its `cores`"
        )
    discs = find_discs(picture, nominal)
    xy, basis = choose_cores(discs)
    if len(xy) == 0:
        raise ArrayError(
            f"{slide.path} shows no core of {diameter_px:.0f} px: is the diameter right, or mpp?"
        )
    places = places_of(xy, basis)
    centres = (xy + 0.5) * scale
    cores = [
        Core(row, column, round(x, 1), round(y, 1))
        for (row, column), (x, y) in zip(places.tolist(), centres.tolist(), strict=True)
    ]
    notes = []
    if discs.diameter / nominal < WIDTHS[0] * 1.01 or discs.diameter / nominal > WIDTHS[-1] * 0.99:
        notes.append(
            f"cores look {discs.diameter / nominal:.2f} times as wide as diameter_um says: check it"
        )
    return cores + missing_places(cores, basis * scale), notes


def missing_places(cores: Sequence[Core], basis: Floats) -> list[Core]:
    """Return the places within a row and within a column of cores that have none.

    Parameters
    ----------
    basis
        (2, 2), steps along a row and down a column, level-0 px.
    """
    by_place = {core.place: core for core in cores}
    in_row: dict[int, list[int]] = {}
    in_column: dict[int, list[int]] = {}
    for row, column in by_place:
        in_row.setdefault(row, []).append(column)
        in_column.setdefault(column, []).append(row)
    missing = []
    for row, columns in in_row.items():
        for column in range(min(columns), max(columns)):
            rows = in_column.get(column, [])
            if (row, column) in by_place or not rows or not min(rows) < row < max(rows):
                continue
            x, y = _between((row, column), by_place, basis)
            missing.append(Core(row, column, round(x, 1), round(y, 1), missing=True))
    return missing


def _between(
    place: tuple[int, int], by_place: Mapping[tuple[int, int], Core], basis: Floats
) -> tuple[float, float]:
    """Return where a core would be, by those that are nearest in the grid."""
    near = sorted(
        by_place.values(),
        key=lambda core: abs(core.row - place[0]) + abs(core.column - place[1]),
    )[:4]
    expected = [
        np.array([core.x, core.y])
        + np.array([place[1] - core.column, place[0] - core.row], np.float64) @ basis
        for core in near
    ]
    x, y = np.mean(expected, axis=0).tolist()
    return x, y


def _problems_of_grid(cores: Sequence[Core], row: ArrayRow) -> list[str]:
    """Say whether there are as many rows and columns as the sheet says."""
    found = {
        "rows": 1 + max(core.row for core in cores),
        "columns": 1 + max(core.column for core in cores),
    }
    return [
        f"{found[name]} {name} are found, the sheet says {wanted}: correct the sheet, or name "
        "the cores in QuPath and give its export as `cores`"
        for name, wanted in (("rows", row.rows), ("columns", row.columns))
        if wanted is not None and wanted != found[name]
    ]


def with_map(
    cores: Sequence[Core], places: Mapping[tuple[int, int], Place]
) -> tuple[list[Core], list[str], list[str]]:
    """Give the cores their patients, and say where the map and what is seen differ.

    Returns
    -------
    cores, notes, problems
        Places of tissue where no core is seen are a note: cores get lost. A core where the map has
        none is a problem, and so is a map that would fit better if it were turned or mirrored.
    """
    named = []
    for core in cores:
        place = places.get(core.place)
        kind = "empty" if place is None else place.kind
        patient = None if place is None else place.patient
        named.append(replace(core, patient=patient, kind=kind))
    seen = {core.place for core in cores if not core.missing}
    surplus = [core.name for core in named if core.kind == "empty" and not core.missing]
    lost = [
        f"{row_name(row)}-{column + 1}"
        for (row, column), place in sorted(places.items())
        if place.kind != "empty" and (row, column) not in seen
    ]
    notes = [f"no core is seen where the map has one: {_some(lost)}"] if lost else []
    problems = []
    if surplus:
        problems.append(
            f"a core is seen where the map has none: {_some(surplus)}; is the map of this array, "
            "and begins at its upper left corner?"
        )
    filled = {at for at, place in places.items() if place.kind != "empty"}
    if better := better_way(filled, seen):
        problems.append(
            f"{len(filled ^ seen)} places of the map and of the array differ, {better}: lay map "
            "and array the same way, and check it by a core that you know"
        )
    return named, notes, problems


def better_way(filled: Set[tuple[int, int]], seen: Set[tuple[int, int]]) -> str:
    """Say in which way a map would fit better what is seen, if there is one; else "".

    Parameters
    ----------
    filled, seen
        Row and column, from 0 on, of the places that hold a core by the map and by the picture.
    """
    if not filled:
        return ""
    last_row, last_column = (max(at[axis] for at in filled) for axis in (0, 1))
    ways = {
        "mirrored left to right": {(row, last_column - column) for row, column in filled},
        "mirrored top to bottom": {(last_row - row, column) for row, column in filled},
        "turned by 180°": {(last_row - row, last_column - column) for row, column in filled},
        "turned by 90° clockwise": {(column, last_row - row) for row, column in filled},
        "turned by 90° the other way": {(last_column - column, row) for row, column in filled},
        "with rows and columns exchanged": {(column, row) for row, column in filled},
        "with rows and columns exchanged and turned by 180°": {
            (last_column - column, last_row - row) for row, column in filled
        },
    }
    differing = {way: len(there ^ seen) for way, there in ways.items()}
    way = min(differing, key=lambda one: differing[one])
    if differing[way] >= len(filled ^ seen):
        return ""
    return f"{differing[way]} if the map were {way}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def slide_rows(array: Array, tissue_preset: str) -> pd.DataFrame:
    """Return the rows of the slide sheet: a core of tissue that is there, each."""
    row = array.row
    rows = []
    for core in array.cores:
        if core.missing or core.kind != "tissue":
            continue
        cells = {"slide": f"{row.array}_{core.name}", "patient": core.patient or ""}
        cells |= {"path": row.path, "mpp": "" if row.mpp is None else f"{row.mpp:g}"}
        cells |= {"region": str(core.region(array.diameter_px))}
        cells |= {"core_diameter_um": f"{array.diameter_um:g}", "tissue_preset": tissue_preset}
        rows.append(cells)
    columns = ("slide", "patient", "path", "mpp", "region", "core_diameter_um", "tissue_preset")
    return pd.DataFrame(rows, columns=list(columns), dtype=str)
