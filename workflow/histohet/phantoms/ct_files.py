"""Phantom CTs as files: NIfTI, the sheet of scans, a raw data set of nnU-Net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import SimpleITK as sitk

from histohet.common.files import atomic_path, write_json
from histohet.phantoms.ct import SHAPE, SPACING_MM
from histohet.phantoms.scan_plan import ScanPlan

LABEL = "tumour"
"""What the region is called in the data set; its voxels are 1."""


def write_volume(path: str | Path, voxels: npt.NDArray[Any]) -> None:
    """Write a CT or a mask, (z, y, x), in the orientation of the scanner (LPS)."""
    image = sitk.GetImageFromArray(voxels.astype(np.uint8) if voxels.dtype == bool else voxels)
    image.SetSpacing([SPACING_MM] * 3)
    image.SetOrigin([-SPACING_MM * (n - 1) / 2 for n in reversed(SHAPE)])
    with atomic_path(path) as partial:
        # ITK tells the format by the end of the name, of which the temporary one has a part.
        written = partial.with_name(f"{partial.stem}.nii.gz")
        sitk.WriteImage(image, str(written), True)
        written.replace(partial)


def scan_sheet(plans: Sequence[ScanPlan], folder: str) -> pd.DataFrame:
    """Return the sheet of scans: a row for each, or one for each of its readers.

    Parameters
    ----------
    plans
        The scans.
    folder
        Where their files lie.
    """
    rows = []
    for plan in plans:
        readers = {"first": "tumour"} if plan.read else {"": ""}
        if plan.read_twice:
            readers["second"] = "second"
        for reader, mask in readers.items():
            rows.append(
                {
                    "scan": plan.scan,
                    "patient": plan.patient,
                    "ct": f"{folder}/{plan.scan}.nii.gz",
                    "mask": mask and f"{folder}/{plan.scan}.{mask}.nii.gz",
                    "reader": reader,
                    "batch": plan.scanner,
                    "scan_day": plan.day,
                }
            )
    return pd.DataFrame(rows)


def write_dataset_json(path: str | Path, n_cases: int) -> None:
    """Write what nnU-Net asks of a raw data set."""
    write_json(
        path,
        {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, LABEL: 1},
            "numTraining": n_cases,
            "file_ending": ".nii.gz",
        },
    )
