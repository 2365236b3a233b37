"""CT and masks on one grid: what engines get, what is refused, what is noted."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from helpers.scans import SIZE, SPACING, ball, prepared, tissue, write_scan_files, write_volume
from histohet.common.outcome import SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.ct.file import read_scan, write_record, write_scan
from histohet.ct.prepare import largest_part, prepare
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow


def test_engines_get_the_tumour_at_the_wanted_spacing(tmp_path: Path) -> None:
    found = prepared(*write_scan_files(tmp_path))
    (region,) = found.regions
    assert found.outcome.ok
    assert found.spacing == (2.0, 2.0, 2.0)
    assert region.voxels.shape == found.image.shape
    assert region.voxels.sum() * 8 == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.03)
    assert found.image[region.voxels].mean() == pytest.approx(70, abs=5)
    assert region.in_range == 1
    # 12 mm around the tumour, and no more.
    assert all(14 * 2 + 24 - 2 <= n * 2 <= 14 * 2 + 24 + 6 for n in found.image.shape)


def test_as_stored_changes_no_voxel(tmp_path: Path) -> None:
    found = prepared(*write_scan_files(tmp_path, 8), spacing_mm="as_stored")
    assert found.spacing == pytest.approx(SPACING)
    z, y, x = np.nonzero(ball(8))
    np.testing.assert_array_equal(found.image[found.regions[0].voxels], tissue()[z, y, x])


def test_it_says_where_it_lies(tmp_path: Path) -> None:
    """Whatever the axes of the file: the centre of the region stays where it is."""
    angle = np.deg2rad(10)
    turned = [np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1]
    ct = write_volume(tmp_path / "ct.nii.gz", tissue(), direction=turned)
    mask = write_volume(tmp_path / "mask.nii.gz", ball(10), direction=turned)
    found = prepared(ct, mask)
    index = np.array([axis.mean() for axis in np.nonzero(found.regions[0].voxels)][::-1])
    place = np.array(found.origin) + found.direction @ (index * found.spacing)
    middle = (np.array(SIZE) - 1) / 2 * SPACING
    expected = np.array((-20.0, 35.5, -410.0)) + np.reshape(turned, (3, 3)) @ middle
    np.testing.assert_allclose(place, expected, atol=0.05)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_orientation_of_the_file_is_nothing_to_engines(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """Stored along other axes, some of them backwards, it is the same scan."""
    (tmp_path / "plain").mkdir()
    expected = prepared(*write_scan_files(tmp_path / "plain", 10))
    signs = (1, -1, -1) if order[0] else (-1, 1, -1)
    direction = np.zeros((3, 3))
    origin = np.array((-20.0, 35.5, -410.0))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        direction[world, axis] = sign
        origin[world] += 0 if sign > 0 else (SIZE[world] - 1) * SPACING[world]
    paths = []
    for name, voxels in (("ct", tissue()), ("mask", ball(10))):
        stored = voxels.T.transpose(order)[tuple(slice(None, None, sign) for sign in signs)].T
        spacing = [SPACING[world] for world in order]
        paths.append(
            write_volume(tmp_path / f"{name}.nii.gz", stored, spacing, origin, direction.ravel())
        )
    found = prepared(*paths)
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.regions[0].voxels, expected.regions[0].voxels)
    np.testing.assert_allclose(found.origin, expected.origin, atol=1e-4)


@pytest.mark.parametrize("angle", [30, 45, 200])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored_scans_have_the_same_voxels(
    tmp_path: Path, angle: float, mirrored: bool
) -> None:
    """Axes at any angle to the patient, left-handed ones too: the tumour is the same."""
    (tmp_path / "plain").mkdir()
    expected = prepared(*write_scan_files(tmp_path / "plain", 10))
    a = np.deg2rad(angle)
    turned = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    if mirrored:
        turned[:, 2] *= -1
    direction = turned.ravel().tolist()
    ct = write_volume(tmp_path / "ct.nrrd", tissue(), direction=direction)
    found = prepared(ct, write_volume(tmp_path / "m.nrrd", ball(10), direction=direction))
    inside, of_expected = found.regions[0].voxels, expected.regions[0].voxels
    assert found.outcome.ok
    assert inside.sum() == of_expected.sum()
    np.testing.assert_array_equal(
        np.sort(found.image[inside]), np.sort(expected.image[of_expected])
    )


def refusal(ct: str, mask: str, **settings: object) -> str:
    found = prepared(ct, mask, **settings)
    assert found.outcome.status is Status.REFUSED
    assert not found.regions[0].voxels.size
    return found.outcome.reason


def test_a_small_region_is_refused(tmp_path: Path) -> None:
    ct, mask = write_scan_files(tmp_path, 4)
    n = int(prepared(ct, mask, min_voxels=10).regions[0].voxels.sum())
    assert refusal(ct, mask) == f"region: {n} voxels at 2 mm, at least 100 are needed"
    text = refusal(ct, mask, spacing_mm=(4, 4, 2.5))
    assert "voxels at 4 × 4 × 2.5 mm, at least 100" in text


def test_a_region_of_gas_is_refused(tmp_path: Path) -> None:
    ct, _ = write_scan_files(tmp_path)
    voxels = tissue()
    voxels[ball(12)] = -900
    ct = write_volume(tmp_path / "gas.nii.gz", voxels)
    reason = refusal(ct, write_volume(tmp_path / "mask.nii.gz", ball(14)))
    assert reason.endswith(" % of its voxels lie outside −150 to 250 HU; is the lumen in the mask?")
    assert prepared(ct, str(tmp_path / "mask.nii.gz"), min_in_range=0.1).outcome.ok


def test_holes_in_the_region_are_refused_and_others_are_air(tmp_path: Path) -> None:
    _, mask = write_scan_files(tmp_path)
    voxels = tissue().astype(np.float32)
    voxels[0, 0, :5] = np.nan
    found = prepared(write_volume(tmp_path / "nan.nii.gz", voxels), mask)
    assert found.outcome.reason == (
        "5 voxels outside of the region are not finite and count as air"
    )
    voxels[12, 18, 20:32] = np.inf
    with pytest.raises(SlideLost, match=r"ct: \d+ voxels of the region are not finite"):
        prepared(write_volume(tmp_path / "nan.nii.gz", voxels), mask)


def test_a_region_without_voxels_has_no_part() -> None:
    found, n_parts = largest_part(np.zeros((2, 3, 4), bool))
    assert (found.sum(), n_parts) == (0, 0)


def test_the_largest_part_alone_where_it_is_wanted(tmp_path: Path) -> None:
    """Voxels that touch at a corner are one part; where all are kept, nothing is said."""
    ct, mask = write_scan_files(tmp_path, 10)
    alone = prepared(ct, mask).regions[0].voxels
    stray = ball(10)
    z = np.nonzero(stray)[0].max()
    stray[z + 3, 5, 5] = stray[z + 4, 6, 6] = True
    several = write_volume(tmp_path / "stray.nii.gz", stray)
    found = prepared(ct, several, spacing_mm="as_stored", keep="largest")
    share = f"{2 / stray.sum():.1%}".replace("%", " %")
    assert found.outcome.reason == f"region: smaller parts, {share} of it, are left out (2 parts)"
    assert found.regions[0].voxels.sum() == ball(10).sum()
    everything = prepared(ct, several, spacing_mm="as_stored")
    assert everything.regions[0].voxels.sum() == stray.sum()
    assert everything.outcome.reason == ""
    same = prepared(ct, mask, keep="largest")
    assert same.outcome.reason == ""
    np.testing.assert_array_equal(same.regions[0].voxels, alone)


def test_a_spline_overshoots_within_what_16_bits_hold(tmp_path: Path) -> None:
    _, mask = write_scan_files(tmp_path)
    voxels = tissue()
    voxels[12, 18, 20] = 2**15 - 2
    voxels[12, 18, 22] = -(2**15) + 2
    ct = write_volume(tmp_path / "metal.nii.gz", voxels)
    linear, spline = (
        prepared(ct, mask, spacing_mm=1, interpolation=how, min_in_range=0.01)
        for how in ("linear", "bspline")
    )
    assert linear.image.shape == spline.image.shape
    assert np.abs(spline.image.astype(int)).max() <= 2**15 - 1
    far = np.abs(linear.image.astype(int) - spline.image)
    assert np.median(far) < 10


def test_what_is_unusual_is_noted(tmp_path: Path) -> None:
    inside = ball(14)
    inside[:12] |= ball(14)[12]
    ct = write_volume(tmp_path / "ct.nii.gz", tissue(), spacing=(1, 1, 5.5))
    mask = write_volume(tmp_path / "mask.nii.gz", inside, spacing=(1, 1, 5.5))
    found = prepared(ct, mask, min_in_range=0.01)
    assert found.outcome.ok
    assert found.outcome.reason == (
        "voxels of 1 × 1 × 5.5 mm are 5.5 times as thick as wide; region is cut by the edge of the "
        "scan"
    )


def test_the_first_reader_counts_and_others_may_fail(tmp_path: Path) -> None:
    ct, mask = write_scan_files(tmp_path)
    small = write_volume(tmp_path / "small.nii.gz", ball(3))
    found = prepared(ct, mask, small)
    assert found.outcome.ok
    assert [region.outcome.ok for region in found.regions] == [True, False]
    found = prepared(ct, small, mask)
    assert found.outcome.reason.startswith("region:")
    assert found.regions[1].outcome.ok
    wrong = MaskRow(mask, labels=(7,), reader="b")
    both = prepare(ct, [MaskRow(mask, reader="a"), wrong], CtSettings(), {})
    assert both.regions[1].outcome.reason == "mask: no voxel of label 7 (it has 1)"
    with pytest.raises(SlideLost, match="label 7"):
        prepare(ct, [wrong], CtSettings(), {})


def test_files_that_are_missing_refuse_the_scan(tmp_path: Path) -> None:
    ct, mask = write_scan_files(tmp_path)
    for file, message in ((ct, f"ct: {ct} is away"), (mask, f"mask: {mask} is away")):
        with pytest.raises(SlideLost) as lost:
            prepare(ct, [MaskRow(mask)], CtSettings(), {file: "is away"})
        assert str(lost.value) == message


def test_files_hold_what_was_prepared(tmp_path: Path) -> None:
    ct, mask = write_scan_files(tmp_path)
    small = write_volume(tmp_path / "small.nii.gz", ball(3))
    found = prepared(ct, mask, small, mask)
    write_scan(tmp_path / "a.h5", found, found.outcome, Provenance())
    write_record(tmp_path / "a.json", "a", found, found.outcome, Provenance())
    read = read_scan(tmp_path / "a.h5")
    np.testing.assert_array_equal(read.image, found.image)
    assert read.image.dtype == np.int16
    assert list(read.regions) == ["r0", "r2"]
    np.testing.assert_array_equal(read.regions["r2"], found.regions[2].voxels)
    assert read.spacing == found.spacing
    assert (tmp_path / "a.json").read_text().count('"reader"') == 3


def test_a_refused_scan_has_a_file_that_says_why(tmp_path: Path) -> None:
    ct, _ = write_scan_files(tmp_path)
    small = write_volume(tmp_path / "small.nii.gz", ball(3))
    found = prepared(ct, small)
    write_scan(tmp_path / "a.h5", found, found.outcome, Provenance())
    write_scan(tmp_path / "b.h5", None, found.outcome, Provenance())
    for name in ("a.h5", "b.h5"):
        read = read_scan(tmp_path / name)
        assert read.outcome == found.outcome
        assert read.regions == {}
