"""A training set in nnU-Net's raw layout, as far as its names tell: read without its voxels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histohet.common.files import read_json, why_no_file
from histohet.common.settings import quoted
from histohet.segmentation.settings import N_FOLDS

CHANNEL = "_0000"
ENDINGS = (".nii.gz", ".nrrd", ".mha")
"""Of images, as far as both nnU-Net and we read them."""

CT = "CT"
BACKGROUND, IGNORE = "background", "ignore"


class TrainingSetError(ValueError):
    """A training set cannot be used; the message says why."""


@dataclass(frozen=True)
class Case:
    """A CT and the labels of its voxels."""

    name: str
    image: str
    label: str


@dataclass(frozen=True)
class TrainingSet:
    """A checked `dataset.json` and the files that stand beside it.

    Attributes
    ----------
    name
        Of the dataset, as of its folder.
    file
        Its `dataset.json`.
    about
        What `dataset.json` says.
    labels
        Their numbers by name, background among them.
    cases
        By name, in alphabetical order.
    """

    name: str
    file: str
    about: Mapping[str, Any]
    labels: Mapping[str, int]
    cases: tuple[Case, ...]

    @property
    def files(self) -> list[str]:
        """Images and labels."""
        return [file for case in self.cases for file in (case.image, case.label)]


def read_training_set(folder: str | Path) -> TrainingSet:
    """Read and check a training set, without opening an image.

    Parameters
    ----------
    folder
        Called ``DatasetNNN_Name``, with ``imagesTr``, ``labelsTr`` and ``dataset.json``.

    Raises
    ------
    TrainingSetError
        If a part of it is missing, ``dataset.json`` is not one of CTs with labels 0 to n, or an
        image has no labels or the reverse.
    """
    folder = Path(folder)
    if not re.fullmatch(r"Dataset\d{3}_[A-Za-z0-9_-]+", folder.name):
        raise TrainingSetError(
            f"'{folder.name}' is no name of an nnU-Net dataset: call it as Dataset011_Gastric"
        )
    file = folder / "dataset.json"
    about = _read_about(file)
    cases = _cases(folder, about["file_ending"])
    if about["numTraining"] != len(cases):
        raise TrainingSetError(
            f"{file}: numTraining is {about['numTraining']}, and there are {len(cases)} cases"
        )
    return TrainingSet(folder.name, str(file), about, about["labels"], cases)


def check_folds(found: TrainingSet, folds: Sequence[str]) -> None:
    """Check that there are cases for every fold that is trained.

    Raises
    ------
    TrainingSetError
        If there are not.
    """
    n = len(found.cases)
    if n < N_FOLDS and list(folds) != ["all"]:
        raise TrainingSetError(
            f"{found.name}: {n} cases cannot be dealt into {N_FOLDS} folds: more are needed, or "
            "`folds: all`"
        )


def _read_about(path: Path) -> dict[str, Any]:
    if unfit := why_no_file(path):
        raise TrainingSetError(f"{path} {unfit}")
    try:
        about = read_json(path)
    except ValueError as error:
        raise TrainingSetError(str(error)) from error
    for problem in _problems(about):
        raise TrainingSetError(f"{path}: {problem}")
    return about


def _problems(about: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a `dataset.json`; later problems may follow from the first."""
    missing = [
        key for key in ("channel_names", "labels", "numTraining", "file_ending") if key not in about
    ]
    if missing:
        return [f"{quoted(missing)} is missing"]
    channels, ending = about["channel_names"], about["file_ending"]
    problems = []
    if channels != {"0": CT}:
        problems.append(f'channel_names are {channels}, of CTs {{"0": "{CT}"}}')
    if ending not in ENDINGS:
        problems.append(f"file_ending is {ending!r}, none of {', '.join(ENDINGS)}")
    if "dataset" in about:
        problems.append("'dataset' names files elsewhere: put them into imagesTr and labelsTr")
    return problems + _problems_of_labels(about["labels"])


def _problems_of_labels(labels: object) -> list[str]:
    if not isinstance(labels, dict) or len(labels) < 2:
        return [f"labels are {labels}: background and one more are needed"]
    numbers = list(labels.values())
    if any(isinstance(number, list) for number in numbers):
        return ["labels are regions of several numbers, which are not supported: one number each"]
    if IGNORE in labels:
        return [f"a label '{IGNORE}' is not supported: leave these cases out"]
    if labels.get(BACKGROUND) != 0:
        return [f"'{BACKGROUND}' is no label, or not 0"]
    if sorted(map(repr, numbers)) != sorted(map(repr, range(len(numbers)))):
        return [f"labels are {', '.join(map(str, numbers))}, not 0 to {len(numbers) - 1}"]
    return []


def _cases(folder: Path, ending: str) -> tuple[Case, ...]:
    images, labels = folder / "imagesTr", folder / "labelsTr"
    for part in (images, labels):
        if not part.is_dir():
            raise TrainingSetError(f"{part} is missing, or no folder")
    pictured, labelled = _names(images, ending), _names(labels, ending)
    for name in sorted(pictured):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*" + CHANNEL, name):
            raise TrainingSetError(
                f"{images / (name + ending)} is not called <case>{CHANNEL}{ending}, with letters, "
                "digits, '.', '_' and '-'"
            )
    named = {name.removesuffix(CHANNEL) for name in pictured}
    if alone := sorted(named - labelled):
        raise TrainingSetError(f"image of '{alone[0]}' without {labels / (alone[0] + ending)}")
    if alone := sorted(labelled - named):
        image = images / (alone[0] + CHANNEL + ending)
        raise TrainingSetError(f"labels of '{alone[0]}' without {image}")
    return tuple(
        Case(name, str(images / (name + CHANNEL + ending)), str(labels / (name + ending)))
        for name in sorted(named)
    )


def _names(folder: Path, ending: str) -> set[str]:
    """Names of the files of a folder, without the ending that they have to have."""
    found = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    for name in sorted(found):
        if not name.endswith(ending):
            raise TrainingSetError(f"{folder / name} does not end in {ending}")
    return {name.removesuffix(ending) for name in found}
