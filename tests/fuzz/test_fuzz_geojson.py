"""Any bytes in a GeoJSON mask: polygons whose coverage is a share, or one message."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.mutations import message_of, mutated
from histohet.epithelium.base import MaskError
from histohet.epithelium.polygons import read_polygons

RING = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


def feature(geometry: object, classification: object) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": "PathAnnotationObject",
        "geometry": geometry,
        "properties": {"objectType": "annotation", "classification": classification},
    }


HOLE = [[2, 2], [2, 4], [4, 4], [4, 2], [2, 2]]
POLYGON = {"type": "Polygon", "coordinates": [RING, HOLE]}
DOCUMENT: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        feature(POLYGON, {"name": "Tumor", "color": [1, 2, 3]}),
        feature({"type": "MultiPolygon", "coordinates": [[RING], [HOLE]]}, {"names": ["Tumor"]}),
        feature({"type": "GeometryCollection", "geometries": [POLYGON]}, "Tumor"),
        feature({"type": "LineString", "coordinates": RING}, "Tumor"),
        feature({"type": "Point", "coordinates": [5, 5]}, None),
    ],
}
SEEDS = (
    json.dumps(DOCUMENT).encode(),
    json.dumps({"features": [feature(POLYGON, "Tumor")]}).encode(),
    json.dumps([feature(POLYGON, '{"name": "tumor"}'), feature(POLYGON, "Ignore*")]).encode(),
    json.dumps({"type": "Feature", "geometry": POLYGON, "properties": {"label": "Tumor"}}).encode(),
)
DEEP = 20_000
TOKENS = (
    *(b"null", b"[]", b"{}", b'""', b"true", b"-1", b"NaN", b"Infinity", b"1e999", b"9" * 400),
    *(b"1e308", b"-1e308", b"5e-324", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\u0000"),
    *(b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP),
    *(b'"Tumor"', b'"Polygon"', b'"GeometryCollection"', b'"Point"', b'"name"', b'"type"'),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-20, 20)
    | st.sampled_from([10**400, -(2**63), 1e308, -1e308, 5e-324, float("nan"), float("inf")])
    | st.sampled_from(["", "Tumor", "Polygon", "Point", "MultiPolygon", "LinearRing", "\ud800"])
)
VALUES = st.recursive(
    LEAVES,
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "coordinates", "geometries", "name", "names", "features"]),
            values,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """The document with one or two of its parts, at any depth, replaced by something else."""
    document = deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 2))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(node[key], dict | list) or draw(st.integers(0, 3)) == 0:
                node[key] = draw(VALUES)
                break
            node = node[key]
    return json.dumps(document).encode()


def measure(path: Path) -> None:
    mask = read_polygons(path, ["Tumor"], offset=(3, 4), excluded_names=["Ignore*"])
    assert all("\n" not in note for note in mask.notes)
    assert 0 <= mask.coverage(0, 0, 10) <= 1
    assert mask.pixels(0, 0, 10, 5).shape == (5, 5)


def take(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    message = message_of(lambda: measure(path), MaskError)
    assert message is None or path.name in message


def test_any_bytes_give_polygons_or_one_message(tmp_path: Path) -> None:
    @settings(settings.get_profile("fuzz"))
    @given(mutated(SEEDS, TOKENS))
    def read(content: bytes) -> None:
        take(tmp_path / "mask.geojson", content)

    read()


def test_any_document_gives_polygons_or_one_message(tmp_path: Path) -> None:
    @settings(settings.get_profile("fuzz"))
    @given(changed())
    def read(content: bytes) -> None:
        take(tmp_path / "mask.geojson", content)

    read()
