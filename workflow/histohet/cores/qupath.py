"""Cores as QuPath keeps them: GeoJSON of `tmaCore` objects, and its table `.qptma`.

QuPath measures from the corner of what it shows of a slide (`slides.region.qupath_bounds`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histohet.common.files import why_no_file, write_text
from histohet.common.provenance import Provenance
from histohet.common.qupath import object_id
from histohet.cores.grid import ArrayError, Core, place_of, row_name
from histohet.slides.files import LARGEST_GEOJSON

QPTMA = ".qptma"
QPTMA_COLUMNS = ("Core name", "X", "Y", "Width", "Height", "Present", "Case ID")
LEAST_COLUMNS = 6
"""Cells of a line of `.qptma`; the id at its end may be left out."""

CORE_TYPES = {"tmacore", "tma_core", "tmacoreobject"}
"""What QuPath's versions call a core, in small letters."""

CASE_IDS = ("Case ID", "Unique ID")
"""What they call its patient."""

CORNERS = 32
"""Corners of a circle as a polygon."""


def read_geojson_cores(path: str | Path, offset: tuple[int, int]) -> list[Core]:
    """Read the cores of a GeoJSON export; other objects are passed over.

    Parameters
    ----------
    offset
        Where QuPath's origin lies in the file of the slide, level-0 px.

    Raises
    ------
    ArrayError
        If it is no GeoJSON, holds no core, or one that has no place or no outline.
    """
    cores = []
    for number, feature in enumerate(_features(path), start=1):
        about = feature.get("properties")
        about = about if isinstance(about, dict) else {}
        kind = about.get("objectType") or about.get("object_type") or feature.get("id")
        if str(kind).lower() in CORE_TYPES:
            where = f"{path}, feature {number}"
            cores.append(_core_of(about, feature.get("geometry"), offset, where))
    if not cores:
        raise ArrayError(
            f"{path} has no TMA core: export all objects of the dearrayed slide as GeoJSON"
        )
    return cores


def _features(path: str | Path) -> list[dict[str, Any]]:
    _check_file(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ArrayError(f"{path} is no GeoJSON: {error}") from error
    features = document.get("features", [document]) if isinstance(document, dict) else document
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise ArrayError(f"{path} is no GeoJSON: it holds no features")
    return features


def _check_file(path: str | Path) -> None:
    """Refuse what cannot be read whole: it is no file, or too large."""
    if unfit := why_no_file(path):
        raise ArrayError(f"{path} {unfit}")
    if Path(path).stat().st_size > LARGEST_GEOJSON:
        raise ArrayError(f"{path} is larger than {LARGEST_GEOJSON // 2**20} MB: export cores alone")


def _core_of(about: Mapping[str, Any], geometry: Any, offset: tuple[int, int], where: str) -> Core:
    name = str(about.get("name", ""))
    try:
        row, column = place_of(name)
    except ValueError as error:
        raise ArrayError(
            f"{where}: '{name}' is no place: name cores by row and column, such as A-1"
        ) from error
    points = list(_points(geometry.get("coordinates") if isinstance(geometry, dict) else None))
    if not points:
        raise ArrayError(f"{where}: core {name} has no outline")
    middle = [(min(axis) + max(axis)) / 2 for axis in zip(*points, strict=True)]
    metadata = about.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    patient = next((str(metadata[key]) for key in CASE_IDS if metadata.get(key)), None)
    missing = about.get("isMissing", about.get("is_missing", False)) is True
    return Core(row, column, middle[0] + offset[0], middle[1] + offset[1], missing, patient)


def _points(coordinates: Any) -> list[tuple[float, float]]:
    """Return all points of a geometry, however deep; none where one is not finite numbers."""
    if not isinstance(coordinates, list):
        return []
    if len(coordinates) >= 2 and all(
        isinstance(one, int | float) and math.isfinite(one) for one in coordinates[:2]
    ):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [point for one in coordinates for point in _points(one)]


def write_geojson_cores(
    path: str | Path,
    slide: str,
    cores: Sequence[Core],
    diameter_px: float,
    offset: tuple[int, int],
    provenance: Provenance,
) -> None:
    """Write cores, also missing ones, for QuPath, which shows them as a TMA grid's.

    Parameters
    ----------
    slide
        Id of the array.
    offset
        See `read_geojson_cores`.
    """
    document = {
        "type": "FeatureCollection",
        "histohet": {**provenance.as_dict(), "slide": slide, "bounds_offset": list(offset)},
        "features": [_feature(slide, core, diameter_px, offset) for core in cores],
    }
    write_text(path, json.dumps(document, allow_nan=False) + "\n")


def _feature(slide: str, core: Core, diameter_px: float, offset: tuple[int, int]) -> dict[str, Any]:
    x, y, radius = core.x - offset[0], core.y - offset[1], diameter_px / 2
    angles = [2 * math.pi * (corner % CORNERS) / CORNERS for corner in range(CORNERS + 1)]
    circle = [
        [round(x + radius * math.cos(angle), 2), round(y + radius * math.sin(angle), 2)]
        for angle in angles
    ]
    return {
        "type": "Feature",
        "id": object_id(slide, f"core {core.name}"),
        "geometry": {"type": "Polygon", "coordinates": [circle]},
        "properties": {
            "objectType": "tmaCore",
            "name": core.name,
            "isMissing": core.missing,
            "metadata": {CASE_IDS[0]: core.patient} if core.patient else {},
        },
    }


def read_qptma(path: str | Path, slide: str | Path, offset: tuple[int, int]) -> list[Core]:
    """Read QuPath's table of an array, but for cores without an outline, which lie nowhere.

    Parameters
    ----------
    slide
        The file of the array, whose name the table must give.
    offset
        See `read_geojson_cores`.

    Raises
    ------
    ArrayError
        If it is no such table, or of another slide.
    """
    _check_file(path)
    lines = Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith(QPTMA_COLUMNS[0])]
    if not heads:
        raise ArrayError(
            f"{path} is no {QPTMA} of QuPath: no line begins with '{QPTMA_COLUMNS[0]}'"
        )
    above = [line for line in lines[: heads[0]] if line.strip()]
    named = [line for line in above if not line.lower().startswith("tma grid")]
    if named and not any(Path(slide).stem in line for line in named):
        raise ArrayError(
            f"{path} is of '{named[-1]}', not of {Path(slide).name}: if the file was renamed, "
            "change the first lines"
        )
    cores = [
        core
        for number, line in enumerate(lines[heads[0] + 1 :], start=heads[0] + 2)
        if line.strip() and (core := _core_of_line(line, offset, f"{path}, line {number}"))
    ]
    if not cores:
        raise ArrayError(f"{path} has no core with an outline")
    return cores


