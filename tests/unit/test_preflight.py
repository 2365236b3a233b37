from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import shapely

from helpers.annotations import feature, geojson, square
from helpers.featurefiles import write_clam, write_trident
from helpers.slidefiles import gradient, write_aperio, write_plain, write_tiff
from histohet.clinical.problems import PROBLEM_COLUMNS
from histohet.clinical.table import ClinicalTable
from histohet.common.arrays import Float32
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.epithelium.base import MaskRules
from histohet.preflight import (
    INCOMPARABLE,
    MeasuredMask,
    Outlook,
    Problem,
    check_companions,
    check_slide,
    disagreeing_features,
    foresee,
    list_problems,
    qupath_bounds,
    read_outlooks,
    refuse_disagreeing,
    slide_table,
)
from histohet.slides.reader import SlideInfo
from histohet.slides.record import SlideRecord, read_record, write_record
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow, missing_files, read_slide_sheet
from histohet.tiles.file import TileTable, lay_tiles, no_tiles
from histohet.tiles.settings import TileSpec

SETTINGS = {"tiles": TileSpec(), "scale": ScaleSettings()}


def check(row: SlideRow, **more: object) -> SlideRecord:
    problems = row.problems_of_files(missing_files([row]))
    return check_slide(row, **(SETTINGS | {"problems_of_files": problems} | more))


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


def problems_of(path: Path, patients: set[str] | None) -> list[Problem]:
    sheet = read_slide_sheet(path)
    records = [
        check(row, duplicate_rows=sheet.duplicates.get(slide, ()))
        for slide, row in sheet.slides.items()
    ]
    outlooks = [Outlook(one, "" if one.outcome.ok else "refused") for one in records]
    clinical = None
    if patients is not None:
        nothing = pd.DataFrame(columns=list(PROBLEM_COLUMNS))
        clinical = ClinicalTable(pd.DataFrame({"patient": sorted(patients)}), nothing)
    return list_problems(outlooks, sheet, "slides.tsv", clinical)


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


def test_problems_of_clinical_tables_are_those_of_the_patients_and_of_whole_tables(
    tmp_path: Path,
) -> None:
    path = write_plain(tmp_path / "a.png", gradient(30, 20))
    (tmp_path / "slides.tsv").write_text(f"slide\tpatient\tpath\tmpp\na\tp1\t{path}\t0.5\n")
    found = [
        ("c.tsv", 1, "", "", "", "one table alone", "used as they are"),
        ("c.tsv", 1, "", "stage", "", "levels are 'I' (2)", "used as they are"),
        ("c.tsv", 2, "p1", "OS", "", "time missing", "left out of OS"),
        ("c.tsv", 3, "p2", "OS", "x", "not a number", "left out of OS"),
    ]
    sheet = read_slide_sheet(tmp_path / "slides.tsv")
    frame = pd.DataFrame({"patient": ["p1", "p2"]})
    clinical = ClinicalTable(frame, pd.DataFrame(found, columns=list(PROBLEM_COLUMNS)))
    outlooks = [Outlook(check(row)) for row in sheet.slides.values()]
    listed = list_problems(outlooks, sheet, "slides.tsv", clinical)
    assert [one.problem for one in listed if one.sheet == "c.tsv"] == [
        "one table alone",
        "stage: levels are 'I' (2)",
        "OS '': time missing",
    ]


@pytest.mark.parametrize("mpp", ["0_5", "０.5", "inf", "1e400", "0.5 µm", "1.7e38"])
def test_an_mpp_that_only_python_takes_for_a_number_is_refused(tmp_path: Path, mpp: str) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    reason = check(SlideRow(2, "a", "p", str(path), mpp=mpp)).reason
    assert f"mpp '{mpp}' in the sheet is not a positive number" in reason


