"""The folder of a model: what is missing, what is none of CTs, and code that plans name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

from helpers.nnunet import CONFIGURATION, dataset, plans, write_folder
from histohet.segmentation.model import read_model
from histohet.segmentation.plans import ModelError, check_plans


def refused(folder: Path, **how: Any) -> str:
    with pytest.raises(ModelError) as error:
        read_model(folder, **how)
    return str(error.value)


def test_what_a_model_is(tmp_path: Path) -> None:
    labels = {"background": 0, "stomach": 1, "both": [1, 2], "ignore": 3}
    folder = write_folder(tmp_path, its_dataset=dataset(labels), folds=(0, 3, "all"))
    model = read_model(folder)
    assert model.labels == {"stomach": (1,), "both": (1, 2)}
    assert model.name == "Dataset901_Phantom"
    assert [*model.checkpoints] == ["0", "3"]
    assert [*read_model(folder, [3]).checkpoints] == ["3"]
    sums = model.checksums()
    assert [*sums][2:] == ["fold_0/checkpoint_final.pth", "fold_3/checkpoint_final.pth"]
    assert sums["plans.json"] == hashlib.sha256((folder / "plans.json").read_bytes()).hexdigest()


def test_fold_all_where_there_is_no_other(tmp_path: Path) -> None:
    assert [*read_model(write_folder(tmp_path, folds=("all",))).checkpoints] == ["all"]


def test_the_region_is_named_or_the_only_one(tmp_path: Path) -> None:
    model = read_model(write_folder(tmp_path / "one"))
    assert model.label_named(None) == model.label_named("tumour") == "tumour"
    with pytest.raises(ModelError) as error:
        model.label_named("stomach")
    assert str(error.value) == "segmentation.label: the model has no 'stomach', only: tumour"
    with pytest.raises(ModelError, match="the model has no 'tumor', only: tumour; did you mean"):
        model.label_named("tumor")
    labels = {"background": 0, "organ": 1, "tumour": 2}
    several = read_model(write_folder(tmp_path / "two", its_dataset=dataset(labels)))
    assert several.labels[several.label_named("tumour")] == (2,)
    with pytest.raises(ModelError, match="label: the model has several, name one of organ, tum"):
        several.label_named(None)


def test_a_reader_that_turns_wants_ras(tmp_path: Path) -> None:
    for reader, orientation in (("SimpleITKIO", "SPL"), ("NibabelIOWithReorient", "RAS")):
        folder = write_folder(tmp_path / reader, plans() | {"image_reader_writer": reader})
        assert read_model(folder).orientation("SPL") == orientation


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_an_incomplete_folder(name: str, tmp_path: Path) -> None:
    (write_folder(tmp_path) / name).unlink()
    assert refused(tmp_path) == f"segmentation.model: {name} is missing in {tmp_path}"
    (tmp_path / name).write_text("{")
    assert f"{name} is not valid JSON" in refused(tmp_path)


def test_folds_that_are_not_there(tmp_path: Path) -> None:
    write_folder(tmp_path, folds=(1, 2))
    assert refused(tmp_path, folds=[1, 4]) == (
        f"segmentation.model: fold_4/checkpoint_final.pth does not exist in {tmp_path}; there are "
        "folds 1, 2"
    )
    (tmp_path / "fold_1/checkpoint_final.pth").unlink()
    (tmp_path / "fold_2/checkpoint_final.pth").unlink()
    assert refused(tmp_path).startswith(
        "segmentation.model: fold_all/checkpoint_final.pth does not exist"
    )


OF_DATASET: dict[str, tuple[dict[str, Any], str]] = {
    "two channels": (
        dataset(channel_names={"0": "CT", "1": "PET"}),
        "segmentation.model: expects 2 channels, a CT has 1",
    ),
    "none": ({"labels": {"background": 0, "a": 1}}, "dataset.json names no channels"),
    "labels of version 1": (
        {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "a"}},
        "dataset.json: label '0' is 'background', not a number as in nnU-Net v2",
    ),
    "background alone": (dataset({"background": 0}), "dataset.json names no labels"),
    "labels that are no section": (dataset() | {"labels": [1]}, "dataset.json names no labels"),
    "a label below 0": (dataset({"background": 0, "a": -1}), "label 'a' is -1, not a number"),
    "a label that is true": (dataset({"background": 0, "a": True}), "label 'a' is True, not"),
}


@pytest.mark.parametrize("case", OF_DATASET)
def test_training_sets_that_are_none_of_cts(case: str, tmp_path: Path) -> None:
    content, message = OF_DATASET[case]
    assert message in refused(write_folder(tmp_path, its_dataset=content))


# --- plans are code -------------------------------------------------------------------------------


def architecture(changed: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = changed["configurations"][CONFIGURATION]["architecture"]
    return one


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda changed: changed["configurations"][CONFIGURATION].update({key: value})


def argument(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda changed: architecture(changed)["arch_kwargs"].update({name: value})


def imported(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Another argument of the network is to be imported."""

    def change(changed: dict[str, Any]) -> None:
        architecture(changed)["_kw_requires_import"].append(name)
        argument(name, value)(changed)

    return change


