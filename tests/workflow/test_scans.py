"""Scans through the workflow: one that fails stops none, and what a key reruns."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.nnunet import write_folder
from helpers.scans import ball, tissue, write_volume
from histohet.common.files import read_json
from histohet.common.tables import read_tsv
from histohet.radiomics.table import read_draws, read_features

pytest.importorskip("zrad", reason="make .venv/z-rad.txt")

TABLES = ("features.tsv", "draws.tsv", "stability.tsv")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three scans: two readers, one mask, a mask on another grid."""
    folder = tmp_path_factory.mktemp("scans")
    for number, name in enumerate("abc"):
        write_volume(folder / f"{name}.nii.gz", tissue(number))
    write_volume(folder / "m1.nii.gz", ball(14))
    write_volume(folder / "m2.nii.gz", ball(12, (0.4, 0.3, 0.2)))
    write_volume(folder / "m3.nii.gz", ball(9, (0.4, 0.3, 0.2)))
    write_volume(folder / "other.nii.gz", ball(14), origin=(0, 0, 0))
    lines = [
        "scan patient ct mask reader phase",
        "a p a.nii.gz m1.nii.gz one portal",
        "a p a.nii.gz m2.nii.gz two portal",
        "b q b.nii.gz m3.nii.gz one portal",
        "b q b.nii.gz m2.nii.gz two portal",
        "c q c.nii.gz other.nii.gz one arterial",
        "d r away.nii.gz m1.nii.gz one portal",
    ]
    (folder / "scans.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    config = {
        "slides": "slides.tsv",  # which does not exist
        "scans": "scans.tsv",
        "radiomics": {"perturbations": 1},
    }
    found = Cohort(folder, ROOT / "workflow", config)
    found.run("radiomics")
    return found


