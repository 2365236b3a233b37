from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from histohet.common.sheets import SheetError
from histohet.slides.sheet import SlideRow, missing_files, read_slide_sheet


def sheet(folder: Path, text: str, name: str = "slides.tsv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


def test_reads_tabs_commas_byte_order_mark_and_any_line_ends(tmp_path: Path) -> None:
    tabs = sheet(tmp_path, "slide\tpath\tmpp\na\ta.svs\t0.5\n")
    commas = sheet(tmp_path, "\ufeffslide,path,mpp\r\na, a.svs ,0.5\r\n", "slides.csv")
    old_mac = sheet(tmp_path, "slide,path,mpp\ra,a.svs,0.5\r", "old.csv")
    for path in (tabs, commas, old_mac):
        row = read_slide_sheet(path).slides["a"]
        assert (row.path, row.mpp, row.patient, row.row) == ("a.svs", "0.5", "a", 2)


def test_empty_cells_are_none_and_empty_rows_are_skipped(tmp_path: Path) -> None:
    text = "slide\tpatient\tpath\tmask\n\na\tp1\ta.svs\t\n\t\t\t\nb\tp1\tb.svs\tb.tif\n"
    slides = read_slide_sheet(sheet(tmp_path, text)).slides
    assert slides["a"].mask is None
    assert slides["b"].mask == "b.tif"
    assert slides["a"].row == 3
    assert slides["b"].row == 5
    assert slides["b"].files == {"path": "b.svs", "mask": "b.tif"}


@pytest.mark.parametrize("nothing", ["NA", "'--", "[Not Available]", "-", "None", "."])
def test_what_stands_for_no_value_is_none(tmp_path: Path, nothing: str) -> None:
    text = f"slide\tpatient\tpath\tmpp\tmask\nNA-1\t{nothing}\ta.svs\t{nothing}\t{nothing}\n"
    row = read_slide_sheet(sheet(tmp_path, text)).slides["NA-1"]
    assert (row.patient, row.mpp, row.mask) == ("NA-1", None, None)
    with pytest.raises(SheetError, match="has no patient, and its id does not match"):
        read_slide_sheet(sheet(tmp_path, text), "^(TCGA-..)")
    with pytest.raises(SheetError, match=r"'NA-1' has no path \(and no features\)"):
        read_slide_sheet(sheet(tmp_path, text.replace("a.svs", nothing)))


def test_features_may_stand_for_a_path(tmp_path: Path) -> None:
    text = "slide\tfeatures\ttiles\ttile_px_level0\na\ta.h5\tp.h5\t512\n"
    row = read_slide_sheet(sheet(tmp_path, text)).slides["a"]
    assert (row.path, row.features, row.tiles, row.tile_px_level0) == (None, "a.h5", "p.h5", "512")
    assert row.files == {"features": "a.h5", "tiles": "p.h5"}
    with pytest.raises(SheetError, match=r"slide 'a' has no path \(and no features\)"):
        read_slide_sheet(sheet(tmp_path, "slide\tpath\tfeatures\na\t\t\n"))


def test_quoted_cells_and_empty_surplus_cells_are_fine(tmp_path: Path) -> None:
    row = read_slide_sheet(sheet(tmp_path, '"slide"\t"path"\n"a"\t"my a.svs"\t\t\n')).slides["a"]
    assert row.path == "my a.svs"


def test_duplicate_ids_keep_the_first_row_and_all_row_numbers(tmp_path: Path) -> None:
    found = read_slide_sheet(sheet(tmp_path, "slide\tpath\na\t1.svs\nb\t2.svs\na\t3.svs\n"))
    assert found.slides["a"].path == "1.svs"
    assert found.duplicates == {"a": (2, 4)}


def test_a_pattern_finds_the_patient_in_the_id_and_the_column_wins(tmp_path: Path) -> None:
    rows = ["TCGA-3M-AB46-01Z-00-DX1\t\ta", "TCGA-3M-AB47-01Z\tother\tb", "x\ty\tc"]
    text = "\n".join(["slide\tpatient\tpath", *rows])
    slides = read_slide_sheet(sheet(tmp_path, text), r"^(TCGA-..-....)").slides
    assert [row.patient for row in slides.values()] == ["TCGA-3M-AB46", "other", "y"]
    without = read_slide_sheet(sheet(tmp_path, text)).slides
    assert [row.patient for row in without.values()] == ["TCGA-3M-AB46-01Z-00-DX1", "other", "y"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "^(TCGA-..-....)",
            r"row 3: slide 'b1' has no patient, and its id does not match patient_pattern '\^",
        ),
        ("^()TCGA|b1", "row 2: slide 'TCGA-3M-AB46' has no patient.*row 3"),
        ("^TCGA", "needs one group, in .*it has 0"),
        ("(a)(b)", "it has 2"),
        ("(", "no regular expression"),
        ("TCGA()|(b1)", "it has 2"),
        ("^(x?)", "row 2: slide 'TCGA-3M-AB46' has no patient"),
    ],
)
def test_a_pattern_that_finds_no_patient_is_an_error(
    tmp_path: Path, pattern: str, message: str
) -> None:
    path = sheet(tmp_path, "slide\tpath\nTCGA-3M-AB46\ta\nb1\tb\n")
    with pytest.raises(SheetError, match=message):
        read_slide_sheet(path, pattern)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("~/slides/a.svs", "does not exist: ~ is not expanded, write the whole path"),
        ("$HOME/a.svs", "does not exist: variables are not expanded, write the whole path"),
        ("${DATA}/a.svs", "does not exist: variables are not expanded, write the whole path"),
        ("file:///slides/a.svs", "does not exist: it is an address, and a path is needed: copy"),
        ("s3://bucket/a.svs", "does not exist: it is an address"),
        ("C:\\slides\\a.svs", "does not exist: folders are separated by / here"),
        ("absent/a.svs", "does not exist"),
    ],
)
def test_what_a_path_is_not_is_said(path: str, problem: str) -> None:
    found = missing_files([SlideRow(2, "a", "a", path)])[path]
    assert found.startswith(problem)
    assert "absent" not in path or found == problem


