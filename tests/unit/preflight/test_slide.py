from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from helpers.featurefiles import write_clam, write_trident
from helpers.slidechecks import check
from helpers.slidefiles import gradient, write_aperio, write_plain, write_tiff
from histohet.slides.frame import Frame
from histohet.slides.reader import SlideInfo
from histohet.slides.record import SlideRecord, read_record, write_record
from histohet.slides.region import qupath_bounds
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow


def test_sound_slide(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    record = check(SlideRow(2, "a", "p", str(path)))
    assert record.outcome.ok
    assert (record.format, record.width, record.height, record.mpp) == ("aperio", 300, 200, 0.5)
    assert (record.mpp_source, record.objective_power, record.conflicts) == ("file", 20.0, "")
    assert (record.size, record.bounds_offset) == ((300, 200), (0, 0))
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json") == record


def test_scale_from_the_sheet(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    assert check(SlideRow(2, "a", "p", str(path), mpp="0.25")).mpp_source == "sheet"
    silent = check(SlideRow(2, "a", "p", str(path)))
    assert silent.status == "refused"
    assert "give `mpp` in the slide sheet" in silent.reason


@pytest.mark.parametrize("mpp", ["0,25", "0", "-1", "nan", "inf", "wide"])
def test_unusable_mpp_in_the_sheet_is_refused(tmp_path: Path, mpp: str) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    record = check(SlideRow(2, "a", "p", str(path), mpp=mpp))
    assert record.status == "refused"
    assert mpp in record.reason


@pytest.mark.parametrize(("mpp", "taken"), [("0.5", True), ("0.55", True), ("0.56", False)])
def test_too_coarse_a_slide_is_refused(tmp_path: Path, mpp: str, taken: bool) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    record = check(SlideRow(2, "a", "p", str(path), mpp=mpp))
    assert record.outcome.ok is taken
    assert taken or "too coarse" in record.reason


def test_a_refusal_names_the_conflict_that_it_knows(tmp_path: Path) -> None:
    """A print size of 300 dpi, or pixels per cm that are called per inch."""
    for dpi, mpp in ((300.0, "84.67"), (20000.0, "1.27")):
        tags = [{282: dpi, 283: dpi, 296: 2}]
        path = write_tiff(tmp_path / "a.tif", gradient(300, 200), tags=tags)
        row = SlideRow(2, "a", "p", str(path), mpp="0.5")
        refused = check(row)
        assert refused.status == "refused"
        assert f"{mpp} µm per pixel" in refused.reason
        assert "in the file and 0.5 in the sheet; the file counts" in refused.reason
        assert "scale.prefer; set it to sheet if the file is wrong" in refused.reason
        believed = check(row, scale=ScaleSettings(prefer="sheet"))
        assert (believed.outcome.ok, believed.mpp) == (True, 0.5)


def test_what_is_left_out_of_a_slide_is_listed(tmp_path: Path) -> None:
    pages = [gradient(300, 200), gradient(150, 100), gradient(100, 90)]
    path = write_tiff(tmp_path / "a.tif", *pages)
    record = check(SlideRow(2, "a", "p", str(path), mpp="0.5"))
    assert (record.outcome.ok, record.levels) == (True, 2)
    assert record.notes.startswith("level 2 (100 × 90 px) is left out")


def test_missing_files_are_refused_by_column(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    absent = check(SlideRow(2, "a", "p", str(tmp_path / "b.svs")))
    assert absent.reason == f"path: {tmp_path / 'b.svs'} does not exist"
    no_mask = check(SlideRow(2, "a", "p", str(path), mpp="0.5", mask=str(tmp_path / "m.tif")))
    assert no_mask.reason.startswith("mask: ")
    folder = check(SlideRow(2, "a", "p", str(tmp_path)))
    assert "is not a file" in folder.reason


def test_duplicate_ids_are_refused_without_opening_the_slide() -> None:
    record = check(SlideRow(2, "a", "p", "absent.svs"), duplicate_rows=(2, 5))
    assert record.status == "refused"
    assert "rows 2, 5" in record.reason
    with pytest.raises(ValueError, match="'a' has no known size"):
        record.size  # noqa: B018


def test_qupath_crops_to_bounds_only_if_both_sides_are_smaller() -> None:
    def shown(*bounds: int) -> tuple[int, int, int, int]:
        return qupath_bounds(SlideInfo("mirax", ((1000, 1000),), 0.5, 0.5, 20, bounds))

    assert shown(60, 40, 500, 600) == (60, 40, 500, 600)
    assert shown(60, 40, 1000, 600) == (0, 0, 1000, 1000)
    assert shown(0, 0, 1000, 1000) == (0, 0, 1000, 1000)


@pytest.mark.parametrize("mpp", ["0_5", "０.5", "inf", "1e400", "0.5 µm", "1.7e38"])
def test_an_mpp_that_only_python_takes_for_a_number_is_refused(tmp_path: Path, mpp: str) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    reason = check(SlideRow(2, "a", "p", str(path), mpp=mpp)).reason
    assert f"mpp '{mpp}' in the sheet is not a positive number" in reason


def test_a_path_that_no_file_can_have_is_refused() -> None:
    name = "x" * 300
    reason = check(SlideRow(2, "a", "p", name)).reason
    assert reason == f"path: {name} cannot be opened: File name too long"


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    reason = check(SlideRow(2, "a", "p", "no.svs", mask="no.tif")).reason
    assert reason == "path: no.svs does not exist; mask: no.tif does not exist"


@pytest.mark.real
def test_real_slides(real_data: Path) -> None:
    cmu = check(SlideRow(2, "cmu", "p", str(real_data / "slides" / "CMU-1-Small-Region.svs")))
    assert cmu.outcome.ok
    assert cmu.conflicts == ""
    dicom = check(SlideRow(2, "c", "p", str(real_data / "slides" / "camelyon_jpeg.dcm")))
    assert dicom.status == "refused"
    assert "28.97 µm per pixel" in dicom.reason


GRID = np.array([[x * 224, y * 224] for y in range(3) for x in range(4)])


def trident(path: Path, width: int = 3, **more: Any) -> str:
    shape = {"side_px": 224, "patch_size": 224, "magnification": 20, "size": (1000, 800)}
    vectors = np.ones((len(GRID), width), np.float32)
    return str(write_trident(path, vectors, GRID, **(shape | more)))


def imported(features: str | Path, **more: Any) -> SlideRecord:
    cells = {"path": None, "mpp": "0.5"} | more
    return check(SlideRow(2, "a", "p", features=str(features), **cells))


def test_finished_features_need_no_slide(tmp_path: Path) -> None:
    record = imported(trident(tmp_path / "a.h5"))
    assert (record.status, record.reason) == ("ok", "")
    assert (record.imported, record.encoder, record.feature_width) == ("TRIDENT", "uni_v2", 3)
    assert (record.mpp, record.mpp_source, record.width, record.path) == (0.5, "sheet", None, None)
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json") == record


def test_finished_features_are_checked_against_their_slide(tmp_path: Path) -> None:
    slide = str(write_aperio(tmp_path / "a.svs", gradient(1000, 800), 0.5, 20))
    fitting = imported(trident(tmp_path / "a.h5"), path=slide, mpp=None)
    assert (fitting.status, fitting.mpp_source) == ("ok", "file")
    assert (fitting.size, fitting.imported) == ((1000, 800), "TRIDENT")
    other = imported(trident(tmp_path / "b.h5", size=(1000, 801)), path=slide, mpp=None)
    assert other.status == "refused"
    assert "from a slide of 1000 × 801 px, this one has 1000 × 800" in other.reason
    small = str(write_aperio(tmp_path / "s.svs", gradient(500, 500), 0.5, 20))
    clam, patches = write_clam(tmp_path, "c", np.ones((12, 3)), GRID, patch_size=224)
    outside = imported(clam, tiles=str(patches), path=small, mpp=None)
    assert "3 of 12 tiles lie outside the slide of 500 × 500 px" in outside.reason


def test_scale_of_finished_features(tmp_path: Path) -> None:
    path = trident(tmp_path / "a.h5")
    assert "give `mpp` in the slide sheet" in imported(path, mpp=None).reason
    assert "20x for the tool that made it" in imported(path, mpp="0.25").reason
    assert "128.8 µm wide" in imported(path, mpp="0.575").reason
    with h5py.File(path, "a") as file:
        file["coords"].attrs["mpp"] = 0.5
    own = imported(path, mpp=None)
    assert (own.status, own.mpp, own.mpp_source) == ("ok", 0.5, "features")
    assert imported(path, mpp="0.51").mpp == 0.51
    assert "mpp is 0.54 in the sheet and 0.5 in the features" in imported(path, mpp="0.54").reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"features": None, "tiles": "__file__"}, "belong to features, and there are none"),
        ({"features": None, "tile_px_level0": "224"}, "belong to features, and there are none"),
        ({"tile_px_level0": "wide"}, "tile_px_level0 'wide'"),
        ({"tile_px_level0": "448"}, "224 px in the feature file, 448 px in the sheet"),
        ({"mask": "__file__"}, "give its path too"),
        ({"features": "absent.h5"}, "features: absent.h5 does not exist"),
        ({"tiles": "__file__"}, "nothing says how large the tiles are"),
    ],
)
def test_rows_that_contradict_themselves(
    tmp_path: Path, cells: dict[str, str | None], reason: str
) -> None:
    clam, _ = write_clam(tmp_path, "c", np.ones((12, 3)), GRID)
    slide = str(write_plain(tmp_path / "a.png", gradient(30, 20)))
    cells = {k: str(clam) if v == "__file__" else v for k, v in cells.items()}
    row = {"features": trident(tmp_path / "a.h5"), "path": None, "mpp": "0.5"} | cells
    if row["features"] is None:
        row["path"] = slide
    record = check(SlideRow(2, "a", "p", **row))
    assert record.status == "refused"
    assert reason in record.reason