def test_refusals_and_conflicts_are_listed_with_their_rows(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(300, 200), 0.5, 20)
    others = [write_aperio(tmp_path / f"{n}.svs", gradient(300, n), 0.5, 20) for n in (210, 220)]
    text = f"slide\tpath\tmpp\na\t{path}\t0.5\nb\t{others[0]}\t0.25\nc\t{others[1]}\t0,5\n"
    (tmp_path / "slides.tsv").write_text(text)
    found = problems_of(tmp_path / "slides.tsv", None)
    assert [(p.row, p.subject) for p in found] == [(3, "b"), (4, "c")]
    assert found[0].consequence == "0.5 µm per pixel are used (file)"
    assert "mpp '0,5' in the sheet is not a positive number" in found[1].problem
    assert found[1].consequence == "refused"


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


def test_what_is_unusual_about_features_is_a_problem_but_no_refusal(tmp_path: Path) -> None:
    twice = np.concatenate([GRID, GRID[:1]])
    clam, patches = write_clam(tmp_path, "c", np.ones((13, 3)), twice, patch_size=224)
    text = f"slide\tmpp\tfeatures\ttiles\na\t0.5\t{clam}\t{patches}\n"
    (tmp_path / "slides.tsv").write_text(text)
    found = problems_of(tmp_path / "slides.tsv", None)
    assert [(p.row, p.subject, p.consequence) for p in found] == [(2, "a", "used all the same")]
    assert found[0].problem.startswith("1 of 13 tiles stand twice")


def record_of(slide: str, encoder: str | None = None, width: int | None = None) -> SlideRecord:
    imported = None if width is None else "TRIDENT"
    return SlideRecord(slide, None, imported=imported, encoder=encoder, feature_width=width)


def test_features_of_one_encoder_agree_however_it_is_spelt() -> None:
    same = [
        record_of("a", "uni_v2", 1536),
        record_of("b", "mahmood-uni2", 1536),
        record_of("c", None, 1536),
        record_of("d"),
        SlideRecord("e", None, imported="STAMP"),
    ]
    assert disagreeing_features(same, "uni2h", 1536) == {}
    assert disagreeing_features(same, "uni2h", None) == {}
    assert disagreeing_features(same[:3], "stain_texture", 97) == {}
    assert disagreeing_features([], "x", 3) == {}


def test_the_slides_whose_features_are_others_are_named() -> None:
    many = [record_of(f"u{i}", "uni_v2", 1536) for i in range(3)]
    odd = record_of("v", "virchow2", 1280)
    found = disagreeing_features([odd, *many], "x", None)
    assert found == {
        "v": "features are of virchow2 with 1280 numbers per tile, those of 3 other slides of "
        "uni_v2 with 1536 numbers per tile: one cohort needs features of one encoder"
    }
    # Slides that are encoded here are the measure of the others, however many these are.
    assert set(disagreeing_features([*many, record_of("b")], "uni", 1024)) == {"u0", "u1", "u2"}
    assert set(disagreeing_features([*many, record_of("b")], "uni", None)) == {"u0", "u1", "u2"}
    unnamed = [record_of("a", None, 1024), record_of("b", None, 1000)]
    assert set(disagreeing_features(unnamed, "x", 1)) == {"b"}
    refused = SlideRecord("r", None, "a", status="refused", reason="no", encoder="z")
    assert disagreeing_features([refused, record_of("b")], "uni", None) == {}
    outlooks = refuse_disagreeing([Outlook(odd), Outlook(many[0])], found)
    assert [one.record.status for one in outlooks] == ["refused", "ok"]
    assert [one.consequence for one in outlooks] == [INCOMPARABLE, ""]


SIZE = (2000, 2000)
SQUARE = shapely.box(0, 0, 2000, 2000)


def tiles_on(*pieces: shapely.Polygon) -> TileTable:
    return lay_tiles("a", TileSpec(), 0.5, SIZE, list(pieces), "tiles")


def foreseen(
    tiles: TileTable,
    coverage: Float32 | None = None,
    *,
    opened: SlideRecord | None = None,
    beside: SlideRecord | None = None,
    tissue: Outcome = OK,
    mask: Outcome = OK,
    on_tissue: float | None = 1.0,
    by_stain: bool = False,
) -> Outlook:
    record = opened or SlideRecord("a", "a.svs", mpp=0.5, width=2000, height=2000)
    return foresee(
        record,
        beside or record,
        tissue,
        tiles,
        None if coverage is None else MeasuredMask(coverage, mask, on_tissue),
        min_tiles=20,
        min_coverage=0.25,
        by_stain=by_stain,
    )


