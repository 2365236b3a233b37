"""The training of a segmentation in the plan: its files, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.trainingsets import write_about
from plan.interface import PlanError
from plan.plan import Plan, make_plan

NOTHING: Any = SimpleNamespace()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for part, end in (("imagesTr", "_0000"), ("labelsTr", "")):
        (tmp_path / "Dataset001_A" / part).mkdir(parents=True)
        for name in "abcde":
            (tmp_path / f"Dataset001_A/{part}/{name}{end}.nii.gz").touch()
    write_about(tmp_path / "Dataset001_A", numTraining=5)
    return tmp_path


def planned(**section: Any) -> Plan:
    training = {"dataset": "Dataset001_A"} | section
    return make_plan({"slides": "none.tsv", "segmentation_training": training})


def test_the_model_is_made_of_images_and_labels() -> None:
    training = planned(folds=[0, 3]).training
    assert training.model(NOTHING) == "results/segmentation/model"
    assert training.models(NOTHING) == [
        "results/segmentation/training/fold_0/checkpoint_final.pth",
        "results/segmentation/training/fold_3/checkpoint_final.pth",
    ]
    files = training.files(NOTHING)
    assert files[:3] == [
        "Dataset001_A/dataset.json",
        "Dataset001_A/imagesTr/a_0000.nii.gz",
        "Dataset001_A/labelsTr/a.nii.gz",
    ]
    assert len(files) == 11


def test_plans_do_not_depend_on_how_long_networks_are_trained() -> None:
    one, other = planned(epochs=1, folds=[0]).training, planned(epochs=2, folds="all").training
    assert one.of_plan(NOTHING) == other.of_plan(NOTHING)
    assert one.of_network(NOTHING) != other.of_network(NOTHING)
    assert other.folds(NOTHING) == ["all"]


def test_memory_goes_by_the_largest_scan(folder: Path) -> None:
    with (folder / "Dataset001_A/imagesTr/c_0000.nii.gz").open("wb") as file:
        file.truncate(100_000_000)
    assert planned().training.mem_mb(NOTHING) == 2500 + 6000


def test_a_training_set_is_only_looked_at_when_it_is_asked_for(folder: Path) -> None:
    (folder / "Dataset001_A/labelsTr/b.nii.gz").unlink()
    training = planned().training
    with pytest.raises(PlanError, match=r"config, segmentation_training.dataset: image of 'b'"):
        training.model(NOTHING)


def test_too_few_cases_for_folds(folder: Path) -> None:
    for file in ("imagesTr/b_0000.nii.gz", "labelsTr/b.nii.gz"):
        (folder / "Dataset001_A" / file).unlink()
    write_about(folder / "Dataset001_A", numTraining=4)
    with pytest.raises(PlanError, match="4 cases cannot be dealt into 5 folds"):
        planned().training.model(NOTHING)
    assert planned(folds="all").training.model(NOTHING)


def test_without_the_section_nothing_is_trained(folder: Path) -> None:
    (folder / "slides.tsv").write_text("slide\tpath\na\ta.svs\n")
    training = make_plan({"slides": "slides.tsv"}).training
    assert not training.small
    with pytest.raises(PlanError, match="there is no section `segmentation_training`"):
        training.model(NOTHING)
