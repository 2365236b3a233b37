"""Training by nnU-Net's recipe: its plans and voxels, what is seeded, and what is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from helpers.scans import ball, tissue, write_volume
from helpers.trainingsets import write_training_set
from histohet.common.provenance import Provenance
from histohet.segmentation.checkpoint import read_checkpoint
from histohet.segmentation.training import Lesson, Training, dice
from histohet.segmentation.training_cases import (
    KeptCases,
    Voxels,
    describe,
    fingerprint_of,
    keep_case,
    read_case,
)
from histohet.segmentation.training_plan import deal_folds, make_plans, samples_per_case
from histohet.segmentation.training_set import (
    Case,
    TrainingSet,
    TrainingSetError,
    read_training_set,
)

CONFIGURATION = "3d_fullres"
SHORT = {"epochs": 3, "iterations": 2}


class Prepared(NamedTuple):
    """A training set on its way to a training."""

    found: TrainingSet
    voxels: dict[str, Voxels]
    plans: dict[str, Any]
    folder: Path

    def lesson(self, seed: int = 3, fold: str = "0") -> Lesson:
        dealt = deal_folds(list(self.voxels), 1)[fold]
        about = dict(self.found.about)
        return Lesson(self.plans, about, CONFIGURATION, self.folder, **dealt, fold=fold, seed=seed)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("training")
    found = read_training_set(write_training_set(folder))
    voxels = {case.name: read_case(case, [0, 1]) for case in found.cases}
    samples = samples_per_case("small", len(voxels))
    fingerprint = fingerprint_of([describe(one, samples) for one in voxels.values()])
    plans = make_plans(found, fingerprint, "small", CONFIGURATION)
    kept = folder / "kept"
    kept.mkdir()
    for name, one in voxels.items():
        keep_case(kept, name, one, plans, CONFIGURATION, dict(found.about))
    return Prepared(found, voxels, plans, kept)


# --- plans and prepared cases ---------------------------------------------------------------------


def test_a_small_network_fits_the_scans(prepared: Prepared) -> None:
    planned = prepared.plans["configurations"][CONFIGURATION]
    network = planned["architecture"]["arch_kwargs"]
    assert planned["spacing"] == [3.0, 1.5, 1.5]
    assert tuple(planned["patch_size"]) == (16, 32, 32)
    assert tuple(network["features_per_stage"]) == (8, 16, 32)
    assert tuple(network["n_conv_per_stage"]) == (1, 1, 1)
    assert planned["normalization_schemes"] == ["CTNormalization"]
    assert prepared.plans["image_reader_writer"] == "SimpleITKIO"


def test_a_patch_is_no_larger_than_the_scans(prepared: Prepared) -> None:
    scans = [
        Voxels(np.zeros((1, 9, 20, 24), np.float32), np.ones((1, 9, 20, 24), np.int16), (3, 1, 1))
    ]
    fingerprint = fingerprint_of([describe(_in_air(one), 100) for one in scans])
    plans = make_plans(prepared.found, fingerprint, "small", CONFIGURATION)
    patch = plans["configurations"][CONFIGURATION]["patch_size"]
    assert all(side <= size for side, size in zip(patch, (9, 20, 24), strict=True))


def _in_air(scan: Voxels) -> Voxels:
    return scan._replace(image=scan.image - 1000)


def test_plans_and_voxels_are_those_of_nnunet(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
    )
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    monkeypatch.setenv("nnUNet_raw", str(Path(prepared.found.file).parents[1]))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    wanted = extract_fingerprint_dataset(11, num_processes=1, show_progress_bar=False)
    plans, _ = plan_experiment_dataset(11)
    samples = samples_per_case("default", len(prepared.voxels))
    fingerprint = fingerprint_of([describe(one, samples) for one in prepared.voxels.values()])
    assert fingerprint == json.loads(
        (tmp_path / prepared.found.name / "dataset_fingerprint.json").read_text()
    )
    assert wanted["spacings"]
    ours = make_plans(prepared.found, fingerprint, "default", CONFIGURATION)
    assert json.loads(json.dumps(ours)) == json.loads(json.dumps(plans))

    case, manager = prepared.found.cases[0], PlansManager(ours)
    image, labels, _ = DefaultPreprocessor(verbose=False).run_case(
        [case.image],
        case.label,
        manager,
        manager.get_configuration(CONFIGURATION),
        dict(prepared.found.about),
    )
    keep_case(
        tmp_path,
        case.name,
        prepared.voxels[case.name],
        ours,
        CONFIGURATION,
        dict(prepared.found.about),
    )
    kept = KeptCases(tmp_path, [case.name], [0, 1]).load_case(case.name)
    np.testing.assert_array_equal(kept[0][:], image)
    np.testing.assert_array_equal(kept[1][:], labels)
    places = kept[3]["class_locations"][1]
    assert len(places) == (labels == 1).sum()
    assert (labels[tuple(places.T)] == 1).all()


def test_a_case_is_turned_to_one_orientation(prepared: Prepared, tmp_path: Path) -> None:
    case = prepared.found.cases[0]
    turned = {}
    for name, file in (("image", case.image), ("label", case.label)):
        turned[name] = str(tmp_path / f"{name}.nii.gz")
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(file), "RAI"), turned[name])
    found = read_case(Case(case.name, **turned), [0, 1])
    np.testing.assert_array_equal(found.image, prepared.voxels[case.name].image)
    np.testing.assert_array_equal(found.labels, prepared.voxels[case.name].labels)


def test_a_prepared_case_is_the_same_bytes_again(prepared: Prepared, tmp_path: Path) -> None:
    name, voxels = next(iter(prepared.voxels.items()))
    keep_case(tmp_path, name, voxels, prepared.plans, CONFIGURATION, dict(prepared.found.about))
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(again) == 3
    assert again == {one: (prepared.folder / one).read_bytes() for one in again}


def test_a_configuration_that_is_not_planned(prepared: Prepared) -> None:
    fingerprint = fingerprint_of([describe(one, 100) for one in prepared.voxels.values()])
    with pytest.raises(TrainingSetError, match="no '3d_lowres' is planned for these scans, only"):
        make_plans(prepared.found, fingerprint, "small", "3d_lowres")


def test_folds_go_by_the_seed_and_not_by_the_order() -> None:
    names = [f"c{number}" for number in range(11)]
    folds = deal_folds(names, 1)
    assert list(folds) == ["all", "0", "1", "2", "3", "4"]
    assert folds == deal_folds(names[::-1], 1)
    assert folds != deal_folds(names, 2)
    held_out = [one for fold in "01234" for one in folds[fold]["val"]]
    assert sorted(held_out) == sorted(names)
    for fold in "01234":
        assert sorted(folds[fold]["train"] + folds[fold]["val"]) == sorted(names)
    assert folds["all"]["train"] == sorted(names)
    assert list(deal_folds(names[:4], 1)) == ["all"]
    given = [{"train": ["c1", "c2"], "val": ["c3"]}]
    assert deal_folds(names, 1, given) == {"all": folds["all"], "0": given[0]}


# --- what is refused ------------------------------------------------------------------------------


def case_of(folder: Path, image: Any, label: Any, **where: Any) -> Case:
    return Case(
        "x",
        write_volume(folder / "i.nii.gz", image),
        write_volume(folder / "l.nii.gz", label, **where),
    )


def test_a_label_on_another_grid(tmp_path: Path) -> None:
    case = case_of(tmp_path, tissue(), ball(9), origin=(0, 0, 0))
    with pytest.raises(TrainingSetError, match="case 'x': mask: origin differs by"):
        read_case(case, [0, 1])
    case = case_of(tmp_path, tissue(), ball(9)[:-1])
    with pytest.raises(TrainingSetError, match="case 'x': mask: 40 × 36 × 23 voxels, the CT has"):
        read_case(case, [0, 1])


def test_a_label_that_is_not_named(tmp_path: Path) -> None:
    label = ball(9).astype(np.uint8) * 3
    with pytest.raises(
        TrainingSetError, match=r"case 'x': mask: label 3 is not in dataset.json, wh"
    ):
        read_case(case_of(tmp_path, tissue(), label), [0, 1])
    with pytest.raises(TrainingSetError, match=r"case 'x': mask: 1.5 is no label"):
        read_case(case_of(tmp_path, tissue(), label * 0.5), [0, 1])


def test_an_image_that_is_no_ct(tmp_path: Path) -> None:
    with pytest.raises(TrainingSetError, match="case 'x': ct: values 0 to 255 are no Hounsfield"):
        read_case(
            case_of(tmp_path, np.arange(40 * 36 * 24).reshape(24, 36, 40) % 256, ball(9)), [0, 1]
        )
    holes = tissue().astype(np.float32)
    holes[0, 0, :3] = np.nan
    with pytest.raises(TrainingSetError, match="case 'x': ct: 3 voxels are not finite"):
        read_case(case_of(tmp_path, holes, ball(9)), [0, 1])


def test_cases_without_any_foreground(tmp_path: Path) -> None:
    voxels = read_case(case_of(tmp_path, tissue(), ball(9)), [0, 1])
    empty = voxels._replace(labels=np.zeros_like(voxels.labels))
    with pytest.raises(TrainingSetError, match="no voxel of any case has a label"):
        fingerprint_of([describe(empty, 100)])
    # One of several may be empty.
    both = fingerprint_of([describe(one, 100) for one in (empty, voxels)])
    alone = fingerprint_of([describe(voxels, 100)])
    channels = "foreground_intensity_properties_per_channel"
    assert both[channels] == alone[channels]


# --- training -------------------------------------------------------------------------------------


def weights(training: Training, folder: Path) -> dict[str, bytes]:
    path = folder / "checkpoint_final.pth"
    training.write(path, Provenance())
    found = read_checkpoint(path).weights
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


def trained(lesson: Lesson, folder: Path, readers: int = 0) -> dict[str, bytes]:
    folder.mkdir()
    training = Training(lesson, **SHORT, folder=folder, readers=readers)
    training.run()
    assert training.history["epoch"].tolist() == [1, 2, 3]
    return weights(training, folder)


def test_the_seed_says_all(prepared: Prepared, tmp_path: Path) -> None:
    once = trained(prepared.lesson(), tmp_path / "once")
    assert trained(prepared.lesson(), tmp_path / "twice") == once
    # Whoever draws the batches.
    assert trained(prepared.lesson(), tmp_path / "read", readers=2) == once
    other = trained(prepared.lesson(seed=4), tmp_path / "other")
    assert all(other[name] != once[name] for name in once if name.endswith("conv.weight"))


def test_a_training_goes_on_where_it_was(prepared: Prepared, tmp_path: Path) -> None:
    lesson = prepared.lesson()
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    wanted = Training(lesson, **SHORT, folder=undisturbed)
    wanted.run()
    Training(lesson, **SHORT, folder=tmp_path).go_on()
    np.random.seed(0)  # noqa: NPY002  what is drawn meanwhile does not matter
    torch.rand(3)
    second = Training(lesson, **SHORT, folder=tmp_path)
    assert second.done == 1
    second.go_on()
    third = Training(lesson, **SHORT, folder=tmp_path)
    third.run()
    assert third.history.equals(wanted.history)
    assert weights(third, tmp_path) == weights(wanted, undisturbed)
    # A damaged checkpoint is none: it begins anew, and comes to the same.
    (checkpoint,) = tmp_path.glob("checkpoint.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    fourth = Training(lesson, **SHORT, folder=tmp_path)
    assert fourth.done == 0
    fourth.run()
    assert weights(fourth, tmp_path) == weights(wanted, undisturbed)


def test_a_model_holds_tensors_and_plain_values(prepared: Prepared, tmp_path: Path) -> None:
    training = Training(prepared.lesson(), epochs=1, iterations=1, folder=tmp_path)
    training.run()
    path = tmp_path / "checkpoint_final.pth"
    training.write(path, Provenance({"seed": 3}))
    found = torch.load(path, weights_only=True)  # without any class allowed
    assert found["trainer_name"] == "nnUNetTrainer"
    assert found["init_args"]["configuration"] == CONFIGURATION
    assert json.loads(found["provenance"])["parameters"] == {"seed": 3}
    before = path.read_bytes()
    training.write(path, Provenance({"seed": 3}))
    assert path.read_bytes() == before


def test_slices_with_several_labels(prepared: Prepared, tmp_path: Path) -> None:
    about = dict(prepared.found.about) | {"labels": {"background": 0, "upper": 1, "lower": 2}}
    found = replace(prepared.found, about=about, labels=about["labels"])
    voxels = {}
    for name, one in prepared.voxels.items():
        labels = one.labels.copy()
        labels[:, 12:] *= 2
        voxels[name] = one._replace(labels=labels)
    fingerprint = fingerprint_of([describe(one, 100) for one in voxels.values()])
    plans = make_plans(found, fingerprint, "small", "2d")
    for name, one in voxels.items():
        keep_case(tmp_path, name, one, plans, "2d", about)
    lesson = prepared.lesson()._replace(
        plans=plans, about=about, configuration="2d", cases=tmp_path
    )
    folder = tmp_path / "trained"
    folder.mkdir()
    training = Training(lesson, epochs=1, iterations=1, folder=folder)
    training.run()
    validation = training.validate()
    assert validation["label"].tolist() == ["upper", "lower"] * len(lesson.val)
    assert np.isfinite(training.history["pseudo_dice"]).all()


def test_neither_the_environment_nor_the_terminal_hears_of_it(
    prepared: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(os.environ)
    training = Training(prepared.lesson(), epochs=1, iterations=1, folder=tmp_path)
    training.run()
    training.validate()
    assert dict(os.environ) == before
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_on_all_cases_nothing_is_held_out(prepared: Prepared, tmp_path: Path) -> None:
    training = Training(prepared.lesson(fold="all"), epochs=1, iterations=1, folder=tmp_path)
    training.run()
    assert training.validate().empty


def test_held_out_cases_are_judged(prepared: Prepared, tmp_path: Path) -> None:
    lesson = prepared.lesson()
    training = Training(lesson, epochs=1, iterations=1, folder=tmp_path)
    found = training.validate()
    assert found["case"].tolist() == lesson.val
    assert found["label"].unique().tolist() == ["stomach"]
    truth = [int(prepared.voxels[name].labels.sum()) for name in lesson.val]
    assert found["n_voxels"].tolist() == truth
    # Validation leaves the training as it was.
    training.run()
    assert training.done == 1


def test_dice() -> None:
    one, other = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert dice(one, other) == 0.5
    assert dice(one, one) == 1
    assert dice(one, ~one) == 0
    assert np.isnan(dice(one & ~one, one & ~one))