def test_every_scan_has_a_row_and_a_picture(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    found = read_features(results / "radiomics/features.tsv")
    scans = found.scans.set_index("scan")
    assert scans["status"].tolist() == ["ok", "ok", "refused", "refused"]
    assert scans.loc["c", "reason"].startswith("mask: origin differs by ")
    assert scans.loc["d", "reason"] == "ct: away.nii.gz does not exist"
    assert scans["phase"].tolist() == ["portal", "portal", "arterial", "portal"]
    assert len(found.names) == 169
    assert np.isfinite(scans.loc[["a", "b"], list(found.names)].to_numpy()).all()
    assert scans.loc[["c", "d"], list(found.names)].isna().all(axis=None)
    assert found.identity.engine.startswith("z-rad 26.")
    assert found.identity.settings["range_hu"] == [-150.0, 250.0]
    draws, names = read_draws(results / "radiomics/draws.tsv")
    assert names == found.names
    assert draws.groupby("scan")["source"].apply(list).to_dict() == {
        "a": ["mask", "reader", "perturbation"],
        "b": ["mask", "reader", "perturbation"],
    }
    assert set(read_tsv(results / "radiomics/stability.tsv")["source"]) == {
        "reader",
        "perturbation",
    }
    assert read_json(results / "ct/a.json")["stored_size"] == [40, 36, 24]
    assert all((results / f"ct/{scan}.png").stat().st_size for scan in "abcd")


def test_another_bin_width_prepares_nothing_again(cohort: Cohort) -> None:
    changed = {"perturbations": 1, "bin_width_hu": 20}
    found = cohort.rules("radiomics", radiomics=changed)
    assert found == {"extract_radiomics": 4, "collect_radiomics": 1, "draw_radiomics": 1}
    assert not cohort.rules("radiomics")


def test_the_same_bytes_a_second_time(cohort: Cohort) -> None:
    folder = cohort.folder / "results/radiomics"
    before = {name: (folder / name).read_bytes() for name in TABLES}
    cohort.run("radiomics", "--forcerun", "prepare_scan")
    assert {name: (folder / name).read_bytes() for name in TABLES} == before


def test_a_disk_that_is_gone_replaces_no_result(cohort: Cohort) -> None:
    mask = cohort.folder / "m1.nii.gz"
    mask.rename(mask.with_name("kept"))
    try:
        done = cohort.snakemake("--cores", "1", "--forcerun", "prepare_scan", "--", "radiomics")
    finally:
        mask.with_name("kept").rename(mask)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "scan 'a': m1.nii.gz does not exist, but an earlier run has read" in said
    assert (cohort.folder / "results/radiomics/features.tsv").exists()


def test_which_jobs_a_mask_of_the_sheet_and_none_bring(tmp_path: Path) -> None:
    write_folder(tmp_path / "model")
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.svs\n")
    for name in ("a", "b", "m"):
        write_volume(tmp_path / f"{name}.nii.gz", ball(9))
    sheet = {"masks": ["a a.nii.gz m.nii.gz"], "both": ["a a.nii.gz m.nii.gz", "b b.nii.gz "]}
    for name, rows in sheet.items():
        lines = ["scan ct mask", *rows]
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    model = {"segmentation": {"model": "model"}}
    mixed = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", **model})
    collected = {"collect_radiomics": 1, "draw_radiomics": 1, "show_scans": 1}
    prepared = {"prepare_scan": 2, "extract_radiomics": 2}
    assert mixed.rules("radiomics", scans="both.tsv") == {"segment_ct": 1} | prepared | collected
    assert mixed.rules("segmentation", scans="both.tsv") == {"segment_ct": 1}
    alone = {"prepare_scan": 1, "extract_radiomics": 1} | collected
    assert mixed.rules("radiomics", scans="masks.tsv") == alone
    assert not mixed.rules("segmentation", scans="masks.tsv")
    assert not mixed.rules("radiomics")
    without = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", "scans": "both.tsv"})
    assert "row 3: scan 'b' has no mask" in without.refusal()


# --- finished features ----------------------------------------------------------------------------


def test_finished_features_stand_beside_scans(cohort: Cohort, tmp_path: Path) -> None:
    """Those of an earlier run, written out by hand: the same numbers."""
    ours = read_features(cohort.folder / "results/radiomics/features.tsv")
    row = ours.scans.set_index("scan").loc["a", list(ours.names)]
    said = [f"# {key}: {json.dumps(value)}" for key, value in ours.identity.settings.items()]
    table = ["name\tvalue", *(f"{name}\t{float(value)!r}" for name, value in row.items())]
    for name, engine in (("same", ours.identity.engine), ("other", "pyradiomics 3.0.1")):
        lines = [f"# engine: {engine}", *said, *table]
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "bare.tsv").write_text("\n".join(table) + "\n")
    for name in ("b.nii.gz", "m3.nii.gz"):
        shutil.copy(cohort.folder / name, tmp_path)
    lines = ["scan ct mask features", "same NA NA same.tsv", "b b.nii.gz m3.nii.gz NA"]
    lines += [f"{name} NA NA {name}.tsv" for name in ("other", "bare", "away")]
    (tmp_path / "scans.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    mixed = Cohort(tmp_path, ROOT / "workflow", cohort.config)
    mixed.run("radiomics")
    found = read_features(tmp_path / "results/radiomics/features.tsv")
    scans = found.scans.set_index("scan")
    assert scans["status"].tolist() == ["ok", "ok", "refused", "refused", "refused"]
    assert (scans.loc["same", list(found.names)] == row).all()
    assert scans.loc["other", "reason"].startswith("features of scan 'other' come from pyradiomics")
    assert "bare.tsv does not say what made it" in scans.loc["bare", "reason"]
    assert scans.loc["away", "reason"] == "features: away.tsv does not exist"
    assert found.identity == ours.identity
    assert [path.name for path in (tmp_path / "results/ct").glob("*.png")] == ["b.png"]
    with (tmp_path / "bare.tsv").open("a") as file:
        file.write("one\t1\n")
    again = {"import_radiomics": 1, "collect_radiomics": 1, "draw_radiomics": 1}
    assert mixed.rules("radiomics") == again


# --- scans to fusion ------------------------------------------------------------------------------

MASKS = {"small": 6, "middle": 9, "large": 12}


def cohort_to_fuse(folder: Path) -> Cohort:
    """Twelve patients, the larger the tumour the sooner the event; without slides."""
    for name, radius in MASKS.items():
        write_volume(folder / f"{name}.nii.gz", ball(radius, (0.4, 0.3, 0.2)))
    scans, clinical = ["scan patient ct mask scan_day"], ["id days status age"]
    for number in range(12):
        write_volume(folder / f"{number}.nii.gz", tissue(number))
        mask = list(MASKS)[number % 3]
        # The event of the last patient comes before the scan.
        day = 500 if number == 11 else -3
        scans.append(f"s{number} p{number} {number}.nii.gz {mask}.nii.gz {day}")
        days = 400 - 30 * MASKS[mask] + 7 * number
        clinical.append(f"p{number} {days} {int(number % 3 > 0)} {50 + 7 * number % 30}")
    for table, lines in (("scans", scans), ("clinical", clinical)):
        (folder / f"{table}.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    endpoint = {"time": "days", "unit": "days", "event": "status", "events": [1], "censored": [0]}
    config: dict[str, Any] = {
        "slides": "slides.tsv",  # which does not exist
        "scans": "scans.tsv",
        "radiomics": {"perturbations": 1},
        "clinical": [{"table": "clinical.tsv", "patient": "id", "endpoints": {"LM": endpoint}}],
        "analyses": [{"name": "main", "covariates": [{"column": "age", "kind": "numeric"}]}],
        "fusion": {
            "endpoint": "LM",
            "blocks": ["clinical", "ct"],
            "tables": {"ct": "results/radiomics/features.tsv"},
            "volume": "ct:morph_volume",
            "horizons": [6],
            "folds": 2,
            "repeats": 1,
        },
    }
    return Cohort(folder, ROOT / "workflow", config)


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    found = cohort_to_fuse(tmp_path_factory.mktemp("fused"))
    found.run("fusion")
    return found


def test_from_scans_to_a_model_without_slides(fused: Cohort) -> None:
    folder = fused.folder / "results/fusion"
    features = read_features(fused.folder / "results/radiomics/features.tsv")
    made_by = read_json(folder / "model.json")["blocks"]["ct"]["made_by"]
    assert made_by["engine"] == features.identity.engine
    assert "range_hu" in made_by["settings"]
    flow = read_tsv(folder / "cross_validated/flow.tsv")
    (late,) = flow[flow["why"].str.endswith(" days before the scan")]["who"]
    assert late == "p11"
    assert flow.set_index("step")["left"].to_dict()["some block"] == 12
    kept = read_tsv(folder / "cross_validated/kept.tsv")
    assert set(kept["column"]) == set(features.names)
    fits = read_tsv(folder / "cross_validated/fits.tsv")
    of_ct = fits[fits["block"] == "ct"]
    assert of_ct["unstable"].gt(0).all()  # boundaries of balls of three sizes move
    assert fits[fits["block"] != "ct"]["unstable"].eq(0).all()
    estimates = read_tsv(folder / "cross_validated/estimates.tsv")
    everybody = (
        estimates[estimates["patients"] == "all"].set_index(["measure", "model"]).sort_index()
    )
    assert everybody.loc[("auc", "volume"), "estimate"].item() > 0.9
    checklist = read_tsv(folder / "cross_validated/checklist.tsv").set_index(["checklist", "item"])
    said = checklist["answer"]
    assert said[("CLEAR", "22")].startswith("voxels of 2 mm; image linear")
    assert said[("METRICS", "7")].endswith("; 1 left out: event before the scan")
    assert "unstable" not in said[("METRICS", "14")]
    assert said[("METRICS", "14")].startswith("ICC(1,1) by perturbation, 12 scans: ")


def test_what_the_scans_change_is_fused_again(fused: Cohort) -> None:
    fusion = fused.config["fusion"] | {"min_icc": None}
    shown = {"draw_fusion": 1, "draw_fusion_flow": 1, "write_checklist": 1}
    again = {"fuse": 1, "save_fusion_model": 1} | shown
    assert fused.rules("fusion", fusion=fusion) == again
    radiomics = fused.config["radiomics"] | {"perturbations": 2}
    of_scans = {"extract_radiomics": 12, "collect_radiomics": 1}
    assert fused.rules("fusion", radiomics=radiomics) == of_scans | again
