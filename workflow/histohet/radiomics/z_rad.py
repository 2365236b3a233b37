"""Z-Rad (University Hospital Zurich, MIT), the default engine: features as IBSI defines them."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from zrad.exceptions import DataStructureError
from zrad.image import Image
from zrad.preprocessing import (
    IntensityMaskBuilder,
    IVHIntensityDiscretizer,
    Resegmenter,
    RoiCropper,
    RoiData,
    TextureDiscretizer,
)
from zrad.radiomics import Radiomics

from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import Identity, RegionError, RegionImage, settings_in_force
from histohet.radiomics.settings import RadiomicsSettings

PEAK_RADIUS_MM = 6.2
"""IBSI's local peaks look so far around a voxel, outside of the region too."""

METHODS = {
    ("3D", "merged"): "MERG",
    ("3D", "averaged"): "AVER",
    ("2.5D", "merged"): "MERG",
    ("2.5D", "averaged"): "DIR_MERG",
    ("2D", "merged"): "SLICE_MERG",
    ("2D", "averaged"): "AVER",
}
"""What Z-Rad calls the aggregation of texture."""

FAMILIES = {
    "shape": "morphology",
    "intensity": "intensity_statistics",
    "histogram": "intensity_histogram",
    "volume_histogram": "ivh",
}
"""Families that Z-Rad calls otherwise than we do."""

AXES = (1, 0, 0, 0, 1, 0, 0, 0, 1)


class ZRad:
    """Features of Z-Rad, named by IBSI's tags."""

    def __init__(self, settings: RadiomicsSettings, ct: CtSettings) -> None:
        in_force = settings_in_force(settings, ct) | {"aggregation": settings.aggregation}
        self.identity = Identity(f"z-rad {version('z-rad')}", in_force)
        self._resegmenter = Resegmenter(intensity_range=ct.range_hu, outlier_range=ct.outliers_sd)
        self._families = (
            "all"
            if settings.families == "all"
            else [FAMILIES.get(name, name) for name in settings.families]
        )
        self._discretizer = (
            TextureDiscretizer(bin_size=settings.bin_width_hu)
            if settings.bins is None
            else TextureDiscretizer(number_of_bins=settings.bins)
        )
        method = METHODS[settings.dimension, settings.aggregation]
        self._radiomics = Radiomics(aggr_dim=settings.dimension, aggr_method=method)

    def extract(self, region: RegionImage) -> dict[str, float]:
        """Return the features of a region, see `Engine`."""
        data = RoiData(
            image=_image(region.image, region), morphological_mask=_image(region.inside, region)
        )
        around = [math.ceil(PEAK_RADIUS_MM / side) + 1 for side in reversed(region.spacing)]
        steps = (
            IntensityMaskBuilder(),
            self._resegmenter,
            RoiCropper(padding=around),
            self._discretizer,
            IVHIntensityDiscretizer(method="direct"),
        )
        try:
            for step in steps:
                data = step.apply(data)
            found = self._radiomics.extract_features(roi_data=data, families=self._families)
        except DataStructureError as error:
            raise RegionError(f"region: no features of z-rad: {error}") from error
        return {str(name): float(value) for name, value in found.items()}


def _image(voxels: npt.NDArray[Any], region: RegionImage) -> Any:
    """Return voxels as Z-Rad has them; where they lie is nothing to features."""
    return Image(
        array=voxels.astype(np.float64),
        origin=(0.0, 0.0, 0.0),
        spacing=np.array(region.spacing),
        direction=AXES,
        shape=voxels.shape[::-1],
    )
