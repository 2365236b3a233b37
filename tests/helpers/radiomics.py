"""Regions for engines of radiomics, and IBSI's digital phantom with its consensus values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from histohet.ct.prepare import Prepared
from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import RegionImage
from histohet.radiomics.settings import RadiomicsSettings


def region_of(scan: Prepared) -> RegionImage:
    return RegionImage(scan.image, scan.regions[0].voxels, scan.spacing)


def phantom(folder: Path) -> RegionImage:
    image, mask = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.nii.gz")))
        for name in ("phantom", "mask")
    )
    return RegionImage(image.astype(np.int16), mask > 0, (2.0, 2.0, 2.0))


def reference(folder: Path) -> dict[str, tuple[float, float]]:
    """IBSI's consensus values and their tolerances, by tag."""
    with (folder / "reference.csv").open() as file:
        return {
            row["tag"]: (float(row["reference value"]), float(row["tolerance"] or 0))
            for row in csv.DictReader(file, delimiter=";")
            if row["reference value"]
        }


def of_phantom(folder: Path) -> dict[str, float]:
    """What the default engine says of the phantom in all ways, by tag in small letters."""
    from histohet.radiomics.z_rad import METHODS, ZRad

    found: dict[str, float] = {}
    for dimension, aggregation in METHODS:
        settings = RadiomicsSettings(bin_width_hu=1, dimension=dimension, aggregation=aggregation)
        one = ZRad(settings, CtSettings(range_hu=(1, 6)))
        found |= {name.lower(): v for name, v in one.extract(phantom(folder)).items()}
    return found


def agrees(value: float, expected: float, tolerance: float) -> bool:
    """IBSI's rule: to three digits, or within the tolerance."""
    return abs(float(f"{value:.3g}") - expected) <= tolerance + 1e-9 * abs(expected) + 1e-12


def noisy_ball() -> RegionImage:
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (22, 24, 26)), indexing="ij")
    inside = (z / 8) ** 2 + (y / 6) ** 2 + (x / 7) ** 2 <= 1
    image = np.where(inside, 60, 10) + rng.normal(0, 20, inside.shape)
    return RegionImage(image.astype(np.int16), inside, (2.0, 2.0, 2.0))