def test_what_becomes_of_a_slide_is_foreseen_from_its_tiles() -> None:
    sound = foreseen(tiles_on(SQUARE))
    assert (sound.record.status, sound.consequence, sound.n_tissue_tiles) == ("ok", "", 64)
    small = foreseen(tiles_on(shapely.box(0, 0, 900, 900)))
    assert small.record.status == "too_few_tiles"
    assert small.record.reason == (
        "16 tiles on tissue, at least 20 are needed (clustering.min_tiles)"
    )
    assert small.consequence == "no result"
    lost = Outcome(Status.NO_TISSUE, "no piece of tissue is large enough: …")
    nothing = foreseen(no_tiles("a", lost), tissue=lost)
    assert (nothing.record.outcome, nothing.consequence) == (lost, "no result")
    stained = foreseen(tiles_on(SQUARE), by_stain=True)
    assert stained.record.outcome.ok
    assert stained.consequence == "used if 20 of its 64 tiles are epithelium by the stain"
    pink = foreseen(tiles_on(SQUARE), tissue=Outcome(Status.OK, "98% is taken for tissue"))
    assert (pink.record.status, pink.record.notes) == ("ok", "98% is taken for tissue")


def test_what_becomes_of_a_slide_is_foreseen_from_its_mask() -> None:
    tiles = tiles_on(SQUARE)
    n_tiles = len(tiles.coords)
    half, few = np.float32([0.25, 0.3] * (n_tiles // 2)), np.float32([0.9] * 8 + [0.1] * 56)
    masked = foreseen(tiles, half, by_stain=True)
    assert (masked.record.status, masked.consequence) == ("ok", "")
    foretold = foreseen(tiles, few)
    assert foretold.record.status == "too_few_tiles"
    assert foretold.record.reason.startswith("8 tiles are more than 25% epithelium, at least 20")
    assert foretold.consequence == "no result where it is used"
    none = foreseen(tiles, np.zeros(n_tiles, np.float32))
    assert none.record.status == "no_epithelium"
    shifted = Outcome(Status.REFUSED, "only 30% of …")
    refused = foreseen(tiles, np.zeros(n_tiles, np.float32), mask=shifted, on_tissue=None)
    assert (refused.record.outcome, refused.consequence) == (shifted, "refused where it is used")


def test_the_share_of_a_mask_on_tissue_is_listed_below_nine_tenths() -> None:
    tiles = tiles_on(SQUARE)
    for share, note in ((0.9, ""), (0.62, "62% of the epithelium of the mask lies on tissue")):
        found = foreseen(tiles, np.ones(len(tiles.coords), np.float32), on_tissue=share)
        assert (found.mask_on_tissue, found.record.notes) == (share, note)


def test_what_is_refused_before_stays_refused() -> None:
    bad = SlideRecord("a", "a.svs", status="refused", reason="a.svs is empty")
    found = foreseen(no_tiles("a", bad.outcome), opened=bad)
    assert (found.record.reason, found.consequence) == ("a.svs is empty", "refused")
    beside = SlideRecord("a", "a.svs", mpp=0.5, status="refused", reason="attention: …")
    beside_bad = foreseen(tiles_on(SQUARE), beside=beside)
    assert beside_bad.consequence == "refused where it is used"


def test_all_that_is_wrong_is_told_once() -> None:
    tiles = tiles_on(SQUARE)
    nothing = np.zeros(len(tiles.coords), np.float32)
    mask_bad = Outcome(Status.REFUSED, "mask m.tif is too coarse")
    both = SlideRecord("a", "a.svs", mpp=0.5, status="refused", reason=f"{mask_bad.reason}; traits")
    found = foreseen(tiles, nothing, beside=both, mask=mask_bad)
    assert found.record.reason == "mask m.tif is too coarse; traits"
    traits = replace(both, reason="traits: …")
    found = foreseen(tiles, nothing, beside=traits, mask=mask_bad)
    assert found.record.reason == "traits: …; mask m.tif is too coarse"
    few = foreseen(tiles_on(shapely.box(0, 0, 900, 900)), nothing[:16], beside=traits)
    assert few.record.reason.endswith("needed (clustering.min_tiles); traits: …")
    assert (few.record.status, few.consequence) == ("too_few_tiles", "no result")


def test_outlooks_are_read_from_their_table(tmp_path: Path) -> None:
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.svs\nb\tb.svs\n")
    sheet = read_slide_sheet(tmp_path / "slides.tsv")
    outlooks = [
        foreseen(tiles_on(SQUARE), np.ones(64, np.float32), on_tissue=0.7),
        Outlook(SlideRecord("b", "b.svs", status="refused", reason="no"), "refused"),
    ]
    write_tsv(tmp_path / "t.tsv", slide_table(outlooks, sheet), Provenance())
    assert read_outlooks(read_tsv(tmp_path / "t.tsv")) == outlooks


ATTENTION = "x_coord,y_coord,attention_value\n"


RULES = MaskRules([3, 12], ["Tumor"])


def beside(files: dict[str, str], size: tuple[int, int] | None = (800, 600)) -> SlideRecord:
    width, height = size or (None, None)
    record = SlideRecord("a", None, mpp=1.0, width=width, height=height)
    return check_companions(record, files, TileSpec(tile_um=100, tile_px=100), RULES)


def problem_beside(files: dict[str, str], size: tuple[int, int] | None = (800, 600)) -> str | None:
    return beside(files, size).reason or None


def problem_of(tmp_path: Path, **contents: str) -> str | None:
    files = {}
    for column, text in contents.items():
        files[column] = str(tmp_path / f"{column}.csv")
        Path(files[column]).write_text(text)
    return problem_beside(files)


def mask_problem(path: Path) -> str | None:
    return problem_beside({"mask": str(path)})


def test_sound_files_are_no_problem(tmp_path: Path) -> None:
    assert problem_of(tmp_path) is None
    assert (
        problem_of(
            tmp_path,
            attention=ATTENTION + "0,0,0.1\n799,599,0.2\n",
            traits="x,y,A\n0,0,1\n",
        )
        is None
    )


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    problem = problem_of(
        tmp_path,
        attention=ATTENTION + "0,0,0.1\n800,0,0.2\n",
        traits="x,y,A\n0,0,2\n",
    )
    assert problem is not None
    attention, traits = problem.split("; ", 1)
    assert attention.startswith("attention: ")
    assert "1 of 2 tiles lie outside the slide of 800 × 600 px, the first at (800, 0)" in attention
    assert traits.startswith("traits: ")


def test_without_a_slide_only_negative_places_are_outside(tmp_path: Path) -> None:
    def problem(place: str) -> str | None:
        path = tmp_path / "attention.csv"
        path.write_text(f"{ATTENTION}{place},0.1\n")
        return problem_beside({"attention": str(path)}, None)

    assert problem("900000,0") is None
    assert "outside the slide, the first at (-1, 0)" in (problem("-1,0") or "")


@pytest.mark.parametrize(("side", "fits"), [(8, True), (7, False)])
def test_a_pixel_of_a_mask_is_no_larger_than_a_tile(tmp_path: Path, side: int, fits: bool) -> None:
    mask = write_plain(tmp_path / "a.tif", np.zeros((side * 6 // 8, side), np.uint8))
    problem = mask_problem(mask)
    assert problem is None if fits else "114 px of the slide, a tile 100" in (problem or "")


def test_outlines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("no GeoJSON")
    assert "is not GeoJSON: " in (mask_problem(tmp_path / "a.geojson") or "")
    other = geojson(tmp_path / "b.geojson", [feature(square(0, 0, 9, 9), "Stroma")])
    assert "it has: Stroma" in (mask_problem(other) or "")
    spelt = geojson(tmp_path / "c.geojson", [feature(square(0, 0, 9, 9), "tumor")])
    found = beside({"mask": str(spelt)})
    assert (found.status, found.notes) == (
        "ok",
        f"mask {spelt}: class 'tumor' is taken for 'Tumor'",
    )
