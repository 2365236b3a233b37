from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.slidefiles import write_plain
from histohet.common.arrays import UInt8
from histohet.epithelium.masks import (
    LabelImage,
    MaskError,
    Polygons,
    WholeTissue,
    apply_mask,
    open_mask,
    read_polygons,
)
from histohet.slides.files import LARGEST_GEOJSON


@pytest.fixture(scope="module")
def labels() -> UInt8:
    return np.random.default_rng(3).choice([0, 1, 3, 12], (50, 80)).astype(np.uint8)


@pytest.fixture(scope="module")
def label_file(labels: UInt8, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plain(tmp_path_factory.mktemp("mask") / "labels.tif", labels, tile=True)


def exact_share(labels: UInt8, scale: float, square: tuple[float, ...]) -> float:
    """Sum the areas of all epithelial mask pixels, as rectangles, inside a square."""
    x0, y0, x1, y1 = square
    area = 0.0
    for row, column in zip(*np.nonzero(np.isin(labels, [3, 12])), strict=True):
        width = min(x1, (column + 1) * scale) - max(x0, column * scale)
        height = min(y1, (row + 1) * scale) - max(y0, row * scale)
        area += max(0.0, width) * max(0.0, height)
    return area / ((x1 - x0) * (y1 - y0))


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.7, 0.5, 8.0])
def test_coverage_is_the_exact_area_at_any_scale(
    labels: UInt8, label_file: Path, scale: float
) -> None:
    mask = LabelImage(label_file, [3, 12], (round(80 * scale), round(50 * scale)))
    for x, y, side in (
        (0, 0, 7.3),
        (11, 5, 12.0),
        (70 * scale, 40 * scale, 20 * scale),
        (1, 2, 0.2),
    ):
        expected = exact_share(labels, mask.scale, (x, y, x + side, y + side))
        assert mask.coverage(x, y, side) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50)
@given(x=st.floats(-10, 90), y=st.floats(-10, 60), side=st.floats(0.5, 40), scale=st.floats(0.3, 9))
def test_coverage_is_a_share(
    label_file: Path, x: float, y: float, side: float, scale: float
) -> None:
    mask = LabelImage(label_file, [0, 1, 3, 12], (round(80 * scale), round(50 * scale)))
    assert -1e-9 <= mask.coverage(x * scale, y * scale, side) <= 1 + 1e-9