def test_a_region_is_the_slide_and_knows_its_file(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(3000, 2000), 0.5, 20)
    row = SlideRow(2, "a", "p", str(path), region="320,640,1200,900", core_diameter_um="500")
    record = check(row)
    assert record.outcome.ok
    assert record.size == (1200, 900)
    assert record.region == Frame(320, 640, 1200, 900)
    assert record.core_diameter_um == 500
    # QuPath opens the file: what is exported to it is moved there.
    assert record.bounds_offset == (-320, -640)
    whole = Frame(-320, -640, 3000, 2000)
    assert record.frames == {
        "plane": whole,
        "bounds": whole,
        "region": Frame(0, 0, 1200, 900),
    }
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json") == record
    assert check(SlideRow(2, "a", "p", str(path))).region is None


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"region": "1,2,3"}, "region '1,2,3' is not x,y,width,height: four whole numbers"),
        ({"region": "0,0,0,9"}, "has no area"),
        ({"region": "9000,0,99,99"}, "the region 9000,0,99,99 lies outside"),
        ({"core_diameter_um": "1.2"}, "core_diameter_um '1.2' in the sheet is no diameter"),
        ({"core_diameter_um": "wide"}, "core_diameter_um 'wide' in the sheet is no diameter"),
        ({"core_diameter_um": "600"}, "more than 2 times the 150 µm of the slide at 0.5 µm"),
    ],
)
def test_regions_and_cores_that_cannot_be_are_refused(
    tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    record = check(SlideRow(2, "a", "p", str(path), **cells))
    assert record.status == "refused"
    assert reason in record.reason


@pytest.mark.parametrize("column", ["region", "core_diameter_um"])
def test_a_region_of_no_file_is_refused(tmp_path: Path, column: str) -> None:
    features = write_trident(tmp_path / "a.h5", np.zeros((1, 4)), np.zeros((1, 2), np.int64))
    row = SlideRow(2, "a", "p", None, features=str(features), **{column: "1,2,300,400"})
    assert f"{column} in the sheet belongs to a path" in check(row).reason
