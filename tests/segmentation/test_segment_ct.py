"""Scans without a mask through the workflow: segmented, prepared, extracted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import torch

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.nnunet import checkpoint, dataset, plans, write_model
from helpers.scans import ball, tissue, write_volume
from histohet.common.files import read_json
from histohet.radiomics.table import read_draws, read_features
from histohet.segmentation.checkpoint import read_checkpoint

pytest.importorskip("zrad", reason="make .venv/z-rad.txt")

LABELS = {"background": 0, "tumour": 1}


def without_tumour() -> npt.NDArray[np.int16]:
    """Tissue of the mean of the training set, and some air in it: nothing is bright."""
    voxels = np.full(tissue().shape, 40, np.int16)
    voxels[8:12, 8:16, 8:16] = -1000
    return voxels


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A mask of the sheet; a tumour to find, in two orientations; none; no CT; no file."""
    folder = tmp_path_factory.mktemp("segmented")
    write_model(folder / "model", plans(patch=(24, 36, 40)), dataset(LABELS), bright=1.5)
    write_volume(folder / "a.nii.gz", tissue(0))
    write_volume(folder / "mask.nii.gz", ball(14))
    write_volume(folder / "b.mha", tissue(1))
    turned = sitk.DICOMOrient(sitk.ReadImage(str(folder / "b.mha")), "SAR")
    sitk.WriteImage(turned, str(folder / "turned.nrrd"))
    write_volume(folder / "empty.nii.gz", without_tumour())
    (folder / "broken.nii.gz").write_bytes(b"no scan")
    lines = [
        "scan patient ct mask",
        "a p a.nii.gz mask.nii.gz",
        "b q b.mha ",
        "turned r turned.nrrd ",
        "empty s empty.nii.gz ",
        "broken t broken.nii.gz ",
        "away u away.nii.gz ",
    ]
    (folder / "scans.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    config = {
        "slides": "slides.tsv",  # which does not exist
        "scans": "scans.tsv",
        "segmentation": {"model": "model"},
        "radiomics": {"perturbations": 1},
    }
    found = Cohort(folder, ROOT / "workflow", config)
    found.run("radiomics")
    return found


def test_every_scan_has_a_row_that_says_where_its_region_comes_from(cohort: Cohort) -> None:
    found = read_features(cohort.folder / "results/radiomics/features.tsv")
    scans = found.scans.set_index("scan")
    assert scans["status"].to_dict() == {
        **dict.fromkeys(["a", "b", "turned"], "ok"),
        "empty": "no_region",
        "broken": "unreadable",
        "away": "refused",
    }
    assert scans["region_from"].tolist() == ["sheet", *["segmentation"] * 5]
    assert "region_from" not in found.names
    assert (
        scans.loc["empty", "reason"]
        == "segmentation: Dataset901_Phantom (3d_fullres) found no 'tumour'"
    )
    assert scans.loc["broken", "reason"].startswith("ct: ")
    assert scans.loc["away", "reason"] == "ct: away.nii.gz does not exist"
    draws, _ = read_draws(cohort.folder / "results/radiomics/draws.tsv")
    assert set(draws["scan"]) == {"a", "b", "turned"}


def test_the_mask_lies_on_the_grid_of_the_file(cohort: Cohort) -> None:
    truth = sitk.GetImageFromArray(ball(14).astype(np.uint8))
    truth.CopyInformation(sitk.ReadImage(str(cohort.folder / "b.mha")))
    for scan, name in (("b", "b.mha"), ("turned", "turned.nrrd")):
        mask = sitk.ReadImage(str(cohort.folder / f"results/masks/{scan}.nii.gz"))
        stored = sitk.ReadImage(str(cohort.folder / name))
        assert mask.GetSize() == stored.GetSize()
        for what in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(mask, what)() == pytest.approx(getattr(stored, what)(), abs=1e-5)
        inside = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS")) > 0
        there = sitk.GetArrayFromImage(truth) > 0
        assert 2 * (inside & there).sum() / (inside.sum() + there.sum()) > 0.9