def test_pixels_take_the_mask_pixel_under_their_centre(labels: UInt8, label_file: Path) -> None:
    mask = LabelImage(label_file, [3], (160, 100))
    found = mask.pixels(21, 11, 37.0, 16)
    for i in range(16):
        for j in range(16):
            column = int((21 + (j + 0.5) * 37 / 16) // 2)
            row = int((11 + (i + 0.5) * 37 / 16) // 2)
            assert found[i, j] == (labels[row, column] == 3)


def test_beyond_the_mask_there_is_no_epithelium(label_file: Path) -> None:
    mask = LabelImage(label_file, [0, 1, 3, 12], (80, 50))
    assert mask.coverage(75, 0, 10) == pytest.approx(0.5)
    assert mask.coverage(-100, -100, 10) == 0
    assert mask.pixels(75, 45, 10, 10).sum() == 25


@pytest.mark.parametrize(
    ("size", "fits"),
    [((160, 100), True), ((160, 103), True), ((160, 110), False), ((100, 160), False)],
)
def test_proportions_are_checked_against_the_slide(
    label_file: Path, size: tuple[int, int], fits: bool
) -> None:
    if fits:
        assert LabelImage(label_file, [3], size).scale == 2
    else:
        with pytest.raises(
            MaskError, match=r"labels\.tif is 80 × 50, the slide .* proportions differ"
        ):
            LabelImage(label_file, [3], size)


def test_unusable_label_images(tmp_path: Path) -> None:
    rgb = write_plain(tmp_path / "rgb.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(MaskError, match="has 3 bands: one integer class"):
        LabelImage(rgb, [3], (5, 5))
    real = write_plain(tmp_path / "float.tif", np.zeros((5, 5), np.float32))
    with pytest.raises(MaskError, match="8 or 16 bit are needed"):
        LabelImage(real, [3], (5, 5))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(MaskError, match=r"text\.png cannot be read"):
        LabelImage(tmp_path / "text.png", [3], (5, 5))


def test_a_damaged_label_image_is_named_in_one_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
    whole = write_plain(tmp_path / "whole.png", noise).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    mask = LabelImage(tmp_path / "half.png", [3], (400, 400))
    for read in (mask.classes, lambda: mask.coverage(0, 390, 10)):
        with pytest.raises(MaskError, match=r"half\.png.* cannot be read: .+") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_sixteen_bit_classes(tmp_path: Path) -> None:
    labels = np.array([[300, 3], [3, 300]], np.uint16)
    mask = LabelImage(write_plain(tmp_path / "a.tif", labels), [300], (2, 2))
    assert mask.classes() == [3, 300]
    assert mask.coverage(0, 0, 2) == 0.5
    np.testing.assert_array_equal(mask.pixels(0, 0, 2, 2), [[True, False], [False, True]])


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


def test_self_crossing_outlines_are_mended(tmp_path: Path) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    mask = read_polygons(geojson(tmp_path / "a.geojson", [feature(bow_tie, "Tumor")]), ["Tumor"])
    assert mask.coverage(0, 0, 10) == pytest.approx(0.5)


def test_unusable_geojson(tmp_path: Path) -> None:
    other = geojson(tmp_path / "other.geojson", [feature(square(0, 0, 1, 1), "Stroma")])
    with pytest.raises(MaskError, match=r"no annotation of class Tumor; it has: Stroma"):
        read_polygons(other, ["Tumor"])
    (tmp_path / "broken.geojson").write_text("{")
    with pytest.raises(MaskError, match=r"broken\.geojson is not a GeoJSON"):
        read_polygons(tmp_path / "broken.geojson", ["Tumor"])
    (tmp_path / "list.geojson").write_text("[]")
    with pytest.raises(MaskError, match="is not a GeoJSON"):
        read_polygons(tmp_path / "list.geojson", ["Tumor"])
    no_geometry = geojson(
        tmp_path / "odd.geojson", [feature({"type": "Blob", "coordinates": []}, "Tumor")]
    )
    with pytest.raises(MaskError, match="geometry that cannot be read"):
        read_polygons(no_geometry, ["Tumor"])
    empty = geojson(tmp_path / "null.geojson", [feature(None, "Tumor")])
    with pytest.raises(MaskError, match="an annotation without geometry"):
        read_polygons(empty, ["Tumor"])
    point = {"type": "Point", "coordinates": [5, 5]}
    flat = geojson(tmp_path / "flat.geojson", [feature(point, "Tumor")])
    with pytest.raises(MaskError, match="annotations of class Tumor have no area"):
        read_polygons(flat, ["Tumor"])
    (tmp_path / "deep.geojson").write_text('{"features": ' + "[" * 20_000)
    with pytest.raises(MaskError, match=r"deep\.geojson is not a GeoJSON.*recursion"):
        read_polygons(tmp_path / "deep.geojson", ["Tumor"])
    nothing = geojson(tmp_path / "null.geojson", [None])
    with pytest.raises(MaskError, match="is not a GeoJSON"):
        read_polygons(nothing, ["Tumor"])


@pytest.mark.parametrize("number", [1e8, 1e308, 10**400, float("nan"), float("-inf")])
def test_coordinates_that_are_on_no_slide(tmp_path: Path, number: float) -> None:
    ring = [[0, 0], [10, 0], [number, 10], [0, 0]]
    path = geojson(
        tmp_path / "a.geojson", [feature({"type": "Polygon", "coordinates": [ring]}, "Tumor")]
    )
    with pytest.raises(MaskError, match=r"a\.geojson holds"):
        read_polygons(path, ["Tumor"])


def test_files_too_large_to_be_outlines_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "cells.geojson"
    with path.open("wb") as file:
        file.truncate(LARGEST_GEOJSON + 1)
    with pytest.raises(MaskError, match="larger than 256 MB: export annotations without detect"):
        read_polygons(path, ["Tumor"])


def test_a_byte_order_mark_before_geojson_does_not_matter(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", [feature(square(0, 0, 10, 10), "Tumor")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_polygons(path, ["Tumor"]).coverage(0, 0, 10) == 1


def test_kinds_are_told_by_suffix(tmp_path: Path, label_file: Path) -> None:
    path = geojson(tmp_path / "a.json", [feature(square(0, 0, 10, 10), "Tumor")])
    assert isinstance(open_mask(path, [3], ["Tumor"], (80, 50)), Polygons)
    assert isinstance(open_mask(label_file, [3], ["Tumor"], (80, 50)), LabelImage)
    whole = open_mask(None, [3], ["Tumor"], (80, 50))
    assert isinstance(whole, WholeTissue)
    assert whole.coverage(3, 4, 5) == 1
    assert whole.pixels(3, 4, 5, 6).all()


def test_fill() -> None:
    tile = np.full((4, 4, 3), 90, np.uint8)
    inside = np.eye(4, dtype=bool)
    black = apply_mask(tile, inside, (0, 0, 0))
    assert (black[inside] == 90).all()
    assert (black[~inside] == 0).all()
    assert (apply_mask(tile, inside, (245, 243, 242))[~inside] == (245, 243, 242)).all()
    assert (tile == 90).all()