def inherited(changed: dict[str, Any]) -> None:
    changed["configurations"]["base"] = {"preprocessor_name": "os"}
    put("inherits_from", "base")(changed)


CODE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "network": (
        lambda changed: architecture(changed).update(network_class_name="os.system"),
        "names 'os.system' as 3d_fullres.network_class_name",
    ),
    "network of the package": (
        lambda changed: architecture(changed).update(
            network_class_name="dynamic_network_architectures.architectures.unet.os.system"
        ),
        "as 3d_fullres.network_class_name: this is not known, and not run",
    ),
    "layer": (argument("conv_op", "subprocess.run"), "'subprocess.run' as 3d_fullres.conv_op"),
    "layer of another kind": (
        argument("norm_op", "torch.nn.LeakyReLU"),
        "'torch.nn.LeakyReLU' as 3d_fullres.norm_op",
    ),
    "loading": (argument("nonlin", "torch.load"), "names 'torch.load' as 3d_fullres.nonlin"),
    "argument": (imported("n_stages", "os.abort"), "names 'os.abort' as 3d_fullres.n_stages"),
    "no name": (argument("conv_op", 3), "names 3 as 3d_fullres.conv_op"),
    "preprocessor": (put("preprocessor_name", "join"), "'join' as 3d_fullres.preprocessor_name"),
    "resampling": (
        put("resampling_fn_data", "map_coordinates"),
        "'map_coordinates' as 3d_fullres.resampling_fn_data",
    ),
    "normalisation": (
        put("normalization_schemes", ["ABC"]),
        "'ABC' as 3d_fullres.normalization_schemes",
    ),
    "old network": (put("UNet_class_name", "os"), "'os' as 3d_fullres.UNet_class_name"),
    "labels": (lambda changed: changed.update(label_manager="os"), "names 'os' as label_manager"),
    "inherited": (inherited, "names 'os' as base.preprocessor_name"),
    "reader": (
        lambda changed: changed.update(image_reader_writer="NaturalImage2DIO"),
        "plans.json: reader 'NaturalImage2DIO' is none of CTs",
    ),
    "no configurations": (lambda changed: changed.pop("configurations"), "is none of nnU-Net v2"),
    "no section": (lambda changed: changed.update(configurations=[1]), "is none of nnU-Net v2"),
    "a network without a class": (
        lambda changed: architecture(changed).pop("network_class_name"),
        "is none of nnU-Net v2: KeyError('network_class_name')",
    ),
}


@pytest.mark.parametrize("case", CODE)
def test_code_that_is_not_nnunets_is_refused(case: str) -> None:
    change, message = CODE[case]
    changed = plans()
    change(changed)
    with pytest.raises(ModelError) as error:
        check_plans(json.loads(json.dumps(changed)))
    assert message in str(error.value)


def test_what_nnunet_writes_is_known() -> None:
    changed = plans()
    argument("norm_op", "torch.nn.modules.instancenorm.InstanceNorm2d")(changed)
    argument("dropout_op", "torch.nn.Dropout3d")(changed)
    put("resampling_fn_data", "resample_torch_fornnunet")(changed)
    check_plans(changed)
    old = plans(UNet_class_name="PlainConvUNet")
    del old["configurations"][CONFIGURATION]["architecture"]
    check_plans(old)
