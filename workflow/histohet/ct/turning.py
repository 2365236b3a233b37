"""Volumes in another orientation: axes exchanged and reversed, voxels and their places kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from histohet.ct.reading import Geometry, geometry_of


def orientation_of(geometry: Geometry) -> str:
    """Return where the axes x, y, z point to, as near as they come to it, such as ``LPS``."""
    cosines = geometry.direction.ravel().tolist()
    found: str = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(cosines)
    return found


def turned(
    voxels: npt.NDArray[Any], geometry: Geometry, orientation: str
) -> tuple[npt.NDArray[Any], Geometry]:
    """Return voxels (Z, Y, X) and geometry with axes that point to where `orientation` says."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction.ravel().tolist())
    image = sitk.DICOMOrient(image, orientation)
    return np.asarray(sitk.GetArrayFromImage(image)), geometry_of(image)