def test_a_name_that_is_spelt_otherwise_is_said(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    (tmp_path / apart).mkdir()
    (tmp_path / apart / "HE.SVS").touch()

    def problem(*parts: str) -> str:
        path = str(tmp_path.joinpath(*parts))
        return missing_files([SlideRow(2, "a", "a", path)]).get(path, "")

    assert problem(apart, "HE.SVS") == ""
    assert "letters are composed otherwise (Unicode" in problem(composed, "HE.SVS")
    assert problem(apart, "HE.svs") == f"does not exist; there is {tmp_path / apart / 'HE.SVS'}"
    assert problem(composed, "absent.svs") == "does not exist"
    (tmp_path / apart / "he.svs").touch()
    assert problem(apart, "HE.svs") == "does not exist"


def test_a_tilde_or_a_dollar_in_the_name_of_a_file_is_no_matter(tmp_path: Path) -> None:
    for name in ("~a.svs", "$a.svs", "a\\b.svs"):
        (tmp_path / name).touch()
        assert missing_files([SlideRow(2, "a", "a", str(tmp_path / name))]) == {}


@pytest.mark.parametrize(
    ("n", "ends"), [(20, "must be .* a letter or digit$"), (500, "; and 480 more$")]
)
def test_a_mistake_of_all_rows_is_a_message_that_can_be_read(
    tmp_path: Path, n: int, ends: str
) -> None:
    path = tmp_path / "slides.tsv"
    path.write_text("slide\tpath\n" + "".join(f"s {i}\t{i}.svs\n" for i in range(n)))
    with pytest.raises(SheetError, match=ends) as raised:
        read_slide_sheet(path)
    assert str(raised.value).count("must be letters") == 20
