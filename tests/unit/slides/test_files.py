from __future__ import annotations

from pathlib import Path

import pytest

from histohet.slides.files import MOST_OF_A_SERIES, files_of, is_geojson


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, slide: str) -> list[str]:
    return [str(file.relative_to(folder)) for file in files_of(folder / slide)]


def test_most_slides_are_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.svs", "a.svs.txt", "a/b.dat", "b.svs")
    assert names(tmp_path, "a.svs") == ["a.svs"]
    assert names(tmp_path, "absent.svs") == ["absent.svs"]


def test_an_index_comes_with_what_it_stands_for(tmp_path: Path) -> None:
    touch(tmp_path, "a.mrxs", "a/Slidedat.ini", "a/deep/Data0.dat", "b.mrxs")
    assert names(tmp_path, "a.mrxs") == ["a.mrxs", "a/Slidedat.ini", "a/deep/Data0.dat"]
    assert names(tmp_path, "b.mrxs") == ["b.mrxs"]
    touch(tmp_path, "c [1].VMS", "c [1](0,1).jpg", "c [1]_map2.jpg", "c 1.jpg")
    assert names(tmp_path, "c [1].VMS") == ["c [1].VMS", "c [1](0,1).jpg", "c [1]_map2.jpg"]


def test_a_dicom_series_has_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "1.dcm", "2.DCM", "notes.txt")
    assert names(tmp_path, "2.DCM") == ["2.DCM", "1.dcm"]
    touch(tmp_path, *(f"other_{n}.dcm" for n in range(MOST_OF_A_SERIES)))
    assert names(tmp_path, "2.DCM") == ["2.DCM"]
    with pytest.raises(OSError, match="absent"):
        files_of(tmp_path / "absent" / "1.dcm")


@pytest.mark.parametrize(
    ("name", "polygons"),
    [
        ("a.geojson", True),
        ("a.JSON", True),
        ("a.geojson.gz", True),
        ("a.json.GZ", True),
        ("a.zip", True),
        ("a.tif", False),
        ("a.tif.gz", False),
        ("a.xml", False),
        ("a", False),
    ],
)
def test_polygons_are_told_by_their_suffix(name: str, polygons: bool) -> None:
    assert is_geojson(f"folder.json/{name}") is polygons
