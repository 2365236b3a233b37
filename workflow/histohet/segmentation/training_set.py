"""A training set in nnU-Net's raw layout, as far as its names tell: read without its voxels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Set
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


SPLITS = "splits_final.json"
Split = Mapping[str, list[str]]


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
    folds
        Names of cases to ``train`` and to validate (``val``), where `splits_final.json` deals them.
    """

    name: str
    file: str
    about: Mapping[str, Any]
    labels: Mapping[str, int]
    cases: tuple[Case, ...]
    folds: tuple[Split, ...] | None = None

    @property
    def files(self) -> list[str]:
        """What it says of itself, images and labels."""
        said = [self.file] if self.folds is None else [self.file, _beside(self.file)]
        return said + [file for case in self.cases for file in (case.image, case.label)]


def read_training_set(folder: str | Path) -> TrainingSet:
    """Read and check a training set, without opening an image.

    Parameters
    ----------
    folder
        Called ``DatasetNNN_Name``, with ``imagesTr``, ``labelsTr`` and ``dataset.json``; with
        nnU-Net's ``splits_final.json``, where it is not to be dealt by chance.

    Raises
    ------
    TrainingSetError
        If a part of it is missing, ``dataset.json`` is not one of CTs with labels 0 to n, an
        image has no labels or the reverse, or cases are dealt that are not there, or twice.
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
    folds = _read_splits(folder / SPLITS, {case.name for case in cases})
    return TrainingSet(folder.name, str(file), about, about["labels"], cases, folds)


def check_folds(found: TrainingSet, folds: Sequence[str]) -> None:
    """Check that there are cases for every fold that is trained.

    Raises
    ------
    TrainingSetError
        If there are not.
    """
    n = len(found.cases)
    if found.folds is not None:
        for fold in folds:
            if fold != "all" and int(fold) >= len(found.folds):
                raise TrainingSetError(
                    f"{_beside(found.file)} deals {len(found.folds)} folds: there is no fold {fold}"
                )
    elif n < N_FOLDS and list(folds) != ["all"]:
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


def _beside(file: str) -> str:
    """Path of the splits of a `dataset.json`."""
    return str(Path(file).with_name(SPLITS))


def _read_splits(path: Path, cases: Set[str]) -> tuple[Split, ...] | None:
    """Read nnU-Net's splits; None if there are none."""
    if not path.exists():
        return None
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TrainingSetError(f"{path} is not valid JSON: {error}") from error
    if not (isinstance(splits, list) and splits and all(map(_is_split, splits))):
        raise TrainingSetError(f"{path} is no list of splits, each with cases to train and val")
    for number, split in enumerate(splits):
        dealt = split["train"] + split["val"]
        if unknown := sorted(set(dealt) - cases):
            raise TrainingSetError(f"{path}, fold {number}: there is no case '{unknown[0]}'")
        if twice := sorted(name for name in set(dealt) if dealt.count(name) > 1):
            raise TrainingSetError(f"{path}, fold {number}: case '{twice[0]}' comes twice")
    return tuple(splits)


def _is_split(split: object) -> bool:
    return isinstance(split, dict) and all(
        isinstance(names := split.get(part), list) and names and all(map(_is_text, names))
        for part in ("train", "val")
    )


def _is_text(name: object) -> bool:
    return isinstance(name, str)


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