def test_the_record_says_what_was_found_and_by_whom(cohort: Cohort) -> None:
    record = read_json(cohort.folder / "results/masks/b.json")
    mask = sitk.ReadImage(str(cohort.folder / "results/masks/b.nii.gz"))
    n = int((sitk.GetArrayFromImage(mask) > 0).sum())
    region = record["regions"]["tumour"]
    assert region["values"] == [1]
    assert region["voxels"] == n
    assert region["volume_ml"] == pytest.approx(n * 1.5 * 1.5 * 3 / 1000, abs=1e-3)
    model = record["model"]
    assert (model["trainer"], model["configuration"]) == ("nnUNetTrainer", "3d_fullres")
    assert [*record["parameters"]["model"]] == [
        "plans.json",
        "dataset.json",
        "fold_0/checkpoint_final.pth",
    ]
    log = (cohort.folder / "results/logs/segment_ct/b.log").read_text()
    assert "nnU-Net: perform_everything_on_device=True" in log
    assert not (cohort.folder / "results/masks/dataset.json").exists()


def test_another_label_prepares_again_and_another_model_segments(cohort: Cohort) -> None:
    follows = {"extract_radiomics": 5, "collect_radiomics": 1, "draw_radiomics": 1}
    follows |= {"show_scans": 1}
    assert not cohort.rules("radiomics")
    step = {"segmentation": {"model": "model", "step": 0.7}}
    assert cohort.rules("radiomics", **step) == {"segment_ct": 5, "prepare_scan": 5} | follows
    other = {"segmentation": {"model": "other"}}
    write_model(cohort.folder / "other", plans(), dataset({"background": 0, "a": 1, "tumour": 2}))
    named = {"segmentation": {"model": "other", "label": "a"}}
    assert cohort.rules("radiomics", **named) == {"segment_ct": 5, "prepare_scan": 5} | follows
    done = cohort.snakemake("--dry-run", "radiomics", **other)
    assert "config, segmentation.label: the model has several, name one of a, tumour" in (
        done.stdout + done.stderr
    )
    # The same files elsewhere are the same model.
    (cohort.folder / "copy").symlink_to(cohort.folder / "model")
    assert not cohort.rules("radiomics", segmentation={"model": "copy"})


def test_the_same_bytes_a_second_time(cohort: Cohort) -> None:
    files = [cohort.folder / f"results/masks/b.{ending}" for ending in ("nii.gz", "json")]
    before = [file.read_bytes() for file in files]
    cohort.run("--forcerun", "segment_ct", "--", str(files[0].relative_to(cohort.folder)))
    assert [file.read_bytes() for file in files] == before


class Touches:
    """Unpickled plainly, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_model_that_holds_code_stops_the_run_with_one_message(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model") / "fold_0/checkpoint_final.pth"
    weights = read_checkpoint(path).weights
    torch.save(checkpoint(weights) | {"logging": Touches(tmp_path / "ran")}, path)
    write_volume(tmp_path / "a.nii.gz", tissue(0))
    (tmp_path / "scans.tsv").write_text("scan\tct\na\ta.nii.gz\n")
    config = {"slides": "s.tsv", "scans": "scans.tsv", "segmentation": {"model": "model"}}
    done = Cohort(tmp_path, ROOT / "workflow", config).snakemake("--cores", "1", "segmentation")
    assert done.returncode != 0
    message = (
        "segmentation.model: model/fold_0/checkpoint_final.pth holds Python objects "
        "(posix.system) and is not read"
    )
    assert message in done.stdout + done.stderr
    assert "Traceback" not in (tmp_path / "results/logs/segment_ct/a.log").read_text()
    assert not (tmp_path / "ran").exists()
    assert not list((tmp_path / "results/masks").glob("*"))
