"""The mask of a scan on the grid of its file: found, measured, written."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histohet.common.arrays import Floats
from histohet.common.files import atomic_path
from histohet.ct.reading import Geometry, Volume
from histohet.ct.turning import orientation_of, turned
from histohet.segmentation.record import Region

Labels = npt.NDArray[Any]

AIR_HU = -1000
LEVEL = 6
"""Of compression: masks are long runs of the same number."""
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI's axes beside those of everything else here."""


class Network(Protocol):
    """What finds labels in voxels (Z, Y, X) of a spacing (x, y, z): `predictor.Predictor`."""

    def segment(self, voxels: npt.NDArray[Any], spacing: Sequence[float]) -> Labels:
        """Return the label of every voxel."""


def segment_scan(ct: Volume, network: Network, orientation: str) -> Labels:
    """Segment a CT in the orientation that a network wants.

    Returns
    -------
    ndarray
        (Z, Y, X) labels on the grid of the file, ``ct.stored``.
    """
    finite = np.isfinite(ct.voxels)
    voxels = ct.voxels if finite.all() else np.where(finite, ct.voxels, AIR_HU)
    voxels, geometry = turned(voxels, ct.geometry, orientation)
    found, _ = turned(
        network.segment(voxels, geometry.spacing), geometry, orientation_of(ct.stored)
    )
    return found


def measure_regions(
    mask: Labels, spacing: Sequence[float], labels: Mapping[str, tuple[int, ...]]
) -> dict[str, Region]:
    """Return how much there is of every region of a mask (Z, Y, X), by its name."""
    ml = float(np.prod(spacing)) / 1000
    return {name: _measure(mask, ml, values) for name, values in labels.items()}


def _measure(mask: Labels, ml: float, values: tuple[int, ...]) -> Region:
    inside = np.isin(mask, values)
    n = int(inside.sum())
    if not n:
        return Region(values, 0, 0.0, 0)
    (box,) = ndimage.find_objects(inside.view(np.uint8))
    _, components = ndimage.label(inside[box], np.ones((3, 3, 3)))
    return Region(values, n, round(n * ml, 3), int(components))


def write_mask(path: str | Path, mask: Labels, geometry: Geometry) -> None:
    """Write a mask (Z, Y, X) as NIfTI, packed, in the geometry given."""
    image = nibabel.Nifti1Image(mask.T, _affine(geometry))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, "scanner")
    image.set_qform(image.affine, "scanner")
    # Written by Python, which notices a disk that is full.
    with atomic_path(path) as partial:
        partial.write_bytes(gzip.compress(image.to_bytes(), LEVEL, mtime=0))


def _affine(geometry: Geometry) -> Floats:
    affine = np.eye(4)
    affine[:3, :3] = geometry.direction * geometry.spacing
    affine[:3, 3] = geometry.origin
    return RAS @ affine


def write_no_mask(path: str | Path) -> None:
    """Write one voxel of background, for a scan that cannot be read; its record says why."""
    nothing = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    write_mask(path, np.zeros((1, 1, 1), np.uint8), nothing)
