from __future__ import annotations

from pathlib import Path

import pytest

from histohet.preflight import (
    Problem,
    SlideRecord,
    check_slide,
    list_problems,
    qupath_offset,
)
from histohet.sheets import SlideRow, read_slide_sheet
from histohet.slides import SlideInfo
from histohet.tiles import TileSpec
from slidefiles import gradient, write_aperio, write_plain

SETTINGS = {"tiles": TileSpec(), "mpp_tolerance": 0.1, "prefer_mpp": "file"}


def check(row: SlideRow, **more: object) -> SlideRecord:
    return check_slide(row, **(SETTINGS | more))


def test_sound_slide(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    record = check(SlideRow(2, "a", "p", str(path)))
    assert record.outcome.ok
    assert (record.format, record.width, record.height, record.mpp) == ("aperio", 300, 200, 0.5)
    assert (record.mpp_source, record.objective_power, record.conflicts) == ("file", 20.0, "")
    assert (record.size, record.bounds_offset) == ((300, 200), (0, 0))
    assert SlideRecord.from_dict(record.as_dict()) == record


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
    def offset(*bounds: int) -> tuple[int, int]:
        return qupath_offset(SlideInfo("mirax", ((1000, 1000),), 0.5, 0.5, 20, bounds))

    assert offset(60, 40, 500, 600) == (60, 40)
    assert offset(60, 40, 1000, 600) == (0, 0)
    assert offset(0, 0, 1000, 1000) == (0, 0)


def problems_of(path: Path, patients: set[str] | None) -> list[Problem]:
    sheet = read_slide_sheet(path)
    records = [
        check(row, duplicate_rows=sheet.duplicates.get(slide, ()))
        for slide, row in sheet.slides.items()
    ]
    return list_problems(records, sheet, "slides.tsv", patients)


def test_problems_of_the_sheet(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(
        f"slide\tpatient\tpath\na\tp1\t{path}\nb\tp2\t{tmp_path / 'b.svs'}\na\tp1\t{path}\n"
    )
    problems = problems_of(sheet, {"p1"})
    assert [(p.subject, p.row) for p in problems] == [("a", 4), ("b", 3), ("b", 3)]
    assert "rows 2, 4" in problems[0].problem
    assert "does not exist" in problems[1].problem
    assert "no usable row in the clinical table" in problems[2].problem
    assert problems_of(sheet, None)[-1].problem.endswith("not exist")


def test_refusals_and_conflicts_are_listed_with_their_rows(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    text = f"slide\tpath\tmpp\na\t{path}\t0.5\nb\t{path}\t0.25\nc\t{path}\t0,5\n"
    (tmp_path / "slides.tsv").write_text(text)
    found = problems_of(tmp_path / "slides.tsv", None)
    assert [(p.row, p.subject) for p in found] == [(3, "b"), (4, "c")]
    assert found[0].consequence == "0.5 µm per pixel are used (file)"
    assert "mpp '0,5' in the sheet is not a positive number" in found[1].problem
    assert found[1].consequence == "refused"


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
