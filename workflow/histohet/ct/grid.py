"""The grid that a scan is brought to: it shares its centre with the scan's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from histohet.common.arrays import Float32

ROUNDING = 9
"""Decimals of a number of voxels: 37 × 3.27 mm are 37 voxels of 3.27 mm, whatever floats say."""


@dataclass(frozen=True)
class Grid:
    """A box of a grid, in mm from the centre of the scan's first voxel along the scan's own axes.

    Attributes
    ----------
    spacing
        Sides of a voxel (x, y, z).
    start
        Centre of the first voxel.
    size
        Voxels.
    """

    spacing: tuple[float, ...]
    start: tuple[float, ...]
    size: tuple[int, ...]

    def around(self, low: Sequence[float], high: Sequence[float]) -> Grid:
        """Return the box of this grid that holds all from `low` to `high`, as far as it goes."""
        axes = list(zip(self.spacing, self.start, self.size, low, high, strict=True))
        first = [max(math.floor((a - start) / side), 0) for side, start, _, a, _ in axes]
        last = [min(math.ceil((b - start) / side), n - 1) for side, start, n, _, b in axes]
        return Grid(
            self.spacing,
            tuple(start + one * side for (side, start, *_), one in zip(axes, first, strict=True)),
            tuple(b - a + 1 for a, b in zip(first, last, strict=True)),
        )


def centred_grid(
    size: Sequence[int], spacing: Sequence[float], new_spacing: Sequence[float]
) -> Grid:
    """Return the grid of another spacing over a whole scan.

    It has as many voxels as cover the scan, and the same centre (IBSI reference manual, section
    "Interpolation": align grid centres).
    """
    axes = list(zip(size, spacing, new_spacing, strict=True))
    sizes = [math.ceil(round(n * side / new, ROUNDING)) for n, side, new in axes]
    starts = [
        ((n - 1) * side - (m - 1) * new) / 2 for (n, side, new), m in zip(axes, sizes, strict=True)
    ]
    return Grid(tuple(new_spacing), tuple(starts), tuple(sizes))


INTERPOLATORS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline}
"""The spline is cubic, and mirrored at the edges of the scan."""


def resample(
    voxels: npt.NDArray[np.generic],
    spacing: Sequence[float],
    grid: Grid,
    interpolation: str = "linear",
) -> Float32:
    """Interpolate; half a voxel beyond the edge of the scan its last voxels go on.

    Without origin and direction, so that a scan gives the same numbers wherever it lies.

    Parameters
    ----------
    voxels
        (Z, Y, X) of the scan.
    spacing
        Of the scan, mm (x, y, z).
    interpolation
        One of `INTERPOLATORS`.

    Returns
    -------
    ndarray
        (Z, Y, X) of the grid, float32.
    """
    image = sitk.GetImageFromArray(np.asarray(voxels, np.float32))
    image.SetSpacing([float(side) for side in spacing])
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(INTERPOLATORS[interpolation])
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin(grid.start)
    resampler.SetSize(grid.size)
    found: Float32 = sitk.GetArrayFromImage(resampler.Execute(image))
    return found
