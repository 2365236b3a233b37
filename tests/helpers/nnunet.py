"""Models of nnU-Net in its own layout, without a training: small networks with made weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from histohet.common.torchvision import import_with_torchvision

CONFIGURATION = "3d_fullres"
PATCH, SPACING = (12, 24, 24), (3.0, 1.5, 1.5)
"""Voxels and mm (z, y, x)."""

LABELS = {"background": 0, "tumour": 1}


def dataset(labels: Mapping[str, Any] = LABELS, **more: Any) -> dict[str, Any]:
    """What ``dataset.json`` says."""
    return {
        "channel_names": {"0": "CT"},
        "labels": dict(labels),
        "numTraining": 4,
        "file_ending": ".nii.gz",
        **more,
    }


def network(features: Sequence[int] = (4, 8)) -> dict[str, Any]:
    """The description of a U-Net of one convolution per stage."""
    n = len(features)
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": n,
            "features_per_stage": list(features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * n,
            "strides": [[1, 1, 1], *[[2, 2, 2]] * (n - 1)],
            "n_conv_per_stage": [1] * n,
            "n_conv_per_stage_decoder": [1] * (n - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(
    patch: Sequence[int] = PATCH, spacing: Sequence[float] = SPACING, **changes: Any
) -> dict[str, Any]:
    """What ``plans.json`` says; `changes` are of its configuration."""
    resampling = {"order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": [24.0, 36.0, 40.0],
        "spacing": list(spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **resampling},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **resampling},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **resampling},
        "architecture": network(),
        "batch_dice": False,
        **changes,
    }
    return {
        "dataset_name": "Dataset901_Phantom",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(spacing),
        "original_median_shape_after_transp": [24, 36, 40],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                **{"mean": 40.0, "median": 40.0, "std": 30.0, "min": -50.0, "max": 150.0},
                **{"percentile_00_5": 0.0, "percentile_99_5": 100.0},
            }
        },
    }


def write_folder(
    folder: Path,
    its_plans: Mapping[str, Any] | None = None,
    its_dataset: Mapping[str, Any] | None = None,
    folds: Sequence[int | str] = (0,),
) -> Path:
    """Write a model whose checkpoints hold nothing; enough to plan with."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("plans", its_plans or plans()), ("dataset", its_dataset or dataset())):
        (folder / f"{name}.json").write_text(json.dumps(content))
    for fold in folds:
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        (folder / f"fold_{fold}" / "checkpoint_final.pth").write_bytes(b"nothing")
    return folder


def checkpoint(
    weights: Mapping[str, torch.Tensor], mirrored: Sequence[int] | None = (0, 1, 2)
) -> dict[str, Any]:
    """What nnU-Net's trainer saves, NumPy's scalars in its log included."""
    return {
        "network_weights": dict(weights),
        "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01, "params": [0]}]},
        "grad_scaler_state": None,
        "logging": {"ema_fg_dice": [np.float64(0.5)], "train_losses": [np.float32(0.1)]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 1,
        "init_args": {"configuration": CONFIGURATION, "fold": 0, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": mirrored,
    }


def write_model(
    folder: Path,
    its_plans: dict[str, Any] | None = None,
    its_dataset: dict[str, Any] | None = None,
    folds: Sequence[int | str] = (0,),
    bright: float | None = None,
) -> Path:
    """Write a model with weights, random ones unless it is to find what is bright.

    Parameters
    ----------
    bright
        The network is 1 where the mean over 3 × 3 × 3 voxels is so many standard deviations above
        that of the patch; of two labels and of two stages.
    """
    its_plans, its_dataset = its_plans or plans(), its_dataset or dataset()
    write_folder(folder, its_plans, its_dataset, folds)
    for number, fold in enumerate(folds):
        torch.manual_seed(number)
        made = _network(its_plans, its_dataset)
        if bright is not None:
            _find_bright(made, bright)
        path = folder / f"fold_{fold}" / "checkpoint_final.pth"
        torch.save(checkpoint(made.state_dict()), path)
    return folder


def _network(its_plans: dict[str, Any], its_dataset: dict[str, Any]) -> torch.nn.Module:
    import_with_torchvision("torchvision")
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    managed = PlansManager(its_plans)
    one = managed.get_configuration(CONFIGURATION)
    made: torch.nn.Module = get_network_from_plans(
        one.network_arch_class_name,
        one.network_arch_init_kwargs,
        one.network_arch_init_kwargs_req_import,
        1,
        managed.get_label_manager(its_dataset).num_segmentation_heads,
        deep_supervision=False,
    )
    return made


@torch.no_grad()
def _find_bright(made: torch.nn.Module, threshold: float) -> None:
    """Let the first convolution take the mean, and its first channel through to the end."""
    weights = made.state_dict()
    for name, tensor in weights.items():
        if name.endswith((".conv.weight", ".conv.bias")) or "seg_layers" in name:
            tensor.zero_()
    for name, tensor in weights.items():
        if name.endswith("encoder.stages.0.0.convs.0.conv.weight"):
            tensor[0] = 1 / 27
        if name.endswith("decoder.stages.0.convs.0.conv.weight"):
            # After the channels that come from below.
            tensor[0, tensor.shape[1] // 2, 1, 1, 1] = 1
        if name.endswith("decoder.seg_layers.0.weight"):
            tensor[1, 0] = 1
        if name.endswith("decoder.seg_layers.0.bias"):
            tensor[0] = threshold
    made.load_state_dict(weights)
