"""The default engine: IBSI's digital phantom, and real scans."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.radiomics import agrees, noisy_ball, phantom, reference, region_of
from helpers.scans import prepared
from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import RegionError, RegionImage, counted_range
from histohet.radiomics.names import family_of
from histohet.radiomics.settings import Family, RadiomicsSettings

pytest.importorskip("zrad", reason="make .venv/z-rad.txt")
from histohet.radiomics.z_rad import METHODS, ZRad


def engine(ct: dict[str, Any] | None = None, **settings: Any) -> ZRad:
    return ZRad(RadiomicsSettings(**settings), CtSettings(**(ct or {})))


@pytest.mark.real
def test_all_consensus_values_of_the_digital_phantom(real_data: Path) -> None:
    folder = real_data / "ct/ibsi1_digital"
    found: dict[str, float] = {}
    for dimension, aggregation in METHODS:
        one = engine(
            {"range_hu": (1, 6)},
            bin_width_hu=1,
            dimension=dimension,
            aggregation=aggregation,
        )
        found |= {name.lower(): v for name, v in one.extract(phantom(folder)).items()}
    expected = reference(folder)
    wrong = {
        tag: (found.get(tag.lower()), value, tolerance)
        for tag, (value, tolerance) in expected.items()
        if not agrees(found.get(tag.lower(), np.nan), value, tolerance)
    }
    assert len(expected) == 482
    assert wrong == {}


@pytest.mark.real
def test_a_real_tumour_has_all_features_twice_the_same(real_data: Path) -> None:
    sts = real_data / "ct/sts"
    scan = prepared(f"{sts}/STS_026_ct.nii.gz", f"{sts}/STS_026_mask.nii.gz")
    one = engine()
    found = one.extract(region_of(scan))
    assert len(found) == 169
    assert np.isfinite(list(found.values())).all()
    assert found["morph_vol_approx"] == scan.regions[0].voxels.sum() * 8
    assert one.identity.engine.startswith("z-rad 26.")
    again = engine().extract(region_of(scan))
    assert again == found


def test_reversed_and_permuted_axes_give_the_same_features() -> None:
    region = noisy_ball()
    expected = engine().extract(region)
    for order, flips in (((2, 0, 1), (1, -1, 1)), ((1, 0, 2), (-1, -1, -1))):
        where = tuple(slice(None, None, flip) for flip in flips)
        image, inside = (a.transpose(order)[where] for a in (region.image, region.inside))
        found = engine().extract(RegionImage(image, inside, region.spacing))
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-9), name


def test_one_darker_voxel_changes_grey_levels_by_its_share_alone() -> None:
    """Levels are numbered from the lower end of the range, not from the darkest voxel."""
    region = noisy_ball()
    image = region.image.copy()
    image[11, 12, 13] = -140
    before, after = (
        engine().extract(RegionImage(i, region.inside, (2.0, 2.0, 2.0)))
        for i in (region.image, image)
    )
    n = region.inside.sum()
    for name in ("cm_joint_avg_3D_comb", "rlm_hgre_3D_comb", "szm_hgze_3D", "ngl_hgce_3D"):
        assert after[name] == pytest.approx(before[name], rel=30 / n), name


def test_local_peaks_look_around_the_region() -> None:
    """IBSI, local intensity peak: all voxels within 6.2 mm, inside the region or not."""
    image = np.random.default_rng(0).integers(-20, 60, (30, 30, 30)).astype(np.int16)
    inside = np.zeros_like(image, bool)
    inside[10:20, 10:19, 10:21] = True
    image[15, 15, 20] = 90
    image[:, :, 21:] = 240
    found = engine().extract(RegionImage(image, inside, (2.0, 2.0, 2.0)))
    z, y, x = np.meshgrid(*(np.arange(30) * 2.0 - at for at in (30, 30, 40)), indexing="ij")
    sphere = z**2 + y**2 + x**2 <= 6.2**2
    assert found["loc_peak_loc"] == pytest.approx(image[sphere].mean())


def test_a_region_that_an_engine_cannot_describe_is_refused() -> None:
    image = np.full((20, 20, 20), 30, np.int16)
    inside = np.zeros_like(image, bool)
    inside[5:12, 5:12, 5:12] = True
    with pytest.raises(RegionError, match="region: no features of z-rad: "):
        engine().extract(RegionImage(image, inside, (2.0, 2.0, 2.0)))


def outlying() -> RegionImage:
    """A ball with some voxels far out, within the range and beyond it."""
    region = noisy_ball()
    image = region.image.copy()
    z, y, x = np.nonzero(region.inside)
    image[z[:9], y[:9], x[:9]] = 240
    image[z[-9:], y[-9:], x[-9:]] = -140
    image[z[50:60], y[50:60], x[50:60]] = 2000
    return RegionImage(image, region.inside, region.spacing)


def test_outliers_are_those_of_the_voxels_within_the_range() -> None:
    """IBSI's outlier filtering, by hand: population deviation, limits included."""
    region = outlying()
    ct = CtSettings(outliers_sd=3)
    values = region.image[region.inside].astype(float)
    within = values[(values >= -150) & (values <= 250)]
    kept = within[np.abs(within - within.mean()) <= 3 * within.std()]
    assert len(kept) == len(within) - 18
    found = engine({"outliers_sd": 3}).extract(region)
    assert found["stat_mean"] == pytest.approx(kept.mean(), rel=1e-12)
    assert found["stat_min"] == kept.min()
    assert found["stat_max"] == kept.max()
    low, high = counted_range(region, ct)
    inside = values[(values >= low) & (values <= high)]
    np.testing.assert_array_equal(np.sort(inside), np.sort(kept))
    assert counted_range(region, CtSettings()) == (-150, 250)
    # Shape is that of the whole region.
    plain = engine().extract(region)
    assert found["morph_volume"] == plain["morph_volume"]
    assert found["cm_contrast_3D_comb"] < plain["cm_contrast_3D_comb"]


def test_identities_say_what_numbers_depend_on() -> None:
    plain, other = engine().identity, engine({"outliers_sd": 3, "keep": "largest"}).identity
    assert plain.settings["interpolation"] == "linear"
    assert other.settings == {**plain.settings, "outliers_sd": 3.0, "keep": "largest"}


def test_families_are_parts_of_all() -> None:
    region = noisy_ball()
    everything = engine().extract(region)
    names = typing.get_args(Family)
    parts = {name: engine(families=(name,)).extract(region) for name in names}
    assert {k: v for part in parts.values() for k, v in part.items()} == everything
    assert sum(map(len, parts.values())) == len(everything) == 169
    assert all(len({family_of(one) for one in part}) == 1 for part in parts.values())
    two = engine(families=("glcm", "shape")).extract(region)
    assert two == parts["shape"] | parts["glcm"]
