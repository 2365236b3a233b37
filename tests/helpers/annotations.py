"""GeoJSON as QuPath exports it."""

from __future__ import annotations

import json
from pathlib import Path

import shapely


def feature(geometry: object, classification: object) -> dict:
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"objectType": "annotation", "classification": classification},
    }


def square(left: float, top: float, right: float, bottom: float) -> dict:
    return shapely.geometry.mapping(shapely.box(left, top, right, bottom))


def geojson(path: Path, features: list) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
