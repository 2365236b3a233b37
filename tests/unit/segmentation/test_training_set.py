"""Training sets in nnU-Net's layout, by their names: what is found, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.trainingsets import write_about
from histohet.segmentation.training_set import TrainingSetError, check_folds, read_training_set


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five cases whose files are empty: nothing is opened."""
    folder = tmp_path / "Dataset011_Gastric"
    for part in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / part).mkdir(parents=True)
    for name in ("b", "a.1", "case_2", "case_10", "C"):
        (folder / f"imagesTr/{name}_0000.nii.gz").touch()
        (folder / f"labelsTr/{name}.nii.gz").touch()
    (folder / "imagesTr/.DS_Store").touch()
    write_about(folder, numTraining=5)
    return folder


def test_cases_are_found_by_their_names(dataset: Path) -> None:
    found = read_training_set(dataset)
    assert [case.name for case in found.cases] == ["C", "a.1", "b", "case_10", "case_2"]
    assert found.name == "Dataset011_Gastric"
    assert found.labels == {"background": 0, "stomach": 1}
    assert found.files[:3] == [
        str(dataset / "dataset.json"),
        str(dataset / "imagesTr/C_0000.nii.gz"),
        str(dataset / "labelsTr/C.nii.gz"),
    ]
    check_folds(found, ["0", "4"])


def test_fewer_cases_than_folds_can_only_be_trained_on_all(dataset: Path) -> None:
    for file in (dataset / "imagesTr/b_0000.nii.gz", dataset / "labelsTr/b.nii.gz"):
        file.unlink()
    write_about(dataset, numTraining=4)
    found = read_training_set(dataset)
    check_folds(found, ["all"])
    with pytest.raises(TrainingSetError, match="4 cases cannot be dealt into 5 folds: more are"):
        check_folds(found, ["0"])


def test_folds_may_be_dealt_already(dataset: Path) -> None:
    splits = [{"train": ["a.1", "b"], "val": ["C"]}, {"train": ["C"], "val": ["a.1", "b"]}]
    (dataset / "splits_final.json").write_text(json.dumps(splits))
    found = read_training_set(dataset)
    assert found.folds == tuple(splits)
    assert found.files[:2] == [str(dataset / "dataset.json"), str(dataset / "splits_final.json")]
    check_folds(found, ["0", "1", "all"])
    with pytest.raises(TrainingSetError, match=r"splits_final.json deals 2 folds: there is no fol"):
        check_folds(found, ["0", "2"])


SPLITS: list[tuple[object, str]] = [
    ({}, " is no list of splits"),
    ([], " is no list of splits"),
    ([["a.1"]], " is no list of splits"),
    ([{"train": ["a.1"]}], " is no list of splits"),
    ([{"train": ["a.1"], "val": []}], " is no list of splits"),
    ([{"train": ["a.1"], "val": [1]}], " is no list of splits"),
    ([{"train": ["a.1"], "val": ["x"]}], ", fold 0: there is no case 'x'"),
    ([{"train": ["b", "C"], "val": ["C"]}], ", fold 0: case 'C' comes twice"),
]


@pytest.mark.parametrize(("splits", "message"), SPLITS)
def test_dealt_folds_are_checked(dataset: Path, splits: object, message: str) -> None:
    (dataset / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(TrainingSetError) as error:
        read_training_set(dataset)
    assert f"{dataset}/splits_final.json{message}" in str(error.value)


ABOUT = [
    ({"labels": None}, "'labels' is missing"),
    ({"channel_names": None, "file_ending": None}, "'channel_names', 'file_ending' is missing"),
    ({"channel_names": {"0": "T1"}}, "channel_names are {'0': 'T1'}, of CTs {\"0\": \"CT\"}"),
    ({"channel_names": {"0": "CT", "1": "PET"}}, "of CTs"),
    ({"channel_names": "CT"}, "of CTs"),
    ({"file_ending": ".png"}, "file_ending is '.png', none of .nii.gz, .nrrd, .mha"),
    ({"file_ending": ["x"]}, "file_ending is ['x'], none of"),
    ({"dataset": {}}, "'dataset' names files elsewhere"),
    ({"labels": {"background": 0}}, "background and one more are needed"),
    ({"labels": ["background", "stomach"]}, "background and one more are needed"),
    ({"labels": {"background": 0, "a": 2}}, "labels are 0, 2, not 0 to 1"),
    ({"labels": {"background": 0, "a": 1, "b": 1}}, "labels are 0, 1, 1, not 0 to 2"),
    ({"labels": {"background": 0, "a": True}}, "labels are 0, True, not 0 to 1"),
    ({"labels": {"background": 0, "a": "1"}}, "labels are 0, 1, not 0 to 1"),
    ({"labels": {"0": "background", "1": "a"}}, "'background' is no label, or not 0"),
    ({"labels": {"background": 1, "a": 0}}, "'background' is no label, or not 0"),
    ({"labels": {"background": 0, "a": [1, 2]}}, "labels are regions of several numbers"),
    ({"labels": {"background": 0, "a": 1, "ignore": 2}}, "a label 'ignore' is not supported"),
    ({"numTraining": 200}, "numTraining is 200, and there are 5 cases"),
]


@pytest.mark.parametrize(("changes", "message"), ABOUT)
def test_what_it_says_of_itself_is_checked(
    dataset: Path, changes: dict[str, object], message: str
) -> None:
    write_about(dataset, **({"numTraining": 5} | changes))
    with pytest.raises(TrainingSetError) as error:
        read_training_set(dataset)
    assert str(error.value).startswith(f"{dataset}/dataset.json: ")
    assert message in str(error.value)


FILES: list[tuple[Callable[[Path], object], str]] = [
    (lambda at: (at / "dataset.json").unlink(), "dataset.json does not exist"),
    (lambda at: (at / "dataset.json").write_text("{"), "dataset.json is not valid JSON: "),
    (lambda at: (at / "dataset.json").write_bytes(b"\xff"), "dataset.json is not valid JSON: "),
    (lambda at: (at / "dataset.json").write_text("[]"), "does not hold a JSON object"),
    (lambda at: (at / "labelsTr").rename(at / "labels"), "labelsTr is missing, or no folder"),
    (
        lambda at: (at / "labelsTr/b.nii.gz").unlink(),
        "image of 'b' without {at}/labelsTr/b.nii.gz",
    ),
    (
        lambda at: (at / "imagesTr/b_0000.nii.gz").unlink(),
        "labels of 'b' without {at}/imagesTr/b_0000.nii.gz",
    ),
    (
        lambda at: (at / "imagesTr/b_0001.nii.gz").touch(),
        "{at}/imagesTr/b_0001.nii.gz is not called <case>_0000.nii.gz",
    ),
    (
        lambda at: (at / "imagesTr/a b_0000.nii.gz").touch(),
        "{at}/imagesTr/a b_0000.nii.gz is not called",
    ),
    (
        lambda at: (at / "labelsTr/x.nii").touch(),
        "{at}/labelsTr/x.nii does not end in .nii.gz",
    ),
]


@pytest.mark.parametrize(("damage", "message"), FILES)
def test_its_files_are_checked(
    dataset: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(dataset)
    with pytest.raises(TrainingSetError) as error:
        read_training_set(dataset)
    assert message.format(at=dataset) in str(error.value)


def test_the_folder_has_a_name_of_nnunet(dataset: Path) -> None:
    other = dataset.rename(dataset.with_name("Gastric"))
    with pytest.raises(TrainingSetError, match="'Gastric' is no name of an nnU-Net dataset"):
        read_training_set(other)
