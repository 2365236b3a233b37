"""Small CTs with a tumour: soft tissue in air, a brighter ball in it, and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from histohet.ct.prepare import Prepared, prepare
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow

SIZE, SPACING, ORIGIN = (40, 36, 24), (1.5, 1.5, 3.0), (-20.0, 35.5, -410.0)
"""Voxels (x, y, z), mm, mm."""

Voxels = npt.NDArray[Any]


def ball(radius_mm: float, shift_mm: Sequence[float] = (0, 0, 0)) -> Voxels:
    """A ball in the middle of the volume, (Z, Y, X) bool."""
    axes = [
        (np.arange(n) - (n - 1) / 2) * side - shift
        for n, side, shift in zip(SIZE, SPACING, shift_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return (x**2 + y**2 + z**2 <= radius_mm**2).T


def tissue(seed: int = 0) -> Voxels:
    """Air around tissue of 20 HU with a tumour of 70 HU, noise of 12 HU; (Z, Y, X) int16."""
    rng = np.random.default_rng(seed)
    voxels = np.full(SIZE[::-1], -1000.0)
    voxels[2:-2, 4:-4, 4:-4] = 20
    voxels[ball(14)] = 70
    return np.rint(voxels + rng.normal(0, 12, voxels.shape)).astype(np.int16)


def write_volume(
    path: Path,
    voxels: Voxels,
    spacing: Sequence[float] = SPACING,
    origin: Sequence[float] = ORIGIN,
    direction: Sequence[float] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
    **how: Any,
) -> str:
    image = sitk.GetImageFromArray(voxels.astype(np.uint8) if voxels.dtype == bool else voxels)
    if image.GetDimension() == 3 and not how:
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))
    return str(path)


def write_scan_files(folder: Path, radius_mm: float = 14, seed: int = 0) -> tuple[str, str]:
    """Write a CT and its mask; return their paths."""
    ct = write_volume(folder / "ct.nii.gz", tissue(seed))
    return ct, write_volume(folder / "mask.nii.gz", ball(radius_mm))


def prepared(ct: str, *masks: str, **settings: Any) -> Prepared:
    rows = [MaskRow(mask, reader=f"r{number}") for number, mask in enumerate(masks)]
    return prepare(ct, rows, CtSettings(**settings), {})
