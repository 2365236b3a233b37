"""Training sets in nnU-Net's raw layout: bodies of 20 HU in air with an organ of 70 HU in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from helpers.scans import Voxels, write_volume

SHAPE, SPACING = (24, 48, 48), (1.5, 1.5, 3.0)
"""Voxels (z, y, x), mm (x, y, z)."""

ABOUT: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "stomach": 1},
    "file_ending": ".nii.gz",
}


def phantom_case(seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[Voxels, Voxels]:
    """Return a CT, int16 HU, and the ellipsoid in it, bool; its place and size are random."""
    rng = np.random.default_rng(seed)
    sides = np.array(shape)
    place = np.indices(shape).T.swapaxes(0, 2)
    middle = sides * (np.array((0.5, 0.42, 0.4)) + rng.uniform(-0.08, 0.08, 3))
    radii = sides * [0.22, 0.14, 0.2] * rng.uniform(0.8, 1.2, 3)
    organ = (((place - middle) / radii) ** 2).sum(axis=-1) < 1
    across = (place - sides / 2) / (sides * [np.inf, 0.45, 0.47])
    body = (across**2).sum(axis=-1) < 1
    hu = np.where(organ, 70.0, np.where(body, 20.0, -1000.0)) + rng.normal(0, 12, shape)
    return np.rint(hu).astype(np.int16), organ


def write_training_set(folder: Path, n_cases: int = 6, name: str = "Dataset011_Phantom") -> Path:
    """Write a training set into `folder`; return its own folder."""
    dataset = folder / name
    for part in ("imagesTr", "labelsTr"):
        (dataset / part).mkdir(parents=True)
    for number in range(n_cases):
        image, organ = phantom_case(number)
        case = f"case_{number:02d}"
        write_volume(dataset / f"imagesTr/{case}_0000.nii.gz", image, SPACING)
        write_volume(dataset / f"labelsTr/{case}.nii.gz", organ, SPACING)
    write_about(dataset, numTraining=n_cases)
    return dataset


def write_about(dataset: Path, /, **changes: Any) -> None:
    """Write `dataset.json`; a key that is changed to None is left out."""
    about = {key: value for key, value in (ABOUT | changes).items() if value is not None}
    (dataset / "dataset.json").write_text(json.dumps(about))
