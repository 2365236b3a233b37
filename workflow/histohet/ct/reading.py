"""CTs and masks as files: read whole or refused, never mended, in one orientation (LPS)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from histohet.common.arrays import Bools, Floats, Ints
from histohet.common.files import why_no_file
from histohet.common.outcome import SlideLost, Status
from histohet.ct.stored import CHECKS, NO_HOLES, StoredError, check_rest, holes_of_nifti

IMAGE_IO = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".mha": "MetaImageIO",
}
"""Which reader of ITK a file is given to, by the end of its name: no other looks at it."""

MOST_VOXELS = 2**30
"""A header may claim any size; 512 × 512 pixels in 4,096 slices have so many voxels."""

SPACING_MM = (0.01, 10.0)
RIGHT_ANGLES = 1e-3
"""Products of the axes' directions may differ by so much from those at right angles: headers of
few digits do."""

SHIFTED_VOXELS = 0.01
"""A mask that lies further off is on another grid; float32 headers differ by less."""

LEAST_SPREAD_HU = 50
"""Between the darkest and the brightest voxel: noise alone spreads further."""
LARGEST_HU = 2**15 - 1
LARGEST_BYTE = 255

ITK_SAYS = re.compile(r"(?:ITK ERROR|itk::ERROR): (?:\w+\(0x[0-9a-f]+\): )?(.*)", re.DOTALL)
"""Where an error of ITK begins to say something."""


class ScanError(SlideLost):
    """A scan, or one of its masks, gives no features; the message says why."""


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of a volume lie; axes in the order x, y, z.

    Attributes
    ----------
    size
        Voxels.
    spacing
        mm.
    origin
        Centre of the first voxel, mm (LPS).
    direction
        (3, 3), its columns the directions of the axes.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: Floats

    def place(self, index: Sequence[float]) -> Floats:
        """Return where an index (x, y, z) lies, mm."""
        moved: Floats = self.direction @ (np.asarray(index, float) * self.spacing)
        return np.asarray(self.origin, float) + moved


@dataclass(frozen=True)
class Volume:
    """Voxels and where they lie.

    Attributes
    ----------
    voxels
        (Z, Y, X), as stored.
    geometry
        In LPS: x from the patient's right to the left, y from front to back, z upwards, as near as
        the axes of the file come to that.
    stored
        As the file has it.
    """

    voxels: npt.NDArray[Any]
    geometry: Geometry
    stored: Geometry


def read_ct(path: str | Path) -> Volume:
    """Read a CT.

    Raises
    ------
    ScanError
        If it cannot be read, is no volume, its spacing is none of a CT, or its values are no HU.
    """
    volume = _read(path, "ct", "a CT")
    whole = np.issubdtype(volume.voxels.dtype, np.integer)
    finite = volume.voxels if whole else volume.voxels[np.isfinite(volume.voxels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (math.nan, math.nan)
    if not (-LARGEST_HU < low < 0 and high < LARGEST_HU and high - low > LEAST_SPREAD_HU):
        raise ScanError(
            f"ct: values {low:.5g} to {high:.5g} are no Hounsfield units: was it windowed or "
            f"normalised{', or 1024 added to it' if low >= 0 and high > LARGEST_BYTE else ''}?"
        )
    return volume


def read_region(path: str | Path, labels: Sequence[int], ct: Geometry) -> Bools:
    """Read the region that a mask shows on the grid of its CT.

    Parameters
    ----------
    path
        A label image.
    labels
        Those of the region; empty for the only one that it has.

    Returns
    -------
    ndarray
        (Z, Y, X) bool, in the orientation of `read_ct`.

    Raises
    ------
    ScanError
        If it cannot be read, lies on another grid, or has no such label.
    """
    voxels = read_labels(path, ct)
    found = [int(label) for label in np.unique(voxels[voxels != 0])]
    if not found:
        raise ScanError("mask: it is empty")
    if not labels and len(found) > 1:
        raise ScanError(f"mask: labels {_listed(found)} and no 'label' in the sheet")
    absent = [label for label in labels if label not in found]
    if absent:
        raise ScanError(f"mask: no voxel of label {_listed(absent)} (it has {_listed(found)})")
    return np.isin(voxels, labels or found)


def read_labels(path: str | Path, ct: Geometry) -> npt.NDArray[Any]:
    """Read a label image on the grid of its CT.

    Returns
    -------
    ndarray
        (Z, Y, X) whole numbers, of the type that the file has, in the orientation of `read_ct`.

    Raises
    ------
    ScanError
        If it cannot be read, lies on another grid, or has values that are no labels.
    """
    volume = _read(path, "mask", "a mask")
    _check_grid(volume.geometry, ct)
    there = np.unique(volume.voxels[volume.voxels != 0])
    if not np.array_equal(there, np.rint(there)):
        raise ScanError(f"mask: {there[there != np.rint(there)][0]:.9g} is no label")
    return volume.voxels


def _listed(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels))


def _check_grid(mask: Geometry, ct: Geometry) -> None:
    if mask.size != ct.size:
        raise ScanError(
            f"mask: {_sizes(mask.size)} voxels, the CT has {_sizes(ct.size)}: resample the mask to "
            "the CT (no silent resampling)"
        )
    near = SHIFTED_VOXELS * min(ct.spacing)
    last = [n - 1 for n in ct.size]
    first_off = float(np.linalg.norm(mask.place((0, 0, 0)) - ct.place((0, 0, 0))))
    last_off = float(np.linalg.norm(mask.place(last) - ct.place(last)))
    if abs(first_off - last_off) > near:
        raise ScanError(
            f"mask: spacing or direction differ from the CT's: {_sizes(mask.spacing)} mm, the CT "
            f"has {_sizes(ct.spacing)} mm; the last voxel lies {last_off:.2f} mm away"
        )
    if first_off > near:
        raise ScanError(f"mask: origin differs by {first_off:.2f} mm from the CT's")


def _sizes(values: Sequence[float]) -> str:
    return " × ".join(f"{value:g}" for value in values)


# --- files ----------------------------------------------------------------------------------------


def _read(path: str | Path, column: str, what: str) -> Volume:
    """Read a volume and turn it to LPS."""
    if unfit := why_no_file(path):
        raise ScanError(f"{column}: {path} {unfit}")
    ending = next((end for end in IMAGE_IO if str(path).lower().endswith(end)), None)
    if ending is None:
        raise ScanError(f"{column}: {Path(path).name} ends in none of {', '.join(IMAGE_IO)}")
    reader = sitk.ImageFileReader()
    reader.SetImageIO(IMAGE_IO[ending])
    reader.SetFileName(str(path))
    try:
        begin = CHECKS[ending](Path(path)) if ending in CHECKS else None
        reader.ReadImageInformation()
        _check_header(reader, column, what)
        holes = NO_HOLES if ending in CHECKS else holes_of_nifti(Path(path))
        image = _with_holes(reader.Execute(), holes)
        check_rest(Path(path), begin, image.GetNumberOfPixels() * image.GetSizeOfPixelComponent())
        stored = geometry_of(image)
        image = sitk.DICOMOrient(image, "LPS")
    except StoredError as error:
        raise ScanError(f"{column}: {error}", error.status) from error
    except RuntimeError as error:
        reason = _said(error).replace(str(path), Path(path).name)
        raise ScanError(f"{column}: cannot be read: {reason}", Status.UNREADABLE) from error
    direction = stored.direction
    if not np.allclose(direction.T @ direction, np.eye(3), atol=RIGHT_ANGLES):
        raise ScanError(
            f"{column}: its axes are not at right angles (was the gantry tilted?): resample CT and "
            "mask to a grid that has right angles"
        )
    return Volume(sitk.GetArrayFromImage(image), geometry_of(image), stored)


def geometry_of(image: Any) -> Geometry:
    """Return where the voxels of an image of SimpleITK lie."""
    return Geometry(
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        np.reshape(image.GetDirection(), (3, 3)),
    )


def _said(error: RuntimeError) -> str:
    """Return what ITK says, in one line."""
    found = ITK_SAYS.search(str(error))
    return " ".join((found[1] if found else str(error)).split())


def _with_holes(image: Any, holes: Ints) -> Any:
    """Return an image with NaN where the file has none that is a number."""
    if not len(holes):
        return image
    voxels = sitk.GetArrayFromImage(image)
    voxels.flat[holes] = np.nan
    restored = sitk.GetImageFromArray(voxels)
    restored.CopyInformation(image)
    return restored


def _check_header(reader: Any, column: str, what: str) -> None:
    size, spacing = reader.GetSize(), reader.GetSpacing()
    if len(size) != 3:
        raise ScanError(f"{column}: {len(size)} dimensions; {what} volume has 3")
    if reader.GetNumberOfComponents() != 1:
        raise ScanError(
            f"{column}: {reader.GetNumberOfComponents()} values per voxel; {what} has one"
        )
    if min(size) < 2:
        raise ScanError(f"{column}: {_sizes(size)} voxels: one slice is no volume")
    if math.prod(size) > MOST_VOXELS:
        raise ScanError(f"{column}: {_sizes(size)} voxels are more than any CT has")
    if not all(SPACING_MM[0] <= side <= SPACING_MM[1] for side in spacing):
        raise ScanError(f"{column}: spacing {_sizes(spacing)} mm")
