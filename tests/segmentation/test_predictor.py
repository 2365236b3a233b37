"""Our prediction against nnU-Net's own command, voxel for voxel, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from helpers import ROOT
from helpers.nnunet import checkpoint, dataset, network, plans, write_model
from helpers.scans import SPACING, ball, tissue, write_volume
from histohet.ct.reading import read_ct
from histohet.segmentation.checkpoint import read_checkpoint
from histohet.segmentation.mask import segment_scan
from histohet.segmentation.model import read_model
from histohet.segmentation.plans import ModelError
from histohet.segmentation.predictor import Predictor

REGIONS = {"background": 0, "whole": [1, 2], "core": 2}


def by_command(model: Path, ct: str, folder: Path, *options: str) -> np.ndarray[Any, Any]:
    """Return the labels that nnU-Net's command finds in a CT."""
    scans, masks = folder / "scans", folder / "masks"
    scans.mkdir()
    (scans / "case_0000.nii.gz").symlink_to(ct)
    command = [sys.executable, str(ROOT / "tests/segmentation/nnunet_command.py")]
    command += ["nnUNetv2_predict_from_modelfolder", "-i", str(scans), "-o", str(masks)]
    command += ["-m", str(model), "-device", "cpu", "-npp", "1", "-nps", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sitk.GetArrayFromImage(sitk.ReadImage(str(masks / "case.nii.gz")))


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Sequence[int | str], bool, list[str]]] = {
    "patches, one fold": ({}, dataset(), (0,), False, ["-f", "0", "--disable_tta"]),
    "two folds, mirrored": ({}, dataset(), (0, 3), True, ["-f", "0", "3"]),
    "fold all, coarser": (
        {"spacing": (4.0, 2.0, 2.0), "architecture": network((4, 8, 8))},
        dataset({"background": 0, "a": 1, "b": 2}),
        ("all",),
        False,
        ["-f", "all", "--disable_tta"],
    ),
    "regions": (
        {},
        dataset(REGIONS, regions_class_order=[1, 2]),
        (0,),
        False,
        ["-f", "0", "--disable_tta"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_mask_is_that_of_nnunets_command(case: str, tmp_path: Path) -> None:
    changes, labels, folds, mirroring, options = CASES[case]
    folder = write_model(tmp_path / "model", plans(**changes), labels, folds)
    ct = write_volume(tmp_path / "ct.nii.gz", tissue(1))
    theirs = by_command(folder, ct, tmp_path, *options)
    model = read_model(folder)
    assert [*model.checkpoints] == [str(fold) for fold in folds]
    ours = segment_scan(read_ct(ct), Predictor(model, mirroring=mirroring), "LPS")
    assert ours.dtype == theirs.dtype == np.uint8
    assert len(np.unique(theirs)) > 1
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("reader", ["SimpleITKIOWithReorient", "NibabelIOWithReorient"])
def test_a_model_whose_reader_turns_images_gets_what_that_reader_gives(
    reader: str, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", plans() | {"image_reader_writer": reader})
    image = sitk.ReadImage(write_volume(tmp_path / "ct.nii.gz", tissue(2)))
    sitk.WriteImage(sitk.DICOMOrient(image, "SAR"), str(tmp_path / "ct.nii.gz"))
    theirs = by_command(folder, str(tmp_path / "ct.nii.gz"), tmp_path, "-f", "0", "--disable_tta")
    model = read_model(folder)
    orientation = model.orientation("LPS")
    ct = read_ct(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(segment_scan(ct, Predictor(model), orientation), theirs)
    assert (segment_scan(ct, Predictor(model), "LPS") != theirs).any()


def test_a_network_that_finds_what_is_bright(tmp_path: Path) -> None:
    """The network that other tests segment with, so that it is known to find a tumour."""
    folder = write_model(tmp_path, plans(patch=(24, 36, 40)), bright=1.5)
    found = Predictor(read_model(folder)).segment(tissue(0), SPACING).astype(bool)
    truth = ball(14)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9


# --- what is refused ------------------------------------------------------------------------------


def refused(folder: Path, **settings: Any) -> str:
    with pytest.raises(ModelError) as error:
        Predictor(read_model(folder, **settings))
    return str(error.value)


def test_weights_of_another_network(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    other = write_model(tmp_path / "other", plans(architecture=network((4, 8, 8))))
    (other / "fold_0/checkpoint_final.pth").rename(folder / "fold_0/checkpoint_final.pth")
    message = refused(folder)
    assert "plans, labels and weights (trained by nnUNetTrainer) do not go together" in message
    assert "Error(s) in loading state_dict for PlainConvUNet" in message


def test_folds_of_several_configurations(tmp_path: Path) -> None:
    folder = write_model(tmp_path, folds=(0, 1))
    path = folder / "fold_1/checkpoint_final.pth"
    weights = read_checkpoint(path).weights
    torch.save(checkpoint(weights) | {"init_args": {"configuration": "2d"}}, path)
    assert "folds are of different configurations: 2d, 3d_fullres" in refused(folder)


def test_a_configuration_that_is_not_in_the_plans(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    path = folder / "fold_0/checkpoint_final.pth"
    weights = read_checkpoint(path).weights
    torch.save(checkpoint(weights) | {"init_args": {"configuration": "2d"}}, path)
    assert "Requested configuration 2d not found in plans" in refused(folder)


def test_a_cascade(tmp_path: Path) -> None:
    folder = write_model(tmp_path, plans(previous_stage="3d_lowres"))
    assert "configuration 3d_fullres refines the masks of another one" in refused(folder)


def test_labels_without_background(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "dataset.json").write_text('{"channel_names": {"0": "CT"}, "labels": {"a": 1}}')
    assert "Background label not declared" in refused(folder)
