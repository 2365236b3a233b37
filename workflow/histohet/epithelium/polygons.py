"""Epithelium as polygons: outlines of annotations, mended where they are invalid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from histohet.common.arrays import Bools, Floats
from histohet.epithelium.annotations import (
    CLASSIFICATION,
    Annotation,
    matching,
    plain,
    read_annotations,
)
from histohet.epithelium.base import MaskError
from histohet.tiles.lattice import LARGEST_PX

NOT_A_GEOMETRY = (
    shapely.errors.ShapelyError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What NumPy and shapely raise for a geometry that is none."""

FLAT = {"Point", "MultiPoint", "LineString", "MultiLineString", "LinearRing"}
"""Geometries without area."""

NAMED = 20
"""So many annotations are named in a note."""

NO_OVERLAP = 1e-9
"""Share of an area that rounding makes of parts that only touch."""

Rings = list[Floats]
"""Outline and holes of a polygon, each (N, 2)."""


class Polygons:
    """Epithelium as polygons in level-0 px.

    Parameters
    ----------
    polygons
        What is epithelium; overlapping ones count once.
    excluded
        What is none, wherever it overlaps them.
    notes
        See `EpitheliumMask`.
    """

    def __init__(
        self,
        polygons: list[shapely.Geometry],
        excluded: Collection[shapely.Geometry] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self._epithelium = shapely.STRtree(polygons)
        self._excluded = shapely.STRtree(list(excluded))
        self.notes = notes

    def _part(self, area: shapely.Geometry) -> shapely.Geometry:
        inside = _within(self._epithelium, area)
        if not len(self._excluded):
            return inside
        return shapely.difference(inside, _within(self._excluded, area))

    def is_taken_out(self) -> bool:
        """Whether what is excluded leaves nothing of the epithelium."""
        return all(self._part(outline).area == 0 for outline in self._epithelium.geometries)

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Share of a square inside the polygons; overlapping polygons count once."""
        part = self._part(shapely.box(x, y, x + side_px, y + side_px))
        return min(1.0, float(part.area) / side_px**2)

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Which pixels of a square have their centre inside a polygon."""
        part = self._part(shapely.box(x, y, x + side_px, y + side_px))
        shapely.prepare(part)
        offsets = (np.arange(out_px) + 0.5) * side_px / out_px
        xs, ys = np.meshgrid(x + offsets, y + offsets)
        return np.asarray(shapely.intersects_xy(part, xs, ys))


def _within(tree: shapely.STRtree, area: shapely.Geometry) -> shapely.Geometry:
    """Return what the geometries of a tree cover of an area.

    Where one runs along the border of the area, lines and points are left of it: they cover
    nothing, and GEOS takes no geometries of mixed dimensions from one another.
    """
    found = tree.geometries[tree.query(area, predicate="intersects")]
    parts = shapely.get_parts(shapely.intersection(found, area))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def read_polygons(
    path: str | Path,
    class_names: Collection[str],
    offset: tuple[int, int] = (0, 0),
    excluded_names: Collection[str] = (),
) -> Polygons:
    """Read annotations of given classes from GeoJSON, see `read_annotations`.

    What is invalid is mended: an outline that crosses itself becomes all that it goes around, parts
    of one annotation that overlap become their union, and what has no area is left out. The notes
    of the result name every annotation of which that is so.

    Parameters
    ----------
    class_names
        Names of the classes that are epithelium; capitals do not count.
    offset
        Added to every coordinate: QuPath measures from the slide's bounds, we from its corner.
    excluded_names
        Classes that are taken out of the others.

    Raises
    ------
    MaskError
        If the file cannot be read, a geometry is none or not on a slide, or no annotation of one of
        the classes has an area (the classes that exist are listed).
    """
    annotations, notes = read_annotations(path, class_names)
    wanted, faults = list(matching(annotations, class_names)), _Faults()
    if not wanted:
        held = ", ".join(sorted({one.class_name for one in annotations if one.class_name}))
        held = held or f"none ({len(annotations)} annotations without '{CLASSIFICATION}')"
        raise MaskError(
            f"mask {path} has no annotation of class {', '.join(class_names)}; it has: {held}"
        )
    epithelium = _outlines(path, wanted, offset, faults)
    if not epithelium:
        raise MaskError(
            f"mask {path}: annotations of class {', '.join(class_names)} have no area: "
            + "; ".join(faults.notes())
        )
    for annotation in (taken_out := list(matching(annotations, excluded_names))):
        faults.add(annotation, "taken out of the epithelium (epithelium.excluded_names)")
    excluded = _outlines(path, taken_out, offset, faults)
    return Polygons(
        epithelium, excluded, (*notes, *_spellings(wanted, class_names), *faults.notes())
    )


class _Faults:
    """What was wrong with annotations, and what became of it; the same is said once."""

    def __init__(self) -> None:
        self._annotations: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, annotation: Annotation, fault: str) -> None:
        if str(annotation) not in self._annotations[fault]:
            self._annotations[fault].append(str(annotation))

    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"annotation {', '.join(names[:NAMED])}"
            + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            + f": {fault}"
            for fault, names in self._annotations.items()
        )


