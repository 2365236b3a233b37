from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import shapely

from histohet.common.outcome import OK, Outcome, Status, attempt
from histohet.common.provenance import Provenance
from histohet.common.qupath import TileObject, write_tile_objects
from histohet.epithelium.polygons import read_polygons
from histohet.tissue.file import read_tissue, write_tissue
from histohet.tissue.segmentation import Tissue

PROVENANCE = Provenance({"k": 8})


def tiles() -> list[TileObject]:
    return [
        TileObject(7, 100, 200, "Cluster 1", (230, 75, 53), {"cluster": 1, "tumour score": None}),
        TileObject(9, 324, 200, "Cluster 2", (0, 114, 178), {"cluster": 2, "tumour score": 4.5}),
    ]


def test_qupath_gets_what_it_demands(tmp_path: Path) -> None:
    """FORMATS §7: objectType, class with colour, numeric measurements, UUID ids, closed rings."""
    path = tmp_path / "a.geojson"
    write_tile_objects(path, "a", 224.449, tiles(), (0, 0), PROVENANCE)
    data = json.loads(path.read_text())
    assert data["type"] == "FeatureCollection"
    assert data["histohet"]["bounds_offset"] == [0, 0]
    first, second = data["features"]
    assert first["properties"]["objectType"] == "tile"
    assert first["properties"]["classification"] == {"name": "Cluster 1", "color": [230, 75, 53]}
    assert first["properties"]["measurements"] == {"cluster": 1}
    assert second["properties"]["measurements"] == {"cluster": 2, "tumour score": 4.5}
    (ring,) = first["geometry"]["coordinates"]
    assert ring == [[100, 200], [324.45, 200], [324.45, 424.45], [100, 424.45], [100, 200]]
    assert shapely.geometry.shape(first["geometry"]).is_valid
    assert uuid.UUID(first["id"]) != uuid.UUID(second["id"])


def test_ids_and_bytes_repeat(tmp_path: Path) -> None:
    for name in ("1.geojson", "2.geojson"):
        write_tile_objects(tmp_path / name, "a", 224, tiles(), (0, 0), PROVENANCE)
    assert (tmp_path / "1.geojson").read_bytes() == (tmp_path / "2.geojson").read_bytes()


def test_two_kinds_of_tiles_on_one_slide_have_their_own_ids(tmp_path: Path) -> None:
    write_tile_objects(tmp_path / "1.geojson", "a", 224, tiles(), (0, 0), PROVENANCE)
    write_tile_objects(
        tmp_path / "2.geojson", "a", 224, tiles(), (0, 0), PROVENANCE, kind="attention tile"
    )
    both = [
        feature
        for name in ("1.geojson", "2.geojson")
        for feature in json.loads((tmp_path / name).read_text())["features"]
    ]
    assert len({feature["id"] for feature in both}) == 4
    names = [feature["properties"]["name"] for feature in both]
    assert names == ["tile 7", "tile 9", "attention tile 7", "attention tile 9"]


def test_bounds_go_out_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    offset = (60, 40)
    write_tile_objects(path, "a", 100, tiles(), offset, PROVENANCE)
    ring = json.loads(path.read_text())["features"][0]["geometry"]["coordinates"][0]
    assert ring[0] == [40, 160]
    mask = read_polygons(path, ["Cluster 1"], offset)
    assert mask.coverage(100, 200, 100) == pytest.approx(1)


def test_no_tiles_is_still_a_collection(tmp_path: Path) -> None:
    write_tile_objects(tmp_path / "a.geojson", "a", 224, [], (0, 0), PROVENANCE)
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


def test_round_trip_of_tissue(tmp_path: Path) -> None:
    piece = shapely.Polygon(shapely.box(0, 0, 50, 50).exterior, [shapely.box(5, 5, 9, 9).exterior])
    tissue = Tissue([piece], 1.25, (244, 243, 242))
    write_tissue(tmp_path / "a.geojson", "a", tissue, OK, PROVENANCE)
    found = read_tissue(tmp_path / "a.geojson")
    assert (found.area_mm2, found.white) == (1.25, (244, 243, 242))
    assert found.pieces[0].equals(piece)
    lost = Outcome(Status.REFUSED, "too coarse")
    write_tissue(tmp_path / "b.geojson", "b", Tissue([], 0.0, (255, 255, 255)), lost, PROVENANCE)
    assert attempt(lambda: read_tissue(tmp_path / "b.geojson"), None) == (None, lost)
