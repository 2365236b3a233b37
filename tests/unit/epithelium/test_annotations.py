"""Annotations in the dialects of GeoJSON that people's tools write."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from helpers.annotations import feature, geojson, square
from histohet.epithelium.annotations import read_annotations
from histohet.epithelium.base import MaskError
from histohet.epithelium.polygons import read_polygons
from histohet.slides.files import LARGEST_GEOJSON, is_geojson

OUTLINE = feature(square(0, 0, 10, 10), {"name": "Tumor", "color": [200, 0, 0]})
COLLECTION = {"type": "FeatureCollection", "features": [OUTLINE]}


def zipped(path: Path, members: dict[str, object]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, json.dumps(content))
    return path


def of_class(**properties: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": square(0, 0, 10, 10), "properties": properties}


@pytest.mark.parametrize(
    "document",
    [
        COLLECTION,
        {"features": [OUTLINE]},
        [OUTLINE],
        OUTLINE,
        [of_class(classification="Tumor")],
        [of_class(classification='{"name": "Tumor", "color": [200, 0, 0]}')],
        [of_class(classification={"names": ["Tumor"]})],
        [of_class(classification={"name": "Tumor", "colorRGB": -3670016})],
    ],
)
@pytest.mark.parametrize("kind", ["json", "bom", "utf-16", "gz", "zip"])
def test_dialects(tmp_path: Path, document: object, kind: str) -> None:
    text = json.dumps(document)
    names = {"gz": "a.geojson.gz", "zip": "a.zip"}
    path = tmp_path / names.get(kind, "a.json")
    if kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        zipped(path, {"export/a.geojson": document, "__MACOSX/._a.geojson": "x"})
    else:
        path.write_text(text, encoding={"json": "utf-8", "bom": "utf-8-sig"}.get(kind, kind))
    assert is_geojson(path)
    mask = read_polygons(path, ["Tumor"])
    assert mask.coverage(0, 0, 20) == pytest.approx(0.25)
    assert mask.notes == ()


@pytest.mark.parametrize("spelt", ["tumor", "TUMOR", " Tumor "])
def test_capitals_of_classes_do_not_count_and_are_told(tmp_path: Path, spelt: str) -> None:
    path = geojson(tmp_path / "a.json", [of_class(classification={"name": spelt})])
    mask = read_polygons(path, ["Stroma", "Tumor"])
    assert mask.coverage(0, 0, 10) == 1
    plain = spelt.strip()
    expected = () if plain == "Tumor" else (f"class '{plain}' is taken for 'Tumor'",)
    assert mask.notes == expected


@pytest.mark.parametrize("key", ["label", "class", "Classification", "annotation_type"])
def test_a_class_in_another_property_is_found_and_told(tmp_path: Path, key: str) -> None:
    path = geojson(tmp_path / "a.json", [of_class(**{key: "Tumor", "id": 7, "area": "large"})])
    mask = read_polygons(path, ["Tumor"])
    assert mask.coverage(0, 0, 10) == 1
    assert mask.notes == (
        f"classes are taken from the property '{key}', there is no 'classification'",
    )


def test_classes_in_several_properties_are_refused(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.json", [of_class(label="Tumor"), of_class(group="tumor")])
    with pytest.raises(MaskError, match=r"classes in several properties \(label, group\)"):
        read_annotations(path, ["Tumor"])


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        {},
        [None],
        {"features": None},
        {"features": [7]},
        {"type": "Polygon", "coordinates": []},
    ],
)
def test_other_documents_are_refused_with_the_way_out(tmp_path: Path, document: object) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(MaskError, match=r"a\.json is not GeoJSON .* export annotations as a Geo"):
        read_annotations(path, ["Tumor"])


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    def problem(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MaskError) as caught:
            read_annotations(tmp_path / name, ["Tumor"])
        assert "\n" not in str(caught.value)
        return str(caught.value)

    text = json.dumps(COLLECTION).encode()
    assert "a.json is not GeoJSON: " in problem("a.json", text[:30])
    assert "recursion" in problem("deep.json", b'{"features": ' + b"[" * 20_000)
    assert "is not GeoJSON: " in problem("empty.json", b"")
    packed = gzip.compress(text)
    assert "a.geojson.gz cannot be read: " in problem("a.geojson.gz", packed[:-12])
    assert "cannot be read: Not a gzipped" in problem("b.json.gz", text)
    assert "a.zip cannot be read: File is not a zip" in problem("a.zip", text)


def test_a_zip_holds_one_geojson(tmp_path: Path) -> None:
    for name, members in (("none", {"a.txt": 1}), ("two", {"a.geojson": 1, "b/b.json": 2})):
        path = zipped(tmp_path / f"{name}.zip", members)
        with pytest.raises(MaskError, match=r"holds [02] GeoJSON files, not one"):
            read_annotations(path, ["Tumor"])


def test_a_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(LARGEST_GEOJSON // 2**24 + 1):
            file.write(bytes(2**24))
    assert path.stat().st_size < 2**22
    with pytest.raises(MaskError, match="larger than 256 MB"):
        read_annotations(path, ["Tumor"])


def test_files_too_large_to_be_outlines_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "cells.geojson"
    with path.open("wb") as file:
        file.truncate(LARGEST_GEOJSON + 1)
    with pytest.raises(MaskError, match="larger than 256 MB: export annotations without detect"):
        read_annotations(path, ["Tumor"])