def _outlines(
    path: str | Path, annotations: Iterable[Annotation], offset: tuple[int, int], faults: _Faults
) -> list[shapely.Geometry]:
    """Return the outlines of those annotations that have an area."""
    outlines = []
    for annotation in annotations:
        try:
            parts = [
                [ring + offset for ring in part]
                for part in _parts(annotation.geometry, annotation, faults)
            ]
            if not all((np.abs(ring) < LARGEST_PX).all() for part in parts for ring in part):
                raise MaskError(
                    f"mask {path} holds coordinates that are no positions on a slide: annotation "
                    f"{annotation}"
                )
            outline = _mended(parts, annotation, faults)
        except MaskError:
            raise
        except NOT_A_GEOMETRY as error:
            raise MaskError(
                f"mask {path} holds a geometry that cannot be read, annotation {annotation}: "
                f"{error}"
            ) from error
        if outline is not None:
            outlines.append(outline)
    return outlines


def _parts(geometry: Any, annotation: Annotation, faults: _Faults) -> Iterator[Rings]:
    """Yield the polygons of a geometry, each as its rings, outline first."""
    if geometry is None:
        faults.add(annotation, "no geometry, left out")
        return
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for one in geometry["geometries"]:
            yield from _parts(one, annotation, faults)
    elif kind in FLAT:
        faults.add(annotation, f"a {kind} has no area, left out")
    elif kind in {"Polygon", "MultiPolygon"}:
        coordinates = geometry["coordinates"]
        for part in [coordinates] if kind == "Polygon" else coordinates:
            outline, *holes = map(_ring, part or [[]])
            if len(outline):
                yield [outline, *(hole for hole in holes if len(hole))]
            if not all(map(len, (outline, *holes))):
                faults.add(annotation, "a ring with fewer than three corners, left out")
    else:
        raise ValueError(f"its type is {kind!r}")


def _ring(points: Any) -> Floats:
    """Return the corners of a ring, (N, 2); (0, 2) if it goes around nothing."""
    corners = np.asarray(points, np.float64)
    if corners.size == 0:
        return np.empty((0, 2))
    if corners.ndim != 2 or corners.shape[1] < 2:
        raise ValueError("a position is no pair of numbers")
    corners = corners[:, :2]
    different = corners
    for _ in range(2):
        different = different[(different != different[:1]).any(axis=1)]
    return corners if len(different) else np.empty((0, 2))


def _mended(
    parts: Iterable[Rings], annotation: Annotation, faults: _Faults
) -> shapely.Geometry | None:
    """Return the union of the parts of an annotation, each valid; None if they have no area."""
    sound = []
    for outline, *holes in parts:
        polygon = shapely.Polygon(outline, holes)
        if not polygon.is_valid:
            what = shapely.is_valid_reason(polygon).partition("[")[0].lower()
            faults.add(annotation, f"invalid ({what}), taken as all that its outlines go around")
            polygon = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
        if polygon.area > 0:
            sound.append(polygon)
        else:
            faults.add(annotation, "a part without area, left out")
    if len(sound) < 2:
        return sound[0] if sound else None
    union = shapely.union_all(sound)
    if float(shapely.area(sound).sum()) > union.area * (1 + NO_OVERLAP):
        faults.add(annotation, "its parts overlap, taken as their union")
    return union


def _spellings(annotations: Iterable[Annotation], names: Collection[str]) -> Iterator[str]:
    """Say which classes are taken for others that differ by capitals."""
    known = {plain(name): name for name in names}
    for spelt in sorted({str(one.class_name) for one in annotations} - set(names)):
        yield f"class '{spelt}' is taken for '{known[plain(spelt)]}'"
