"""Cases of a training set: read and checked, described for nnU-Net's planner, kept for training.

Voxels are read as those of a run are (`histohet.ct.reading`), so in LPS whatever the files say.
What is prepared of them lies in nnU-Net's own compressed arrays, without its pickled properties.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import blosc2
import numpy as np
import numpy.typing as npt
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
    DatasetFingerprintExtractor,
)
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from histohet.common.arrays import Float32
from histohet.ct.reading import ScanError, read_ct, read_labels
from histohet.segmentation.training_set import Case, TrainingSetError

Int16 = npt.NDArray[np.int16]

INTENSITIES = 10**8
"""Voxels of the foreground that nnU-Net draws for the statistics of a whole dataset."""

PERCENTILES = {"percentile_00_5": 0.5, "median": 50.0, "percentile_99_5": 99.5}
IMAGE, LABELS, PLACES = "{}.b2nd", "{}_seg.b2nd", "{}.npy"
"""Files of a prepared case: (1, Z, Y, X) float32 and int16, and (N, 5) int32, the label and the
place of voxels of each label."""


class Voxels(NamedTuple):
    """A case as it was read.

    Attributes
    ----------
    image
        (1, Z, Y, X) float32, HU.
    labels
        (1, Z, Y, X) int16.
    spacing
        mm (z, y, x).
    """

    image: Float32
    labels: Int16
    spacing: tuple[float, ...]


def read_case(case: Case, labels: Iterable[int]) -> Voxels:
    """Read a case.

    Parameters
    ----------
    labels
        Those that a voxel may have.

    Raises
    ------
    TrainingSetError
        If a file cannot be used, or a voxel has another label; the message names the case.
    """
    try:
        volume = read_ct(case.image)
        found = read_labels(case.label, volume.geometry)
    except ScanError as error:
        raise TrainingSetError(f"case '{case.name}': {error}") from error
    if holes := int((~np.isfinite(volume.voxels)).sum()):
        raise TrainingSetError(f"case '{case.name}': ct: {holes:,} voxels are not finite")
    unknown = np.setdiff1d(found, list(labels))
    if unknown.size:
        raise TrainingSetError(
            f"case '{case.name}': mask: label {unknown[0]:g} is not in dataset.json, which has "
            f"{', '.join(map(str, sorted(labels)))}"
        )
    return Voxels(
        volume.voxels[None].astype(np.float32),
        found[None].astype(np.int16),
        volume.geometry.spacing[::-1],
    )


class CaseFingerprint(NamedTuple):
    """What nnU-Net's planner wants to know of a case.

    Attributes
    ----------
    intensities
        (N,) HU of voxels drawn of its foreground.
    size
        (z, y, x) without the zeros around it.
    share
        Of the voxels that this is.
    spacing
        mm (z, y, x).
    """

    intensities: npt.NDArray[Any]
    size: tuple[int, ...]
    share: float
    spacing: tuple[float, ...]


def describe(voxels: Voxels, samples: int) -> CaseFingerprint:
    """Describe a case by nnU-Net's rules, with so many voxels drawn of its foreground."""
    image, labels, _ = crop_to_nonzero(voxels.image, voxels.labels.copy())
    (drawn,), _ = DatasetFingerprintExtractor.collect_foreground_intensities(
        labels, image, num_samples=samples
    )
    share = math.prod(image.shape) / math.prod(voxels.image.shape)
    return CaseFingerprint(np.asarray(drawn, np.float32), image.shape[1:], share, voxels.spacing)


def fingerprint_of(cases: Sequence[CaseFingerprint]) -> dict[str, Any]:
    """Return the fingerprint of a dataset in nnU-Net's form.

    Raises
    ------
    TrainingSetError
        If no case has a foreground.
    """
    drawn = np.concatenate([case.intensities for case in cases])
    if not drawn.size:
        raise TrainingSetError("no voxel of any case has a label other than background")
    values = {
        "mean": np.mean(drawn),
        "std": np.std(drawn),
        "min": np.min(drawn),
        "max": np.max(drawn),
        **dict(zip(PERCENTILES, np.percentile(drawn, list(PERCENTILES.values())), strict=True)),
    }
    return {
        "spacings": [list(case.spacing) for case in cases],
        "shapes_after_crop": [list(case.size) for case in cases],
        "foreground_intensity_properties_per_channel": {
            "0": {name: float(value) for name, value in values.items()}
        },
        "median_relative_size_after_cropping": float(np.median([case.share for case in cases])),
    }


def keep_case(
    folder: Path, case: str, voxels: Voxels, plans: dict[str, Any], configuration: str, about: Any
) -> None:
    """Prepare a case as nnU-Net does (cropped, normalised, resampled), and keep it in a folder.

    Parameters
    ----------
    plans
        nnU-Net's.
    about
        What `dataset.json` says.
    """
    manager = PlansManager(plans)
    planned = manager.get_configuration(configuration)
    image, labels, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        voxels.image, voxels.labels, {"spacing": list(voxels.spacing)}, manager, planned, about
    )
    patch = tuple(planned.patch_size)
    for name, array in ((IMAGE, image.astype(np.float32)), (LABELS, labels.astype(np.int16))):
        blocks, chunks = comp_blosc2_params(array.shape, patch, array.itemsize)
        blosc2.asarray(
            np.ascontiguousarray(array),
            urlpath=str(folder / name.format(case)),
            chunks=chunks,
            blocks=blocks,
            # Threads would put the blocks of a file into any order.
            cparams={"codec": blosc2.Codec.LZ4HC, "clevel": 5, "nthreads": 1},
        )
    places = [
        np.insert(np.reshape(found, (-1, image.ndim)), 0, label, axis=1)
        for label, found in properties["class_locations"].items()
    ]
    np.save(folder / PLACES.format(case), np.concatenate(places).astype(np.int32))


class KeptCases:
    """Prepared cases, in the form in which nnU-Net's loader asks for them.

    Attributes
    ----------
    identifiers
        Their names.
    """

    def __init__(self, folder: str | Path, names: Iterable[str], labels: Iterable[int]) -> None:
        self._folder = Path(folder)
        self._labels = [label for label in labels if label]
        self.identifiers = sorted(names)

    def load_case(self, name: str) -> tuple[Any, Any, None, dict[str, Any]]:
        """Open a case: image, labels, nothing of an earlier stage, and where its labels are."""
        image, labels = (
            blosc2.open(
                urlpath=str(self._folder / kind.format(name)),
                mode="r",
                mmap_mode="r",
                dparams={"nthreads": 1},
            )
            for kind in (IMAGE, LABELS)
        )
        places = np.load(self._folder / PLACES.format(name), allow_pickle=False)
        located = {label: places[places[:, 0] == label, 1:] for label in self._labels}
        return image, labels, None, {"class_locations": located}
