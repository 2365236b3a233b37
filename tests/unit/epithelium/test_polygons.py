"""Polygons of annotations: their areas, and what becomes of invalid ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from helpers.annotations import feature, geojson, square
from histohet.epithelium.base import MaskError
from histohet.epithelium.polygons import Polygons, read_polygons


def test_polygons_by_class_name(tmp_path: Path) -> None:
    path = geojson(
        tmp_path / "a.geojson",
        [
            feature(square(0, 0, 10, 10), {"name": "Tumor", "color": [1, 2, 3]}),
            feature(square(20, 0, 30, 10), "Epithelium"),
            feature(square(0, 20, 10, 30), {"names": ["Tumor", "Positive"], "color": [0, 0, 0]}),
            feature(square(20, 20, 30, 30), {"name": "Stroma", "color": [1, 2, 3]}),
            feature(square(40, 40, 50, 50), None),
        ],
    )
    mask = read_polygons(path, ["Tumor", "Epithelium"])
    assert [mask.coverage(x, y, 10) for x, y in ((0, 0), (20, 0), (0, 20), (20, 20), (40, 40))] == [
        1,
        1,
        0,
        0,
        0,
    ]
    nested = read_polygons(path, ["Tumor: Positive"])
    assert nested.coverage(0, 20, 10) == 1


def test_overlapping_polygons_and_holes_count_once() -> None:
    ring = shapely.Polygon(shapely.box(0, 0, 10, 10).exterior, [shapely.box(2, 2, 8, 8).exterior])
    mask = Polygons([ring, shapely.box(0, 0, 5, 10)])
    assert mask.coverage(0, 0, 10) == pytest.approx((100 - 36 + 18) / 100)


def test_polygon_pixels_by_their_centres() -> None:
    mask = Polygons([shapely.Polygon([(0, 0), (10, 0), (0, 10)])])
    found = mask.pixels(0, 0, 10, 10)
    expected = np.add.outer(np.arange(10) + 0.5, np.arange(10) + 0.5) <= 10
    np.testing.assert_array_equal(found, expected)
    assert not mask.pixels(50, 50, 10, 10).any()


def test_offset_moves_what_qupath_measured_from_the_bounds(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", [feature(square(0, 0, 10, 10), "Tumor")])
    mask = read_polygons(path, ["Tumor"], offset=(100, 50))
    assert mask.coverage(100, 50, 10) == 1
    assert mask.coverage(0, 0, 10) == 0


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    return [list(corner) for corner in (*corners, corners[0])]


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return ring((left, top), (right, top), (right, bottom), (left, bottom))


def polygon(*rings: list[list[float]]) -> dict:
    return {"type": "Polygon", "coordinates": list(rings)}


def several(*parts: list[list[list[float]]]) -> dict:
    return {"type": "MultiPolygon", "coordinates": list(parts)}


FLAT_RING = [[5, 5], [6, 6], [5, 5]]
INVALID = {
    # What is drawn, its area, and what is said of it.
    "overlapping parts": (
        several([box(0, 0, 6, 10)], [box(4, 0, 10, 10)]),
        100,
        "its parts overlap, taken as their union",
    ),
    "part in a part": (
        several([box(0, 0, 10, 10)], [box(2, 2, 4, 4)]),
        100,
        "its parts overlap",
    ),
    "the same part twice": (several([box(0, 0, 5, 5)], [box(0, 0, 5, 5)]), 25, "parts overlap"),
    "three parts in a row": (
        several([box(0, 0, 4, 4)], [box(3, 0, 7, 4)], [box(6, 0, 10, 4)]),
        40,
        "its parts overlap",
    ),
    "collection": (
        {
            "type": "GeometryCollection",
            "geometries": [polygon(box(0, 0, 6, 10)), polygon(box(4, 0, 10, 10))],
        },
        100,
        "its parts overlap",
    ),
    "bow tie": (polygon(ring((0, 0), (10, 10), (10, 0), (0, 10))), 50, "invalid (self-inters"),
    "loop over itself": (
        polygon(ring((0, 0), (6, 0), (6, 6), (2, 6), (2, 2), (10, 2), (10, 10), (0, 10))),
        100 - 8,
        "invalid (self-inters",
    ),
    "hole beyond its outline": (
        polygon(box(0, 0, 10, 10), box(8, 0, 14, 10)),
        80,
        "invalid (",
    ),
    "overlapping holes": (
        polygon(box(0, 0, 10, 10), box(1, 1, 5, 5), box(3, 3, 7, 7)),
        100 - 28,
        "invalid (",
    ),
    "spike": (polygon([[0, 0], [5, 0], [9, 0], [5, 0], [5, 5], [0, 5], [0, 0]]), 25, "invalid ("),
    "flat hole": (polygon(box(0, 0, 10, 10), FLAT_RING), 100, "fewer than three corners, left out"),
    "flat part": (several([box(0, 0, 5, 5)], [FLAT_RING]), 25, "fewer than three corners"),
    "empty part": (several([box(0, 0, 5, 5)], []), 25, "fewer than three corners"),
    "part on a line": (
        several([box(0, 0, 5, 5)], [[[6, 6], [7, 7], [8, 8], [6, 6]]]),
        25,
        "a part without area, left out",
    ),
    "point in a collection": (
        {
            "type": "GeometryCollection",
            "geometries": [polygon(box(0, 0, 5, 5)), {"type": "Point", "coordinates": [9, 9]}],
        },
        25,
        "a Point has no area, left out",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_outlines_are_mended_and_named(tmp_path: Path, name: str) -> None:
    drawn, area, note = INVALID[name]
    path = geojson(
        tmp_path / "a.json",
        [feature(square(12, 12, 13, 13), "Stroma"), feature(drawn, "Tumor")],
    )
    mask = read_polygons(path, ["Tumor"])
    assert mask.coverage(0, 0, 20) * 400 == pytest.approx(area)
    assert any(said.startswith("annotation 2 (Tumor): ") and note in said for said in mask.notes)


VALID = {
    "hole": (polygon(box(0, 0, 10, 10), box(2, 2, 8, 8)), 64),
    "island in a hole": (several([box(0, 0, 10, 10), box(2, 2, 8, 8)], [box(4, 4, 6, 6)]), 68),
    "parts that touch in a corner": (several([box(0, 0, 5, 5)], [box(5, 5, 10, 10)]), 50),
    "height": (polygon([[0, 0, 7], [5, 0, 7], [5, 5, 7], [0, 5, 7], [0, 0, 7]]), 25),
    "not closed": (polygon(box(0, 0, 5, 5)[:-1]), 25),
    "either way around": (polygon(box(0, 0, 10, 10)[::-1], box(2, 2, 8, 8)), 64),
}


@pytest.mark.parametrize("name", VALID)
def test_nothing_is_said_of_valid_outlines(tmp_path: Path, name: str) -> None:
    drawn, area = VALID[name]
    mask = read_polygons(geojson(tmp_path / "a.json", [feature(drawn, "Tumor")]), ["Tumor"])
    assert mask.coverage(0, 0, 20) * 400 == pytest.approx(area)
    assert mask.notes == ()


def test_the_same_fault_of_many_annotations_is_said_once(tmp_path: Path) -> None:
    flat = [feature(polygon(FLAT_RING), "Tumor") for _ in range(30)]
    flat[4]["properties"]["name"] = "upper\nleft"
    path = geojson(tmp_path / "a.json", [feature(square(0, 0, 5, 5), "Tumor"), *flat])
    (note,) = read_polygons(path, ["Tumor"]).notes
    assert note.startswith("annotation 2 (Tumor), 3 (Tumor), ")
    assert "6 'upper left' (Tumor)" in note
    assert note.endswith(" and 10 more: a ring with fewer than three corners, left out")


def test_excluded_classes_are_taken_out(tmp_path: Path) -> None:
    path = geojson(
        tmp_path / "a.json",
        [
            feature(square(0, 0, 10, 10), {"name": "Tumor"}),
            feature(square(0, 0, 5, 10), {"name": "Ignore*"}),
            feature(square(4, 0, 6, 10), {"name": "necrosis"}),
            feature(square(8, 0, 12, 10), {"name": "Stroma"}),
        ],
    )
    mask = read_polygons(path, ["Tumor"], excluded_names=["Ignore*", "Necrosis"])
    assert mask.coverage(0, 0, 10) == pytest.approx(0.4)
    np.testing.assert_array_equal(mask.pixels(0, 0, 10, 10).sum(axis=0), [0] * 6 + [10] * 4)
    (note,) = mask.notes
    assert note.startswith("annotation 2 (Ignore*), 3 (necrosis): taken out of the epithelium")
    assert read_polygons(path, ["Tumor"]).coverage(0, 0, 10) == 1


def test_outlines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    def problem(*features: dict) -> str:
        with pytest.raises(MaskError) as caught:
            read_polygons(geojson(tmp_path / "a.json", list(features)), ["Tumor"])
        return str(caught.value).replace(str(tmp_path), "")

    assert problem(feature(square(0, 0, 1, 1), "Stroma")) == (
        "mask /a.json has no annotation of class Tumor; it has: Stroma"
    )
    assert problem(feature(square(0, 0, 1, 1), None)).endswith(
        "it has: none (1 annotations without 'classification')"
    )
    assert problem(feature({"type": "Blob", "coordinates": []}, "Tumor")) == (
        "mask /a.json holds a geometry that cannot be read, annotation 1 (Tumor): its type is "
        "'Blob'"
    )
    assert problem(feature(None, "Tumor")).endswith(
        "annotations of class Tumor have no area: annotation 1 (Tumor): no geometry, left out"
    )
    assert problem(feature({"type": "Point", "coordinates": [5, 5]}, "Tumor")).endswith(
        "have no area: annotation 1 (Tumor): a Point has no area, left out"
    )
    assert "have no area" in problem(feature(polygon(FLAT_RING), "Tumor"))
    assert "no pair of numbers" in problem(feature(polygon([[1], [2], [3]]), "Tumor"))


@pytest.mark.parametrize("number", [1e8, 1e308, 10**400, float("nan"), float("-inf")])
def test_coordinates_that_are_on_no_slide(tmp_path: Path, number: float) -> None:
    ring = [[0, 0], [10, 0], [number, 10], [0, 0]]
    path = geojson(
        tmp_path / "a.geojson", [feature({"type": "Polygon", "coordinates": [ring]}, "Tumor")]
    )
    with pytest.raises(MaskError, match=r"a\.geojson holds"):
        read_polygons(path, ["Tumor"])


@pytest.mark.parametrize("epithelium", [(300, 300, 400, 400), (0, 0, 50, 100), (0, 0, 100, 100)])
def test_excluded_outlines_along_the_border_of_a_tile(
    epithelium: tuple[float, float, float, float],
) -> None:
    tile = shapely.box(0, 0, 100, 100)
    # In the tile there are a triangle, a part of its right border, and a corner.
    bent = shapely.Polygon([(100, 0), (60, 20), (100, 40), (100, 80), (200, 80), (200, 0)])
    corner = shapely.box(100, 100, 150, 150)
    marked = shapely.box(*epithelium)
    mask = Polygons([marked], [bent, corner])
    expected = shapely.area(marked & tile) - shapely.area(marked & tile & bent)
    assert mask.coverage(0, 0, 100) == pytest.approx(expected / 100**2)
    assert mask.pixels(0, 0, 100, 50).mean() == pytest.approx(expected / 100**2, abs=0.01)
