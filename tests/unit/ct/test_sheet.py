"""The sheet of scans: rows, masks of several readers, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from histohet.common.sheets import SheetError
from histohet.ct.sheet import MaskRow, ScanRow, read_scan_sheet


def sheet(folder: Path, *lines: str) -> Path:
    path = folder / "scans.tsv"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n")
    return path


def test_a_scan_is_a_patient_of_its_own_unless_the_sheet_says(tmp_path: Path) -> None:
    found = read_scan_sheet(sheet(tmp_path, "scan ct mask", "a a.nii m.nii", "b b.nii n.nii"))
    assert found["a"] == ScanRow(2, "a", "a", "a.nii", (MaskRow("m.nii"),))
    assert found["a"].files == {"ct": "a.nii", "mask": "m.nii"}


def test_rows_of_a_scan_are_its_readers_and_the_first_counts(tmp_path: Path) -> None:
    found = read_scan_sheet(
        sheet(
            tmp_path,
            "scan patient ct mask reader label scan_day phase",
            "a p a.nii m.nii one 6 -12 portal",
            "a  a.nii n.nii two 2,1",
        )
    )
    (row,) = found.values()
    assert (row.patient, row.scan_day, row.phase) == ("p", -12.0, "portal")
    assert row.masks == (MaskRow("m.nii", (6,), "one"), MaskRow("n.nii", (1, 2), "two"))
    assert row.files == {"ct": "a.nii", "mask one": "m.nii", "mask two": "n.nii"}


def test_a_scan_may_have_no_mask_yet(tmp_path: Path) -> None:
    found = read_scan_sheet(sheet(tmp_path, "scan ct mask label", "a a.nii", "b b.nii NA"))
    assert [row.masks for row in found.values()] == [(), ()]
    assert found["a"].files == {"ct": "a.nii"}
    assert read_scan_sheet(sheet(tmp_path, "scan ct", "a a.nii"))["a"].ct == "a.nii"


def test_finished_features_stand_for_ct_and_mask(tmp_path: Path) -> None:
    found = read_scan_sheet(
        sheet(tmp_path, "scan features ct mask", "a a.csv", "b b.csv b.nii m.nii", "c NA c.nii")
    )
    assert (found["a"].ct, found["a"].masks, found["a"].features) == (None, (), "a.csv")
    assert [list(row.files) for row in found.values()] == [["features"], ["features"], ["ct"]]
    assert found["b"].ct == "b.nii"
    assert read_scan_sheet(sheet(tmp_path, "scan features", "a a.csv"))["a"].patient == "a"


WRONG = [
    (["ct mask", "a.nii m.nii"], "column 'scan' is missing; there are ct, mask"),
    (["scan mask", "a m.nii"], "neither a column 'ct' nor one of finished 'features'; there are"),
    (["scan;ct", "a;a.nii"], "cells are separated by ';'"),
    (["scan ct mask organ", "a a.nii m.nii f"], "unknown column 'organ'"),
    (["scan ct mask"], "names no scan"),
    (["scan ct mask", "a/b a.nii m.nii"], "row 2: scan id 'a/b' must be letters"),
    (["scan ct mask", "NA a.nii m.nii"], "row 2: no scan"),
    (["scan ct mask", "a NA m.nii"], "row 2: scan 'a' has neither a ct nor finished features"),
    (["scan ct mask features", "a NA m.nii f"], "row 2: scan 'a' has a mask and no ct that it is"),
    (["scan ct mask label", "a a.nii NA 6"], "row 2: scan 'a' has a label and no mask"),
    (["scan features reader", "a a.csv x"], "row 2: scan 'a' has a reader and no mask"),
    (["scan features", "a {a}.csv"], "features '{a}.csv' has {} or <>"),
    (["scan features", "a a.csv", "a a.csv"], "row 3: scan 'a' stands in row 2 too: several rows"),
    (["scan ct mask reader", "a a.nii", "a a.nii m.nii x"], "and one of them has none"),
    (["scan features", "a a.csv", "a b.csv"], "features of scan 'a' is 'b.csv', in row 2 'a.csv'"),
    (["scan ct mask", "a a{x}.nii m.nii"], "ct 'a{x}.nii' has {} or <>"),
    (["scan ct mask label", "a a.nii m.nii 0"], "row 2: label is '0'"),
    (["scan ct mask label", "a a.nii m.nii stomach"], "label is 'stomach'"),
    (["scan ct mask scan_day", "a a.nii m.nii May"], "scan_day is 'May', not a number of days"),
    (
        ["scan ct mask", "a a.nii m.nii", "A b.nii n.nii"],
        "scan 'A' differs from 'a' in row 2 by cap",
    ),
    (
        ["scan ct mask", "a a.nii m.nii", "a a.nii n.nii"],
        "row 3: scan 'a' stands in row 2 too: name the reader",
    ),
    (
        ["scan ct mask reader", "a a.nii m.nii x", "a a.nii n.nii x"],
        "row 3: reader 'x' of scan 'a' comes twice",
    ),
    (
        ["scan ct mask reader", "a a.nii m.nii x", "a b.nii n.nii y"],
        "row 3: ct of scan 'a' is 'b.nii', in row 2 'a.nii'",
    ),
    (
        ["scan patient ct mask reader", "a p a.nii m.nii x", "a q a.nii n.nii y"],
        "row 3: patient of scan 'a' is 'q', in row 2 'p'",
    ),
]


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_what_is_wrong_with_a_sheet_is_said(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(SheetError) as error:
        read_scan_sheet(sheet(tmp_path, *lines))
    assert message in str(error.value)
    assert "scans.tsv" in str(error.value)
