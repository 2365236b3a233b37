"""Finished features of other tools: both layouts, what made them, and what cannot be used."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.radiomics.engine import Identity
from histohet.radiomics.extract import Draw, Extraction, read_extraction, write_extraction
from histohet.radiomics.finished import UNKNOWN, FinishedError, read_finished
from histohet.radiomics.table import collect

ENGINE = "# engine: pyradiomics 3.0.1"
SETTINGS = ("# bin_width_hu: 25", "# spacing_mm: [1, 1, 2.5]", "# dimension: 3D")
THEIRS = Identity(
    "pyradiomics 3.0.1", {"bin_width_hu": 25, "spacing_mm": [1, 1, 2.5], "dimension": "3D"}
)


def write(folder: Path, *lines: str, name: str = "f.csv") -> str:
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


LAYOUTS = {
    "long.csv": (*SETTINGS, "name,value", "a,1.5", "b,-2e3"),
    "wide.csv": (*SETTINGS, "a,b", "1.5,-2e3"),
    "diagnostics.csv": (*SETTINGS, "diagnostics_Version,a,b", "3.0.1,1.5,-2e3"),
    "padded.csv": (*(f"{line},,," for line in SETTINGS), "a,b", "1.5,-2e3"),
    "long.tsv": (*SETTINGS, "value\tname", "1.5\ta", "-2e3\tb"),
    "settings.tsv": (
        "# exported on Monday",
        '# settings: {"bin_width_hu": 25, "spacing_mm": [1, 1, 2.5], "dimension": "3D"}',
        "a\tb",
        "1.5\t-2e3",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_both_layouts_and_every_way_to_say_settings(tmp_path: Path, name: str) -> None:
    draw, identity, note = read_finished(write(tmp_path, ENGINE, *LAYOUTS[name], name=name), {})
    assert draw == Draw("mask", 0, {"a": 1.5, "b": -2000.0})
    assert identity == THEIRS
    assert note == ""


def test_settings_are_compared_as_values() -> None:
    assert Identity("z", {"bins": 32, "x": [1, 2]}) == Identity(
        "z", {"x": [1.0, 2.0], "bins": 32.0}
    )
    assert str(replace(THEIRS, settings={"bins": "32 fixed"})) == "pyradiomics 3.0.1, 32 fixed bins"
    assert str(UNKNOWN) == "unknown"


def test_a_value_that_is_missing_is_counted(tmp_path: Path) -> None:
    draw, _, note = read_finished(write(tmp_path, ENGINE, "a,b,c", "1,,nan"), {})
    assert note == "2 features without a value (first: b)"
    assert math.isnan(draw.features["b"])


UNFIT: dict[str, tuple[tuple[str, ...], str]] = {
    "no engine": (("a,b", "1,2"), "features: {path} does not say what made it: put a line as '# e"),
    "engine below": (("a,b", ENGINE, "1,2"), "does not say what made it"),
    "no value of engine": (("# engine:", "a", "1"), "does not say what made it"),
    "infinite": ((ENGINE, "a,b", "1,inf"), "features: {path}, row 3: 'inf' of 'b' is not a number"),
    "too large": ((ENGINE, "name,value", "a,1e300"), "row 3: '1e300' of 'a' is too large"),
    "text": ((ENGINE, "Image,a", "/data/ct.nrrd,1"), "'/data/ct.nrrd' of 'Image' is not a number"),
    "no values": ((ENGINE, "a,b", "NA,"), "features: {path} has no value"),
    "twice in a row": ((ENGINE, "a,a", "1,2"), "column 'a' comes twice"),
    "twice": (
        (ENGINE, "name,value", "a,1", "b,1", "a,1"),
        "features: {path}: 'a' come more than once",
    ),
    "no name": ((ENGINE, "name,value", ",1", "b,1"), "features: {path}: 1 of 2 have no name"),
    "no name of column": ((ENGINE, "a,", "1,2"), "1 of 2 have no name"),
    "no rows": ((ENGINE, "name,value"), "has no value"),
    "many patients": (
        (ENGINE, "a,b", "1,2", "3,4"),
        "has 2 rows and no columns 'name' and 'value'",
    ),
    "one more column": ((ENGINE, "name,value,unit", "a,1,mm"), "a column 'unit' beside 'name', 'v"),
    "ours": ((ENGINE, "a,status", "1,ok"), "'status' is a column of ours: leave it out"),
    "engine twice": ((ENGINE, ENGINE, "a", "1"), "row 2: 'engine' comes twice"),
    "semicolons": ((ENGINE, "name;value", "a;1"), "cells are separated by ';'"),
    "nothing": ((ENGINE,), "features: {path} is empty"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_tables_are_refused(tmp_path: Path, name: str) -> None:
    lines, message = UNFIT[name]
    path = write(tmp_path, *lines)
    with pytest.raises(FinishedError) as error:
        read_finished(path, {})
    assert message.format(path=path) in str(error.value)
    assert error.value.outcome.status is Status.REFUSED


def test_no_table_at_all(tmp_path: Path) -> None:
    with pytest.raises(FinishedError, match=r"features: f\.csv is away"):
        read_finished("f.csv", {"f.csv": "is away"})
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FinishedError, match="is not UTF-8 text"):
        read_finished(str(tmp_path / "f.csv"), {})


# --- beside others --------------------------------------------------------------------------------

OURS = Identity("z-rad 26.9.0", {"bin_width_hu": 25.0})
ABOUT = [{"patient": "p", "phase": None}, {"patient": "q", "phase": None}]
REFUSED = Outcome(Status.REFUSED, "mask: it is empty")


def scan(
    name: str, identity: Identity = OURS, finished: bool = True, **features: float
) -> Extraction:
    draws = (Draw("mask", 0, features or {"a": 1.0, "b": 2.0}),)
    return Extraction(name, identity, draws, OK, finished)


def outcomes(*scans: Extraction) -> list[str]:
    about = [{"patient": one.scan, "phase": None, "batch": None, "scan_day": None} for one in scans]
    features, draws = collect(scans, about)
    table = features.scans
    has = table[list(features.names)].notna().any(axis=1)
    assert (has == (table["status"] == "ok")).all()
    assert list(draws["scan"]) == list(table["scan"][has])
    return list(table["reason"])


def test_finished_features_of_the_same_make_stand_beside_ours() -> None:
    assert outcomes(scan("s1", finished=False), scan("s2")) == ["", ""]


def test_those_of_another_engine_or_settings_are_refused() -> None:
    other = Identity("pyradiomics 3.0.1", {"bin_width_hu": 25})
    found = outcomes(
        scan("s7", other), scan("s1", finished=False), scan("s2", replace(OURS, settings={}))
    )
    assert found == [
        "features of scan 's7' come from pyradiomics 3.0.1, bins 25 HU; those of this run from "
        "z-rad 26.9.0, bins 25 HU: take one of them for all",
        "",
        "features of scan 's2' come from z-rad 26.9.0; those of this run from z-rad 26.9.0, bins "
        "25 HU: take one of them for all",
    ]


def test_without_a_scan_of_ours_the_first_finished_one_is_the_measure() -> None:
    lost = Extraction("s0", UNKNOWN, (), REFUSED, finished=True)
    found = outcomes(lost, scan("s1", THEIRS), scan("s2", THEIRS), scan("s3"))
    assert found[:3] == ["mask: it is empty", "", ""]
    assert found[3].endswith("those of scan 's1' from " + f"{THEIRS}: take one of them for all")
    features, _ = collect([lost, scan("s1", THEIRS)], ABOUT)
    assert features.identity == THEIRS
    assert collect([lost], ABOUT[:1])[0].identity == UNKNOWN


def test_a_run_that_extracts_nothing_usable_is_still_the_measure() -> None:
    ours = Extraction("s1", OURS, (), REFUSED)
    assert outcomes(scan("s2", THEIRS), ours, scan("s3"))[1:] == ["mask: it is empty", ""]
    assert outcomes(scan("s2", THEIRS), ours)[0].startswith("features of scan 's2' come from pyra")


def test_features_with_other_names_are_refused() -> None:
    found = outcomes(scan("s1", a=1.0), scan("s2", finished=False), scan("s3", a=1, b=2, c=3, d=4))
    assert found == [
        "features: no 'b', which scan 's2' has (1 are missing)",
        "",
        "features: 'c', which scan 's2' does not have (2 in all)",
    ]


def test_files_hold_who_made_them(tmp_path: Path) -> None:
    for one in (scan("s1", THEIRS), Extraction("s2", UNKNOWN, (), REFUSED, finished=True)):
        write_extraction(tmp_path / "a.json", one, Provenance())
        assert read_extraction(tmp_path / "a.json") == one
