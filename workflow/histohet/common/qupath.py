"""Tiles for QuPath, as GeoJSON with class, colour and measurements."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histohet.common.files import atomic_path
from histohet.common.provenance import Provenance

# Ids must be UUIDs; these are the same for the same slide and object on every machine.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "histohet")

Colour = tuple[int, int, int]


def object_id(slide: str, name: str) -> str:
    """Return the UUID of an object of a slide."""
    return str(uuid.uuid5(NAMESPACE, f"{slide}/{name}"))


@dataclass(frozen=True)
class TileObject:
    """One tile as QuPath shows it.

    Attributes
    ----------
    index
        Row of the tile file.
    x, y
        Top-left corner, level-0 px.
    class_name, colour
        Classification. QuPath refuses one without the other.
    measurements
        Numbers by name; None is left out.
    """

    index: int
    x: int
    y: int
    class_name: str
    colour: Colour
    measurements: Mapping[str, float | None]


def write_tile_objects(
    path: str | Path,
    slide: str,
    side_px: float,
    tiles: Iterable[TileObject],
    offset: tuple[int, int],
    provenance: Provenance,
    kind: str = "tile",
) -> None:
    """Write tiles for QuPath, one feature a line, streaming.

    Parameters
    ----------
    side_px
        Side of a tile, level-0 px.
    offset
        Subtracted from every coordinate: where QuPath crops a slide to its bounds, it measures from
        their corner. Recorded in the file as ``bounds_offset``.
    kind
        What a tile is called, followed by its index. Two kinds may lie on one slide: the ids of
        their tiles differ.
    """
    head = {
        "type": "FeatureCollection",
        "histohet": {**provenance.as_dict(), "slide": slide, "bounds_offset": list(offset)},
    }
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "features": [')
        separator = "\n"
        for tile in tiles:
            feature = _tile_feature(slide, side_px, tile, offset, kind)
            file.write(separator + json.dumps(feature, allow_nan=False))
            separator = ",\n"
        file.write("\n]}\n")


def _tile_feature(
    slide: str, side_px: float, tile: TileObject, offset: tuple[int, int], kind: str
) -> dict[str, Any]:
    left, top = tile.x - offset[0], tile.y - offset[1]
    right, bottom = round(left + side_px, 2), round(top + side_px, 2)
    return {
        "type": "Feature",
        "id": object_id(slide, f"{kind} {tile.index}"),
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            ],
        },
        "properties": {
            "objectType": "tile",
            "name": f"{kind} {tile.index}",
            "classification": {"name": tile.class_name, "color": list(tile.colour)},
            "measurements": {n: v for n, v in tile.measurements.items() if v is not None},
        },
    }
