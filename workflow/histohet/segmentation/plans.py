"""The plans of a model of nnU-Net: they name code, and only nnU-Net's own is run.

nnU-Net imports the modules, and calls the functions, that ``plans.json`` names. So a plans file can
run anything that is installed, unless what it names is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PLANS = "plans.json"

AS_STORED = {"SimpleITKIO", "NibabelIO"}
TURNING = {"SimpleITKIOWithReorient", "NibabelIOWithReorient"}
"""Readers of nnU-Net that leave images as they are, and those that turn them to RAS."""

NETWORKS = {
    "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
}
LAYERS = {
    "conv_op": ("conv.Conv2d", "conv.Conv3d"),
    "norm_op": (
        *("instancenorm.InstanceNorm2d", "instancenorm.InstanceNorm3d"),
        *("batchnorm.BatchNorm2d", "batchnorm.BatchNorm3d"),
    ),
    "dropout_op": ("dropout.Dropout2d", "dropout.Dropout3d"),
    "nonlin": ("activation.LeakyReLU", "activation.ReLU", "activation.GELU"),
}
"""Arguments of a network that are classes, and those of ``torch.nn.modules`` that they may be."""

RESAMPLING = {
    *("resample_data_or_seg_to_shape", "resample_torch_fornnunet", "resample_torch_simple"),
}
NAMED = {
    "preprocessor_name": {"DefaultPreprocessor"},
    "UNet_class_name": {"PlainConvUNet", "ResidualEncoderUNet"},  # before nnU-Net 2.4
    "resampling_fn_data": RESAMPLING,
    "resampling_fn_seg": RESAMPLING,
    "resampling_fn_probabilities": RESAMPLING,
}
NORMALISATIONS = {
    *("CTNormalization", "ZScoreNormalization", "NoNormalization"),
    *("RescaleTo01Normalization", "RGBTo01Normalization"),
}


class ModelError(ValueError):
    """A model cannot be used; the message says which key of the section and which file, and why."""

    def __init__(self, fault: str, key: str = "model") -> None:
        super().__init__(f"segmentation.{key}: {fault}")


def check_plans(plans: Mapping[str, Any]) -> None:
    """Check that plans name nothing but what nnU-Net itself writes into them.

    Raises
    ------
    ModelError
        If something else is named, or the plans are none of nnU-Net v2.
    """
    reader = plans.get("image_reader_writer")
    if not _among(reader, AS_STORED | TURNING):
        raise ModelError(f"{PLANS}: reader {reader!r} is none of CTs")
    try:
        named = list(_named_code(plans))
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelError(f"{PLANS} is none of nnU-Net v2: {error!r}") from error
    for key, name, known in named:
        if not _among(name, known):
            raise ModelError(f"{PLANS} names {name!r} as {key}: this is not known, and not run")


def _among(name: object, known: Iterable[str]) -> bool:
    return isinstance(name, str) and name in known


def _named_code(plans: Mapping[str, Any]) -> Iterator[tuple[str, object, Iterable[str]]]:
    """Yield what is code in plans: its key, its name, and the names that are known."""
    yield "label_manager", plans.get("label_manager", "LabelManager"), {"LabelManager"}
    for configuration, settings in plans["configurations"].items():
        for key, name, known in _of_configuration(settings):
            yield f"{configuration}.{key}", name, known


def _of_configuration(
    settings: Mapping[str, Any],
) -> Iterator[tuple[str, object, Iterable[str]]]:
    for key in NAMED.keys() & settings.keys():
        yield key, settings[key], NAMED[key]
    for name in settings.get("normalization_schemes", ()):
        yield "normalization_schemes", name, NORMALISATIONS
    if "architecture" in settings:
        network = settings["architecture"]
        yield "network_class_name", network["network_class_name"], NETWORKS
        for argument in network["_kw_requires_import"]:
            name = network["arch_kwargs"].get(argument)
            if name is not None:
                yield str(argument), name, _layers(argument)


def _layers(argument: object) -> set[str]:
    """Return the classes that an argument of a network may be, with their module and without."""
    known = LAYERS.get(str(argument), ())
    short = {name.partition(".")[2] for name in known}
    return {f"torch.nn.modules.{name}" for name in known} | {f"torch.nn.{name}" for name in short}
