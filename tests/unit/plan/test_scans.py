"""Scans in the plan: files, stages, what is missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plan.interface import PlanError
from plan.plan import Plan, make_plan

SCANS = """scan\tpatient\tct\tmask\treader\tphase
s1\tp\ts1.nii.gz\tm1.nii.gz\tone\tportal
s1\tp\ts1.nii.gz\tm2.nii.gz\ttwo\tportal
s2\tq\ts2.nii.gz\tm1.nii.gz\t\t
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.svs\n")
    (tmp_path / "scans.tsv").write_text(SCANS)
    for name, size in (("a.svs", 1), ("s1.nii.gz", 10), ("m1.nii.gz", 0), ("m2.nii.gz", 0)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size * 1_000_000)
    return tmp_path


def planned(**changes: Any) -> Plan:
    return make_plan({"slides": "slides.tsv", "scans": "scans.tsv"} | changes)


def of(**wildcards: str) -> Any:
    return SimpleNamespace(**wildcards)


def test_without_a_sheet_there_are_no_scans() -> None:
    plan = make_plan({"slides": "slides.tsv", "radiomics": {"bins": 32}})
    assert plan.radiomics(of()) == []
    assert plan.scans.about == []
    assert not [kind for kind in plan.pictures() if kind.unit == "scan" and kind.files]
    with pytest.raises(PlanError, match="scan 's1' is not in the configuration, which names no"):
        plan.scans.row(of(scan="s1"))


def test_the_stage_has_tables_and_pictures() -> None:
    assert planned().radiomics(of()) == [
        "results/radiomics/features.tsv",
        "results/radiomics/draws.tsv",
        "results/radiomics/stability.tsv",
        "results/radiomics/stability.png",
        "results/radiomics/correlation.png",
        "results/ct/s1.png",
        "results/ct/s2.png",
    ]
    (kind,) = (kind for kind in planned(report={"max_maps": 1}).pictures() if kind.unit == "scan")
    assert kind.files == ["results/ct/s1.png"]


def test_a_job_gets_the_files_of_its_scan() -> None:
    scans = planned().scans
    assert scans.files(of(scan="s1")) == ["s1.nii.gz", "m1.nii.gz", "m2.nii.gz"]
    row = scans.row(of(scan="s1"))
    assert row["ct"] == "s1.nii.gz"
    assert [mask["reader"] for mask in row["masks"]] == ["one", "two"]
    assert scans.about[0] == {
        **{"patient": "p", "phase": "portal", "batch": None, "scan_day": None},
        "region_from": "sheet",
    }
    assert scans.mem_mb(of(scan="s1")) > scans.mem_mb(of(scan="s2"))
    with pytest.raises(PlanError, match=r"scan 's3' is not in scans\.tsv"):
        scans.files(of(scan="s3"))


def test_files_that_are_missing_are_the_scans_trouble() -> None:
    plan = planned()
    assert plan.scans.files(of(scan="s2")) == ["m1.nii.gz"]
    assert plan.scans.problems_of_files(of(scan="s2")) == {"s2.nii.gz": "does not exist"}
    assert plan.scans.problems_of_files(of(scan="s1")) == {}


def test_a_scan_that_was_read_is_not_refused_for_a_missing_file(folder: Path) -> None:
    record = folder / "results/ct/s2.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"status": "refused"}')
    assert planned().scans.problems_of_files(of(scan="s2"))
    record.write_text('{"status": "ok"}')
    with pytest.raises(PlanError, match=r"s2\.nii\.gz does not exist, but an earlier run has read"):
        planned().scans.problems_of_files(of(scan="s2"))


def test_what_is_wrong_with_the_sheet_is_said(folder: Path) -> None:
    (folder / "scans.tsv").write_text("scan\tmask\n")
    with pytest.raises(PlanError, match=r"config, scans: scans\.tsv: there is neither a column"):
        planned()
    (folder / "scans.tsv").write_text("scan\tct\tmask\na\ta.nii\tm.nii\nb\tb.nii\n")
    with pytest.raises(PlanError, match=r"scans\.tsv, row 3: scan 'b' has no mask: name one"):
        planned()


def test_finished_features_need_no_ct(folder: Path) -> None:
    (folder / "scans.tsv").write_text("scan\tct\tmask\tfeatures\na\t\t\ta.csv\nb\tb\tm\t\n")
    plan = planned()
    assert plan.scans.prepared == ["b"]
    assert "results/ct/a.png" not in plan.radiomics(of())
    assert "results/ct/b.png" in plan.radiomics(of())
    assert plan.scans.files(of(scan="a")) == []
    assert plan.scans.problems_of_files(of(scan="a")) == {"a.csv": "does not exist"}
    assert plan.scans.features(of()) == [
        "results/imported/radiomics/a.json",
        "results/radiomics/scans/b.json",
    ]
    assert plan.scans.table(of(scan="a")) == "a.csv"
    with pytest.raises(PlanError, match=r"scan 'b' has no finished features in scans\.tsv"):
        plan.scans.table(of(scan="b"))
    for ask in (plan.scans.row, plan.scans.mem_mb):
        with pytest.raises(PlanError, match=r"scan 'a' has finished features in scans\.tsv"):
            ask(of(scan="a"))


CLINICAL = {
    "table": "clinical.tsv",
    "patient": "id",
    "endpoints": {
        "LM": {"time": "t", "unit": "days", "event": "s", "events": [1], "censored": [0]}
    },
}


def test_what_is_fused_is_made_of_the_scans(folder: Path) -> None:
    ct = {"endpoint": "LM", "blocks": ["ct"], "tables": {"ct": "results/radiomics/features.tsv"}}
    changes = {"clinical": [CLINICAL], "fusion": ct}
    fusion = planned(**changes).fusion
    assert fusion.draws(of()) == ["results/radiomics/draws.tsv"]
    assert (fusion.min_icc(of()), fusion.max_correlation(of())) == (0.75, 0.95)
    assert planned().fusion.min_icc(of()) == 0.75
    looser = {"clinical": [CLINICAL], "fusion": ct | {"min_icc": None, "max_correlation": 0.8}}
    fusion = planned(**looser).fusion
    assert (fusion.min_icc(of()), fusion.max_correlation(of())) == (None, 0.8)
    with pytest.raises(PlanError, match=r"features\.tsv is made of scans: name their sheet in"):
        make_plan({"slides": "slides.tsv"} | changes)
    finished = {"clinical": [CLINICAL], "fusion": ct | {"tables": {"ct": "old/features.tsv"}}}
    assert make_plan({"slides": "slides.tsv"} | finished).fusion.draws(of()) == []
    (folder / "old").mkdir()
    (folder / "old/draws.tsv").touch()
    assert make_plan({"slides": "slides.tsv"} | finished).fusion.draws(of()) == ["old/draws.tsv"]
    applied = {"clinical": [CLINICAL], "fusion": ct | {"model": "model.json"}}
    assert planned(**applied).fusion.draws(of()) == []


def test_scans_need_no_slides(folder: Path) -> None:
    (folder / "slides.tsv").unlink()
    plan = planned()
    assert "results/radiomics/features.tsv" in plan.radiomics(of())
    for stage in (plan.slides.sheet, plan.of_slides, plan.maps):
        with pytest.raises(PlanError, match=r"slides\.tsv does not exist; without slides"):
            stage(of())
    with pytest.raises(PlanError, match=r"slide sheet: slides\.tsv does not exist"):
        make_plan({"slides": "slides.tsv"})
