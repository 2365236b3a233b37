"""Scans without a mask in the plan: which are segmented, by which model, with how much memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

from helpers.nnunet import dataset, write_folder
from helpers.scans import write_volume
from plan.interface import PlanError
from plan.plan import Plan, make_plan

SCANS = """scan\tct\tmask\tfeatures
own\town.nii.gz\tm.nii.gz\t
found\tfound.nii.gz\t\t
done\t\t\tf.csv
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans.tsv").write_text(SCANS)
    write_folder(tmp_path / "model", its_dataset=dataset({"background": 0, "a": 1, "b": [1, 2]}))
    write_volume(tmp_path / "found.nii.gz", np.zeros((50, 100, 200), np.int16))
    (tmp_path / "own.nii.gz").touch()
    return tmp_path


def planned(**section: Any) -> Plan:
    segmentation = {"model": "model", "label": "b", **section}
    return make_plan({"slides": "s.tsv", "scans": "scans.tsv", "segmentation": segmentation})


def of(**wildcards: str) -> Any:
    return SimpleNamespace(**wildcards)


def test_only_scans_without_a_mask_are_segmented() -> None:
    scans = planned().scans
    assert scans.segmented == ["found"]
    assert scans.segmented_files(of(scan="found")) == [
        "results/masks/found.nii.gz",
        "results/masks/found.json",
    ]
    assert scans.segmented_files(of(scan="own")) == []
    assert scans.region(of(scan="found")) == "b"
    assert scans.region(of(scan="own")) is None
    (mask,) = scans.row(of(scan="found"))["masks"]
    assert mask == {"path": "results/masks/found.nii.gz", "labels": (1, 2), "reader": ""}
    assert scans.row(of(scan="own"))["masks"][0]["path"] == "m.nii.gz"
    assert [row["region_from"] for row in scans.about] == ["sheet", "segmentation", None]
    assert scans.files(of(scan="found")) == [scans.ct(of(scan="found"))] == ["found.nii.gz"]
    with pytest.raises(PlanError, match=r"scan 'own' has a mask in scans\.tsv"):
        scans.ct(of(scan="own"))
    with pytest.raises(PlanError, match="scan 'done' has finished features"):
        scans.ct(of(scan="done"))


def test_memory_goes_by_the_voxels_of_the_header(folder: Path) -> None:
    scans = planned().scans
    large = scans.segment_mem_mb(of(scan="found"))
    write_volume(folder / "found.nii.gz", np.zeros((5, 100, 200), np.int16))
    assert large - scans.segment_mem_mb(of(scan="found")) == pytest.approx((150 + 2 * 15) * 0.9)
    (folder / "found.nii.gz").unlink()
    assert scans.segment_mem_mb(of(scan="found")) == 2000


def test_a_model_is_known_by_its_content(folder: Path) -> None:
    model = planned().scans.segmentation.model(of())
    assert [*model] == ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"]
    (folder / "moved").symlink_to("model")
    assert planned(model="moved").scans.segmentation.model(of()) == model
    (folder / "model/fold_0/checkpoint_final.pth").write_bytes(b"other")
    assert planned().scans.segmentation.model(of()) != model
    how = {"step": 0.5, "mirroring": False, "orientation": "LPS"}
    assert planned().scans.segmentation.how(of()) == how


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": "away"}, "config, segmentation.model: plans.json is missing in away"),
    ({"folds": [7]}, "config, segmentation.model: fold_7/checkpoint_final.pth does not exist"),
    ({"label": "c"}, "config, segmentation.label: the model has no 'c', only: a, b"),
]


@pytest.mark.parametrize(("section", "message"), WRONG)
def test_a_model_is_read_when_a_scan_needs_it(section: dict[str, Any], message: str) -> None:
    scans = planned(**section).scans
    scans.row(of(scan="own"))
    with pytest.raises(PlanError) as error:
        scans.row(of(scan="found"))
    assert str(error.value).startswith(message)


def test_without_the_section_a_scan_without_a_mask_is_refused(folder: Path) -> None:
    with pytest.raises(PlanError) as error:
        make_plan({"slides": "s.tsv", "scans": "scans.tsv"})
    assert str(error.value) == (
        "config, scans: scans.tsv, row 3: scan 'found' has no mask: name one, or finished "
        "features, or a model in the section `segmentation`"
    )
    (folder / "scans.tsv").write_text("scan\tct\tmask\nown\town.nii.gz\tm.nii.gz\n")
    scans = make_plan({"slides": "s.tsv", "scans": "scans.tsv"}).scans
    assert scans.segmented == []
    with pytest.raises(PlanError, match="there is no section `segmentation`"):
        scans.segmentation.model(of())
