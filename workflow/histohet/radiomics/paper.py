"""PyRadiomics 3.0.1, the engine of GC-MLM-RCSA, on our prepared image: none of its own resampling.

It differs from IBSI in that grey levels of fixed width are numbered from the darkest voxel of each
region, and axis lengths divide by N where IBSI's divide by N - 1 (docs/radiopathomics.md).
"""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import (
    Identity,
    RegionError,
    RegionImage,
    counted_range,
    settings_in_force,
)
from histohet.radiomics.settings import RadiomicsSettings

INSTALL = (
    "engine 'paper' needs PyRadiomics 3.0.1: make .venv/pyradiomics.txt (Python 3.11, a C compiler)"
)

FAMILIES = {"intensity": "firstorder", "ngldm": "gldm"}
"""Families that PyRadiomics calls otherwise than we do."""


class PyRadiomics:
    """Features of PyRadiomics, under its own names."""

    def __init__(self, settings: RadiomicsSettings, ct: CtSettings) -> None:
        try:
            # By name, since it is in none of the conda environments: pip does not build it there.
            extractor = import_module("radiomics.featureextractor")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(INSTALL) from error
        self.identity = Identity(
            f"pyradiomics {version('pyradiomics')}", settings_in_force(settings, ct)
        )
        logging.getLogger("radiomics").setLevel(logging.ERROR)
        bins = (
            {"binWidth": settings.bin_width_hu}
            if settings.bins is None
            else {"binCount": settings.bins}
        )
        self._extractor = extractor.RadiomicsFeatureExtractor(
            **bins,
            gldm_a=0,
            label=1,
            resegmentMode="absolute",
            additionalInfo=False,
        )
        self._ct = ct
        if settings.families == "all":
            self._extractor.enableAllFeatures()
            return
        self._extractor.disableAllFeatures()
        for name in settings.families:
            self._extractor.enableFeatureClassByName(FAMILIES.get(name, name))

    def extract(self, region: RegionImage) -> dict[str, float]:
        """Return the features of a region, see `Engine`."""
        self._extractor.settings["resegmentRange"] = list(counted_range(region, self._ct))
        try:
            found = self._extractor.execute(
                _image(region.image, region), _image(region.inside.astype(np.uint8), region)
            )
        except ValueError as error:
            raise RegionError(f"region: no features of pyradiomics: {error}") from error
        return {str(name): float(value) for name, value in found.items()}


def _image(voxels: npt.NDArray[Any], region: RegionImage) -> Any:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(region.spacing)
    return image
