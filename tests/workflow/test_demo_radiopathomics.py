"""Generated CTs and slides of the same patients: what the demo plans, and its scans as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.nnunet import write_folder
from histohet.common.tables import read_tsv
from histohet.radiomics.table import read_features

DEMO = yaml.safe_load((ROOT / "config/demo_radiopathomics.yaml").read_text())
PHANTOMS = "workflow/phantoms.smk"
SHEETS = "results/phantoms/scanned"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The demo's sheets, without its pictures."""
    cohort = Cohort(tmp_path_factory.mktemp("demo"), ROOT / "workflow", DEMO)
    cohort.run("--", f"{SHEETS}/scans.tsv", snakefile=PHANTOMS)
    return cohort


def test_the_demo_renders_what_its_sheets_name(demo: Cohort) -> None:
    sheets = demo.folder / SHEETS
    scans, slides = read_tsv(sheets / "scans.tsv"), read_tsv(sheets / "slides.tsv")
    n_slides = len(slides)
    found = demo.rules(snakefile=PHANTOMS)
    assert found == {"render_phantom": n_slides, "render_scans": 1, "render_training_scans": 1}
    patients = set(read_tsv(sheets / "clinical.tsv")["patient"])
    assert set(scans["patient"]) | set(slides["patient"]) == patients
    n = DEMO["phantoms"]["n_slides"]
    assert n_slides == n - round(0.2 * n)
    assert scans["scan"].nunique() == n - round(0.2 * n)


def test_files_that_a_run_names_are_rendered(tmp_path: Path) -> None:
    """And the region of each scan is one: two patients with a slide, both with a CT."""
    scans = DEMO["phantoms"]["scans"] | {"unread": 0.0, "second_reader": 0.5, "training": 2}
    scans |= {"missing_ct": 0.0, "missing_slide": 0.5}
    phantoms = DEMO["phantoms"] | {"n_slides": 2, "scans": scans}
    config = {name: DEMO[name] for name in DEMO if name not in ("segmentation", "fusion")}
    cohort = Cohort(tmp_path, ROOT / "workflow", config | {"phantoms": phantoms})
    cohort.run(snakefile=PHANTOMS)
    for table in ("scans", "slides"):
        sheet = read_tsv(tmp_path / SHEETS / f"{table}.tsv")
        files = sheet.loc[:, sheet.columns.intersection(["ct", "mask", "path", "truth"])]
        assert all((tmp_path / file).is_file() for file in files.to_numpy().ravel())
    raw = tmp_path / DEMO["segmentation_training"]["dataset"]
    cases = sorted(path.name for path in (raw / "labelsTr").iterdir())
    assert cases == ["training_01.nii.gz", "training_02.nii.gz"]
    assert len(list((raw / "imagesTr").iterdir())) == 2
    cohort.run("radiomics")
    features = read_features(tmp_path / "results/radiomics/features.tsv")
    assert features.scans["status"].tolist() == ["ok", "ok"]
    assert np.isfinite(features.scans[list(features.names)].to_numpy()).all()
    draws = read_tsv(tmp_path / "results/radiomics/draws.tsv")
    assert sorted(draws["source"].unique()) == ["mask", "perturbation", "reader"]
    assert cohort.jobs(snakefile=PHANTOMS) == []


def test_the_demo_trains_segments_and_fuses(demo: Cohort) -> None:
    sheets = demo.folder / SHEETS
    scans, slides = read_tsv(sheets / "scans.tsv"), read_tsv(sheets / "slides.tsv")
    for file in {*scans["ct"], *scans["mask"], *slides["path"], *slides["mask"]} - {""}:
        (demo.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (demo.folder / file).touch()
    write_folder(demo.folder / DEMO["segmentation"]["model"])
    found = demo.rules("fusion")
    assert found["segment_ct"] == (scans["mask"] == "").sum()
    assert found["prepare_scan"] == found["extract_radiomics"] == scans["scan"].nunique()
    assert found["encode_tiles"] == len(slides)
    assert found["fuse"] == 1
    assert not set(found) & {"cluster_tiles", "measure_slide", "train_segmentation_fold"}
