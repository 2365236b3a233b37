"""The folder of a model of nnU-Net v2: complete, of CTs, and naming no code but nnU-Net's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histohet.common.files import read_json, why_no_file
from histohet.common.settings import did_you_mean
from histohet.segmentation.plans import PLANS, TURNING, ModelError, check_plans

DATASET, CHECKPOINT = "dataset.json", "checkpoint_final.pth"
FOLD = re.compile(r"fold_(\d+)")

Folds = Literal["all"] | Sequence[int | str]


@dataclass(frozen=True)
class Model:
    """What the files of a model say, apart from its weights.

    Attributes
    ----------
    folder
        Where it lies.
    plans, dataset
        ``plans.json`` and ``dataset.json``.
    checkpoints
        Weights, by fold; a number or ``all``.
    labels
        Values in a mask by the name of a region, without the background.
    """

    folder: Path
    plans: dict[str, Any]
    dataset: dict[str, Any]
    checkpoints: dict[str, Path]
    labels: dict[str, tuple[int, ...]]

    @property
    def files(self) -> list[Path]:
        """Files that a mask depends on."""
        return [self.folder / PLANS, self.folder / DATASET, *self.checkpoints.values()]

    def label_named(self, label: str | None) -> str:
        """Return the name of the region; without one given, of the only one that there is.

        Raises
        ------
        ModelError
            If there is none of this name, or several and no name.
        """
        there = ", ".join(self.labels)
        if label is None:
            if len(self.labels) > 1:
                raise ModelError(f"the model has several, name one of {there}", "label")
            return next(iter(self.labels))
        if label not in self.labels:
            hint = did_you_mean(label, self.labels)
            raise ModelError(f"the model has no '{label}', only: {there}{hint}", "label")
        return label

    def checksums(self) -> dict[str, str]:
        """Return the sha256 of its files by their path in its folder; a second for a gigabyte.

        Raises
        ------
        ModelError
            If one cannot be read.
        """
        found = {}
        for path in self.files:
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ModelError(f"{path} cannot be read: {error.strerror}") from error
            found[path.relative_to(self.folder).as_posix()] = digest
        return found

    @property
    def name(self) -> str:
        """What nnU-Net calls its training set."""
        return str(self.plans.get("dataset_name", self.folder.name))

    def orientation(self, of_training_set: str) -> str:
        """Return how axes must point: as in the training set, unless nnU-Net turned that."""
        return "RAS" if self.plans["image_reader_writer"] in TURNING else of_training_set


def read_model(folder: str | Path, folds: Folds = "all") -> Model:
    """Read and check a model, without its weights.

    Parameters
    ----------
    folds
        Which of them; of all, ``fold_all`` only where there is no other.

    Raises
    ------
    ModelError
        If a file is missing or is none of nnU-Net v2, if it takes more than a CT, or names code
        that is not known here.
    """
    folder = Path(folder)
    plans, dataset = (_read(folder / name) for name in (PLANS, DATASET))
    _check_channels(dataset)
    check_plans(plans)
    return Model(folder, plans, dataset, _checkpoints(folder, folds), _labels(dataset))


def _read(path: Path) -> dict[str, Any]:
    if unfit := why_no_file(path):
        missing = "is missing" if unfit == "does not exist" else unfit
        raise ModelError(f"{path.name} {missing} in {path.parent}")
    try:
        return read_json(path)
    except ValueError as error:
        raise ModelError(str(error)) from error


def _checkpoints(folder: Path, folds: Folds) -> dict[str, Path]:
    found = (FOLD.fullmatch(one.parent.name) for one in folder.glob(f"fold_*/{CHECKPOINT}"))
    numbered = sorted((match[1] for match in found if match), key=int)
    names = (numbered or ["all"]) if folds == "all" else [str(fold) for fold in folds]
    paths = {name: folder / f"fold_{name}" / CHECKPOINT for name in names}
    for name, path in paths.items():
        if unfit := why_no_file(path):
            there = f"; there are folds {', '.join(numbered)}" if numbered else ""
            raise ModelError(f"fold_{name}/{CHECKPOINT} {unfit} in {folder}{there}")
    return paths


def _check_channels(dataset: Mapping[str, Any]) -> None:
    channels = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(channels, Mapping):
        raise ModelError(f"{DATASET} names no channels: it is none of nnU-Net")
    if len(channels) != 1:
        raise ModelError(f"expects {len(channels)} channels, a CT has 1")


def _labels(dataset: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the values of every region.

    Where a model was trained on regions, a mask holds the value of the smallest that a voxel is
    in, and the larger ones are unions: nnU-Net's labels of a region are just these.
    """
    labels = dataset.get("labels")
    found: dict[str, tuple[int, ...]] = {}
    for name, value in labels.items() if isinstance(labels, Mapping) else ():
        values = value if isinstance(value, list) else [value]
        if not all(type(one) is int and one >= 0 for one in values):
            raise ModelError(
                f"{DATASET}: label '{name}' is {value!r}, not a number as in nnU-Net v2"
            )
        if name != "ignore" and set(values) != {0}:
            found[name] = tuple(values)
    if not found:
        raise ModelError(f"{DATASET} names no labels")
    return found
