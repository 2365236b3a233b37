"""Where the epithelium is: label images and polygons, read tile by tile.

Both kinds answer two questions about a square of the slide: what share of it is epithelium, and
which of its pixels are. Neither ever holds the whole mask in memory.
"""

from __future__ import annotations

from collections.abc import Collection
from math import ceil, floor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyvips
import shapely

from histohet.common.arrays import Bools, Floats
from histohet.common.files import read_json
from histohet.common.outcome import SlideLost
from histohet.slides.files import LARGEST_GEOJSON, is_geojson
from histohet.slides.reader import Pixels, last_line
from histohet.tiles.lattice import LARGEST_PX

SIZE_TOLERANCE_PX = 2.0
"""How far a mask's height may be from the slide's height at the mask's scale (METHODS: HETMAP)."""

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
"""What shapely raises for a geometry that is none."""


class MaskError(SlideLost):
    """A mask cannot be used for its slide; the message names the file and says why."""


class EpitheliumMask(Protocol):
    """Epithelium of one slide."""

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Share of a square that is epithelium, 0 to 1 (exact area, level-0 px)."""
        ...

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Which pixels of a square, seen as (out_px, out_px), are epithelium at their centre."""
        ...


class LabelImage:
    """A label image: one integer class per pixel, at any scale, covering the whole slide.

    Parameters
    ----------
    path
        Any image libvips reads, one band.
    classes
        Class ids that are epithelium.
    slide_size
        (width, height) of level 0.

    Raises
    ------
    MaskError
        If the file cannot be read, has several bands, or its proportions differ from the slide's.
    """

    def __init__(
        self, path: str | Path, classes: Collection[int], slide_size: tuple[int, int]
    ) -> None:
        self.path = path
        try:
            self._image = pyvips.Image.new_from_file(str(path), fail_on="truncated")
        except pyvips.Error as error:
            raise MaskError(f"mask {path} cannot be read: {last_line(error)}") from error
        if self._image.bands != 1:
            raise MaskError(
                f"mask {path} has {self._image.bands} bands: one integer class per pixel is needed"
            )
        if self._image.format not in {"uchar", "ushort"}:
            raise MaskError(f"mask {path} has {self._image.format} pixels: 8 or 16 bit are needed")
        self._dtype = np.dtype(np.uint8 if self._image.format == "uchar" else np.uint16)
        self.is_epithelium = np.isin(np.arange(256**self._dtype.itemsize), list(classes))
        width, height = self._image.width, self._image.height
        self.scale = _scale(slide_size, (width, height))
        if abs(height - slide_size[1] / self.scale) >= SIZE_TOLERANCE_PX:
            raise MaskError(
                f"mask {path} is {width} × {height}, the slide {slide_size[0]} × {slide_size[1]}: "
                "their proportions differ, so the mask belongs to another slide or is cropped"
            )
        self._region = pyvips.Region.new(self._image)

    def _window(self, left: int, top: int, right: int, bottom: int) -> Bools:
        """Epithelium in a window of mask pixels; outside the mask there is none."""
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(right, self._image.width), min(bottom, self._image.height)
        out = np.zeros((bottom - top, right - left), np.bool_)
        if x0 < x1 and y0 < y1:
            try:
                raw = self._region.fetch(x0, y0, x1 - x0, y1 - y0)
            except pyvips.Error as error:
                raise MaskError(
                    f"mask {self.path}: window at ({x0}, {y0}) cannot be read: {last_line(error)}"
                ) from error
            labels = np.frombuffer(raw, self._dtype).reshape(y1 - y0, x1 - x0)
            out[y0 - top : y1 - top, x0 - left : x1 - left] = self.is_epithelium[labels]
        return out

    def classes(self) -> list[int]:
        """Classes that occur in the mask, ascending. Reads all of it.

        Raises
        ------
        MaskError
            If a part of the file cannot be read.
        """
        try:
            counts = self._image.hist_find().numpy()
        except pyvips.Error as error:
            raise MaskError(f"mask {self.path} cannot be read: {last_line(error)}") from error
        return [int(number) for number in np.flatnonzero(counts)]

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Share of a square that is epithelium; border pixels count by the area inside."""
        columns, column_weights = _overlap(x / self.scale, (x + side_px) / self.scale)
        rows, row_weights = _overlap(y / self.scale, (y + side_px) / self.scale)
        window = self._window(columns[0], rows[0], columns[1], rows[1])
        return float(row_weights @ window @ column_weights)

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Which pixels of a square are epithelium, by the mask pixel under their centre."""
        offsets = (np.arange(out_px) + 0.5) * side_px / out_px
        columns = np.floor((x + offsets) / self.scale).astype(np.int64)
        rows = np.floor((y + offsets) / self.scale).astype(np.int64)
        window = self._window(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        found: Bools = window[rows - rows[0]][:, columns - columns[0]]
        return found


def _scale(slide_size: tuple[int, int], mask_size: tuple[int, int]) -> float:
    """Level-0 px per mask pixel.

    Half of an odd number of pixels is rounded, but the scale of the mask is two all the same.
    """
    scale = slide_size[0] / mask_size[0]
    whole = max(round(scale), 1)
    rounded = all(
        abs(slide / whole - mask) < 1 for slide, mask in zip(slide_size, mask_size, strict=True)
    )
    return float(whole) if rounded else scale


def _overlap(start: float, end: float) -> tuple[tuple[int, int], Floats]:
    """Cells that an interval touches, and the share of the interval that falls on each."""
    first, last = floor(start), max(ceil(end), floor(start) + 1)
    edges = np.clip(np.arange(first, last + 1), start, end)
    return (first, last), np.diff(edges) / (end - start)


class Polygons:
    """Epithelium as polygons in level-0 px."""

    def __init__(self, polygons: list[shapely.Geometry]) -> None:
        self._tree = shapely.STRtree(polygons)

    def _part(self, square: shapely.Polygon) -> shapely.Geometry:
        found = self._tree.geometries[self._tree.query(square, predicate="intersects")]
        return shapely.union_all(shapely.intersection(found, square))

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


class WholeTissue:
    """Every tile is epithelium through and through: no mask is known or wanted."""

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Return 1."""
        return 1.0

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Return all true."""
        return np.ones((out_px, out_px), np.bool_)


def read_polygons(
    path: str | Path, class_names: Collection[str], offset: tuple[int, int] = (0, 0)
) -> Polygons:
    """Read QuPath annotations of given classes from GeoJSON.

    Parameters
    ----------
    class_names
        Names of the classes that are epithelium, as QuPath shows them.
    offset
        Added to every coordinate: QuPath measures from the slide's bounds, we from its corner.

    Raises
    ------
    MaskError
        If the file is no GeoJSON or larger than `LARGEST_GEOJSON`, a geometry is invalid or not on
        a slide, or no feature has one of the classes (the classes that exist are listed).
    """
    if Path(path).stat().st_size > LARGEST_GEOJSON:
        raise MaskError(
            f"mask {path} is larger than {LARGEST_GEOJSON >> 20} MB: export annotations without "
            "detections, or give a label image"
        )
    try:
        features = read_json(path)["features"]
        found = [(_class_name(feature), feature["geometry"]) for feature in features]
    except (ValueError, OSError) as error:
        raise MaskError(f"mask {path} is not a GeoJSON feature collection: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise MaskError(
            f"mask {path} is not a GeoJSON feature collection: it has no list of features"
        ) from error
    wanted = [geometry for name, geometry in found if name in class_names]
    if not wanted:
        names = ", ".join(sorted({str(name) for name, _ in found})) or "none"
        raise MaskError(
            f"mask {path} has no annotation of class {', '.join(class_names)}; it has: {names}"
        )
    if None in wanted:
        raise MaskError(f"mask {path} holds an annotation without geometry")
    try:
        shapes = [shapely.geometry.shape(geometry) for geometry in wanted]
        points = shapely.get_coordinates(shapes)
        if not (np.abs(points) < LARGEST_PX).all():
            raise MaskError(f"mask {path} holds coordinates that are no positions on a slide")
        moved = shapely.transform(np.array(shapes), lambda points: points + np.asarray(offset))
        valid = shapely.make_valid(moved)
    except MaskError:
        raise
    except NOT_A_GEOMETRY as error:
        raise MaskError(f"mask {path} holds a geometry that cannot be read: {error}") from error
    if not (shapely.area(valid) > 0).any():
        raise MaskError(f"mask {path}: annotations of class {', '.join(class_names)} have no area")
    return Polygons(list(valid))


def open_mask(
    path: str | Path | None,
    classes: Collection[int],
    class_names: Collection[str],
    slide_size: tuple[int, int],
    offset: tuple[int, int] = (0, 0),
) -> EpitheliumMask:
    """Open a mask of either kind, told apart by the suffix; without a path all tissue counts.

    Parameters
    ----------
    classes, class_names
        What is epithelium in a label image, and in GeoJSON.
    slide_size
        (width, height) of level 0.
    offset
        See `read_polygons`.

    Raises
    ------
    MaskError
        If the mask cannot be used for this slide.
    """
    if path is None:
        return WholeTissue()
    if is_geojson(path):
        return read_polygons(path, class_names, offset)
    return LabelImage(path, classes, slide_size)


def _class_name(feature: dict[str, Any]) -> str | None:
    """Name of a feature's QuPath class: a plain string, or an object with a name or names."""
    classification = (feature.get("properties") or {}).get("classification")
    if isinstance(classification, dict):
        names = classification.get("names")
        return ": ".join(names) if names else classification.get("name")
    return classification


def apply_mask(tile: Pixels, inside: Bools, colour: tuple[int, int, int]) -> Pixels:
    """Give one colour to the pixels of a tile that are outside the epithelium.

    Parameters
    ----------
    tile
        uint8 (S, S, 3).
    inside
        bool (S, S).
    colour
        RGB; HETMAP takes black.
    """
    # Rows of bytes: NumPy is slow on a last axis of three.
    rows, columns, _ = tile.shape
    kept = np.repeat(inside, 3, axis=1)
    filled = np.tile(np.array(colour, np.uint8), columns)
    return np.where(kept, tile.reshape(rows, -1), filled).reshape(tile.shape)
