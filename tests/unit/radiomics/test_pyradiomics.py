"""Engine `paper`: against IBSI, PyRadiomics' own baseline, and Z-Rad on the same image."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.radiomics import agrees, noisy_ball, phantom, reference, region_of
from helpers.scans import prepared
from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import RegionError, RegionImage
from histohet.radiomics.names import TAGS
from histohet.radiomics.paper import PyRadiomics
from histohet.radiomics.settings import RadiomicsSettings

pytest.importorskip("radiomics", reason="make .venv/pyradiomics.txt")
pytest.importorskip("zrad", reason="make .venv/z-rad.txt")
from histohet.radiomics.z_rad import ZRad

AXES = {f"original_shape_{name}AxisLength" for name in ("Major", "Minor", "Least")}
SQUARES = [f"original_firstorder_{name}" for name in ("Energy", "TotalEnergy", "RootMeanSquared")]
KURTOSIS = "original_firstorder_Kurtosis"


def paper(range_hu: tuple[float, float] = (-150, 250), **settings: object) -> PyRadiomics:
    return PyRadiomics(RadiomicsSettings(engine="paper", **settings), CtSettings(range_hu=range_hu))


@pytest.mark.real
def test_a_hundred_of_102_values_of_the_digital_phantom(real_data: Path) -> None:
    folder = real_data / "ct/ibsi1_digital"
    found = paper((1, 6), bin_width_hu=1).extract(phantom(folder))
    expected = reference(folder)
    found[KURTOSIS] -= 3
    compared = {name: tag for name, tag in TAGS.items() if tag in expected}
    wrong = {name for name, tag in compared.items() if not agrees(found[name], *expected[tag])}
    assert len(compared) == 102
    assert wrong == {
        "original_shape_MinorAxisLength",
        "original_shape_LeastAxisLength",
    }


@pytest.mark.real
def test_the_published_baseline_of_brain1(real_data: Path) -> None:
    """PyRadiomics' repository, data/baseline: MR of a brain, bins of 25, without resampling."""
    folder = real_data / "ct/pyradiomics"
    image, label = (
        sitk.ReadImage(str(folder / f"brain1_{name}.nrrd")) for name in ("image", "label")
    )
    voxels = sitk.GetArrayFromImage(image)
    inside = sitk.GetArrayFromImage(label) == 1
    low, high = float(voxels.min()), float(voxels.max())
    found = paper((low, high)).extract(RegionImage(voxels, inside, image.GetSpacing()))
    # The baseline adds 2,000 to all values before it squares them.
    shifted = RegionImage(voxels + np.int16(2000), inside, image.GetSpacing())
    squares = paper((low + 2000, high + 2000)).extract(shifted)
    found |= {name: squares[name] for name in SQUARES}
    baseline = {}
    for path in sorted((folder / "baseline").glob("*.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                if row["featureName"].startswith("original_"):
                    baseline[row["featureName"]] = float(row["brain1"])
    assert len(baseline) == 107
    for name, value in baseline.items():
        near = 1e-3 if name.startswith("original_shape_") else 1e-9
        assert found[name] == pytest.approx(value, rel=near), name


@pytest.mark.real
@pytest.mark.parametrize("scan", ["STS_015", "STS_041"])
def test_both_engines_agree_on_one_prepared_image(real_data: Path, scan: str) -> None:
    sts = real_data / "ct/sts"
    region = region_of(prepared(f"{sts}/{scan}_ct.nii.gz", f"{sts}/{scan}_mask.nii.gz"))
    theirs = paper(bins=32).extract(region)
    ours = ZRad(RadiomicsSettings(bins=32, aggregation="averaged"), CtSettings()).extract(region)
    theirs[KURTOSIS] -= 3
    n = int(region.inside.sum())
    for name in AXES:
        theirs[name] *= np.sqrt(n / (n - 1))
    compared = {name: tag for name, tag in TAGS.items() if tag in ours}
    wrong = {
        name: (theirs[name], ours[tag])
        for name, tag in compared.items()
        if theirs[name] != pytest.approx(ours[tag], rel=1e-6)
    }
    assert wrong == {}
    assert len(compared) == 102


def test_one_darker_voxel_changes_all_grey_levels() -> None:
    """Why `bins` is the safer choice with this engine: it numbers levels from the darkest voxel."""
    region = noisy_ball()
    image = region.image.copy()
    image[11, 12, 13] = -140
    name = "original_glcm_JointAverage"
    dark = RegionImage(image, region.inside, region.spacing)
    before, after = (paper().extract(one)[name] for one in (region, dark))
    assert after > before + 2


def test_a_region_that_it_cannot_describe_is_refused() -> None:
    region = noisy_ball()
    outside = RegionImage(region.image + np.int16(2000), region.inside, region.spacing)
    with pytest.raises(RegionError, match="region: no features of pyradiomics"):
        paper().extract(outside)


def test_outliers_and_families_are_those_of_z_rad() -> None:
    region = noisy_ball()
    image = region.image.copy()
    z, y, x = np.nonzero(region.inside)
    image[z[:9], y[:9], x[:9]] = 240
    outlying = RegionImage(image, region.inside, region.spacing)
    ct = CtSettings(outliers_sd=3)
    chosen = RadiomicsSettings(engine="paper", bins=32, families=("intensity", "ngldm", "shape"))
    found = PyRadiomics(chosen, ct).extract(outlying)
    everything = PyRadiomics(RadiomicsSettings(engine="paper", bins=32), ct).extract(outlying)
    assert found == {
        name: value
        for name, value in everything.items()
        if name.split("_")[1] in {"firstorder", "gldm", "shape"}
    }
    ours = ZRad(RadiomicsSettings(bins=32), ct).extract(outlying)
    for name in (
        "original_firstorder_Mean",
        "original_firstorder_Maximum",
        "original_gldm_DependenceEntropy",
    ):
        assert found[name] == pytest.approx(ours[TAGS[name]], rel=1e-9), name
