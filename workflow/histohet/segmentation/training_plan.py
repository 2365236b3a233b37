"""What a training follows: nnU-Net's plans of networks, and which cases each fold holds out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
    ExperimentPlanner,
)
from nnunetv2.utilities.crossval_split import generate_crossval_split

from histohet.common.files import write_json
from histohet.common.settings import quoted
from histohet.segmentation.chatter import chatter_in_log
from histohet.segmentation.settings import N_FOLDS
from histohet.segmentation.training_cases import INTENSITIES
from histohet.segmentation.training_set import Split, TrainingSet, TrainingSetError

FEWER_INTENSITIES = 10**4
"""Voxels per case for the statistics of `plan: small`."""

SMALL_GB = 0.01
"""GPU memory that `small` is planned for: patches of some 16 × 32 × 32 voxels."""


@contextmanager
def quiet_nnunet(**variables: str | Path | int) -> Iterator[None]:
    """Send what nnU-Net prints to the log, with some of its environment variables set meanwhile.

    Parameters
    ----------
    variables
        By their names without ``nnUNet_``.
    """
    names = {f"nnUNet_{name}": str(value) for name, value in variables.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        with chatter_in_log():
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def samples_per_case(plan: str, n_cases: int) -> int:
    """Return how many voxels of the foreground of each case its fingerprint is made of."""
    return FEWER_INTENSITIES if plan == "small" else INTENSITIES // n_cases


def make_plans(
    found: TrainingSet, fingerprint: Mapping[str, Any], plan: str, configuration: str
) -> dict[str, Any]:
    """Return nnU-Net's plans for a training set, as they stand in `plans.json`.

    Parameters
    ----------
    fingerprint
        See `histohet.segmentation.training_cases.fingerprint_of`.
    plan
        ``default`` or ``small``.
    configuration
        One that has to be among them.

    Raises
    ------
    TrainingSetError
        If nnU-Net plans no such configuration for it.
    """
    with (
        TemporaryDirectory() as raw,
        TemporaryDirectory() as prepared,
        quiet_nnunet(raw=raw, preprocessed=prepared, n_proc_DA=1),
    ):
        # Named here, images are neither listed by a dozen processes nor opened to find a reader.
        files = {case.name: {"images": [case.image], "label": case.label} for case in found.cases}
        about = {**found.about, "dataset": files, "overwrite_image_reader_writer": "SimpleITKIO"}
        write_json(Path(raw, found.name, "dataset.json"), about)
        write_json(Path(prepared, found.name, "dataset_fingerprint.json"), fingerprint)
        planner = ExperimentPlanner(found.name)
        if plan == "small":
            _shrink(planner)
        plans: dict[str, Any] = planner.plan_experiment()
    if configuration not in plans["configurations"]:
        raise TrainingSetError(
            f"no '{configuration}' is planned for these scans, only "
            f"{quoted(sorted(plans['configurations']))}"
        )
    return plans


def _shrink(planner: ExperimentPlanner) -> None:
    """Make a planner plan a network that a processor trains in minutes."""
    planner.UNet_base_num_features = 8
    planner.UNet_max_features_2d = planner.UNet_max_features_3d = 32
    planner.UNet_blocks_per_stage_encoder = planner.UNet_blocks_per_stage_decoder = (1,) * 14
    # The deepest feature maps have 5 to 9 voxels a side: three stages for a patch of 20 to 39.
    planner.UNet_featuremap_min_edge_length = 5
    planner.UNet_vram_target_GB = SMALL_GB
    planner.lowres_creation_threshold = 0


def deal_folds(
    cases: Sequence[str], seed: int, dealt: Sequence[Split] | None = None
) -> dict[str, dict[str, list[str]]]:
    """Deal cases into nnU-Net's folds.

    Parameters
    ----------
    cases
        Their names.
    seed
        The order of the names does not matter.
    dealt
        Folds that are dealt already.

    Returns
    -------
    dict
        Cases to ``train`` and to validate (``val``) by fold; of fold ``all`` these are the same.
    """
    names = sorted(cases)
    folds = {"all": {"train": names, "val": names}}
    if dealt is None and len(names) >= N_FOLDS:
        dealt = generate_crossval_split(names, seed=seed, n_splits=N_FOLDS)
    for number, fold in enumerate(dealt or ()):
        folds[str(number)] = {part: list(map(str, fold[part])) for part in ("train", "val")}
    return folds