def _core_of_line(line: str, offset: tuple[int, int], where: str) -> Core | None:
    cells = line.split("\t")
    if len(cells) < LEAST_COLUMNS or not any(cell.strip() for cell in cells[1:5]):
        return None
    try:
        row, column = place_of(cells[0])
        x, y, width, height = (float(cell) for cell in cells[1:5])
    except ValueError as error:
        raise ArrayError(
            f"{where}: '{cells[0]}' has no place such as A-1, or no x, y, width and height"
        ) from error
    centre = (x + width / 2 + offset[0], y + height / 2 + offset[1])
    if not all(map(math.isfinite, centre)):
        raise ArrayError(f"{where}: core {cells[0]} has no place in the slide")
    patient = cells[6].strip() if len(cells) > LEAST_COLUMNS else ""
    return Core(row, column, *centre, cells[5].strip().lower() == "false", patient or None)


def write_qptma(
    path: str | Path,
    slide: str | Path,
    cores: Sequence[Core],
    diameter_px: float,
    offset: tuple[int, int],
) -> None:
    """Write QuPath's table of an array, a line for each place of the grid.

    Parameters
    ----------
    slide
        The file of the array.
    offset
        See `read_geojson_cores`.
    """
    by_place = {core.place: core for core in cores}
    rows = 1 + max((core.row for core in cores), default=-1)
    columns = 1 + max((core.column for core in cores), default=-1)
    lines = [str(slide), Path(slide).name, ""]
    lines += [f"TMA grid width: {columns}", f"TMA grid height: {rows}", "\t".join(QPTMA_COLUMNS)]
    side = math.ceil(diameter_px)
    for row in range(rows):
        for column in range(columns):
            core = by_place.get((row, column))
            if core is None:
                lines.append(f"{row_name(row)}-{column + 1}\t\t\t\t\tfalse\t")
                continue
            x, y = core.x - offset[0] - side / 2, core.y - offset[1] - side / 2
            present = str(not core.missing).lower()
            cells = (core.name, round(x), round(y), side, side, present, core.patient or "")
            lines.append("\t".join(map(str, cells)))
    write_text(path, "\n".join(lines) + "\n")
