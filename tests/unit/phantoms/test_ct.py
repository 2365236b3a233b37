"""Generated CTs: geometry, HU, and what shape and texture of the tumour say of the factor."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.stats import spearmanr

from histohet.common.arrays import Bools
from histohet.ct.prepare import prepare
from histohet.ct.reading import read_ct, read_region
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow
from histohet.phantoms.ct import SHAPE, SPACING_MM, TUMOUR_HU, PhantomCt, render_ct, smooth_field
from histohet.phantoms.ct_files import write_dataset_json, write_volume
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.scan_plan import ScanPlan, plan_scans
from histohet.phantoms.settings import PhantomSettings
from histohet.radiomics.engine import RegionImage, make_engine
from histohet.radiomics.settings import RadiomicsSettings

ML = SPACING_MM**3 / 1000


@cache
def plans(n: int = 40) -> tuple[ScanPlan, ...]:
    settings = PhantomSettings(n_slides=n, epithelial_tiles=30, seed=3, scans={"missing_ct": 0})
    return plan_scans(settings, plan_cohort(settings)).scans


@cache
def rendered() -> tuple[PhantomCt, ...]:
    return tuple(render_ct(plan) for plan in plans())


def dice(one: Bools, other: Bools) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_the_same_plan_gives_the_same_voxels_and_bytes(tmp_path: Path) -> None:
    plan = plans()[0]
    digests = set()
    for number in range(2):
        path = tmp_path / f"{number}.nii.gz"
        write_volume(path, render_ct(plan).hu)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
    assert not np.array_equal(render_ct(replace(plan, seed=plan.seed + 1)).hu, render_ct(plan).hu)
    assert not list(tmp_path.glob(".partial*"))


def test_hu_are_those_of_a_trunk_in_air() -> None:
    for plan, ct in zip(plans(), rendered(), strict=True):
        assert ct.hu.dtype == np.int16
        assert ct.hu.shape == SHAPE
        corner = ct.hu[:, :4, :4]
        assert abs(corner.mean() + 1000) < 5
        assert abs(np.median(ct.hu[ct.hu > -50]) - 85) < 40
        core = ndimage.binary_erosion(ct.tumour, iterations=2)
        if core.sum() > 50:
            # As smooth as it is, the texture of what lies deep may be off the mean of all.
            assert abs(ct.hu[core].mean() - TUMOUR_HU) < 25
        noise = np.std(ct.hu[:, :4, :4].astype(float))
        assert abs(noise - plan.noise_hu) < 2.5  # cut off at -1024 in air


def test_the_tumour_is_one_piece_of_the_planned_volume() -> None:
    for plan, ct in zip(plans(), rendered(), strict=True):
        assert ndimage.label(ct.tumour)[1] == 1
        assert np.array_equal(ndimage.binary_fill_holes(ct.tumour), ct.tumour)
        assert ct.tumour.sum() * ML == pytest.approx(plan.volume_ml, rel=0.1)
    overlaps = [dice(ct.tumour, ct.second) for ct in rendered()]
    assert min(overlaps) > 0.75
    assert np.median(overlaps) < 1


def test_smooth_fields_are_as_smooth_as_they_should_be() -> None:
    """Noise smoothed by a Gaussian of s correlates by exp(-d²/4s²) at distance d."""
    fields = [smooth_field(6.0, np.random.default_rng(seed)) for seed in range(30)]
    assert all(abs(field.mean()) < 1e-12 and abs(field.std() - 1) < 1e-12 for field in fields)
    for voxels in (1, 3):
        found = np.mean([(field * np.roll(field, voxels, axis=2)).mean() for field in fields])
        wanted = np.exp(-((voxels * SPACING_MM) ** 2) / (4 * 6.0**2))
        assert abs(found - wanted) < 0.05


def test_more_of_a_score_makes_an_outline_rougher_and_hu_more_various() -> None:
    plan = replace(plans()[0], irregularity=0.0, heterogeneity=0.0)

    def surface(ct: PhantomCt) -> int:
        return int(ct.tumour.sum() - ndimage.binary_erosion(ct.tumour).sum())

    rough = [surface(render_ct(replace(plan, irregularity=score))) for score in (-2, 0, 2)]
    assert rough == sorted(rough)
    various = [
        np.std(ct.hu[ct.tumour])
        for ct in (render_ct(replace(plan, heterogeneity=score)) for score in (-2, 0, 2))
    ]
    assert various == sorted(various)
    one, other = (render_ct(replace(plan, heterogeneity=score)) for score in (-2, 2))
    assert np.array_equal(one.tumour, other.tumour)
    assert np.array_equal(one.hu[:, :8], other.hu[:, :8])


def test_the_mask_fits_its_ct_in_a_file(tmp_path: Path) -> None:
    ct = rendered()[0]
    write_volume(tmp_path / "ct.nii.gz", ct.hu)
    write_volume(tmp_path / "mask.nii.gz", ct.tumour)
    read = read_ct(tmp_path / "ct.nii.gz")
    assert np.array_equal(read.voxels, ct.hu)
    assert read.geometry.spacing == (SPACING_MM,) * 3
    assert np.array_equal(read_region(tmp_path / "mask.nii.gz", (), read.geometry), ct.tumour)
    assert sitk.ReadImage(str(tmp_path / "mask.nii.gz")).GetPixelID() == sitk.sitkUInt8


def test_features_of_shape_and_texture_tell_of_the_factor(tmp_path: Path) -> None:
    """By the workflow's own preparation and engine; of 40 scans |rho| > 0.5 has p < .001."""
    pytest.importorskip("zrad", reason="make .venv/z-rad.txt")
    settings = CtSettings()
    engine = make_engine(RadiomicsSettings(), settings)
    found = []
    for ct in rendered():
        write_volume(tmp_path / "ct.nii.gz", ct.hu)
        write_volume(tmp_path / "mask.nii.gz", ct.tumour)
        mask = MaskRow(str(tmp_path / "mask.nii.gz"))
        scan = prepare(str(tmp_path / "ct.nii.gz"), [mask], settings, {})
        assert scan.outcome.ok, scan.outcome
        assert scan.regions[0].in_range > 0.9
        assert scan.regions[0].voxels.sum() > 500
        found.append(engine.extract(RegionImage(scan.image, scan.regions[0].voxels, scan.spacing)))

    def rho(feature: str, score: str) -> float:
        values = [one[feature] for one in found]
        return float(spearmanr(values, [getattr(plan, score) for plan in plans()]).statistic)

    assert rho("morph_sphericity", "irregularity") < -0.5
    assert rho("ngl_dc_entr_3D", "heterogeneity") > 0.7
    assert rho("morph_sphericity", "factor") < -0.5
    assert rho("ngl_dc_entr_3D", "factor") > 0.5
    assert rho("morph_volume", "volume_ml") > 0.95
    assert abs(rho("morph_volume", "factor")) < 0.5


def test_what_nnunet_is_told(tmp_path: Path) -> None:
    write_dataset_json(tmp_path / "dataset.json", 5)
    assert '"numTraining": 5' in (tmp_path / "dataset.json").read_text()
