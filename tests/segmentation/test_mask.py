"""Masks on the grid of their scan, whatever the orientation of either."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from helpers.scans import ORIGIN, SPACING, ball, tissue, write_volume
from histohet.ct.reading import Geometry, read_ct, read_region
from histohet.segmentation.mask import measure_regions, segment_scan, write_mask, write_no_mask
from histohet.segmentation.record import Region

ORIENTATIONS = ("LPS", "RAS", "RPI", "SAR", "PSL", "ILA")


class Above:
    """Finds what is brighter than 45 HU in the axis-dependent way of a network: half the volume.

    Attributes
    ----------
    seen
        Shape and spacing of what it was given.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], tuple[float, ...]]] = []

    def segment(self, voxels: npt.NDArray[Any], spacing: Sequence[float]) -> npt.NDArray[Any]:
        assert np.isfinite(voxels).all()
        self.seen.append((voxels.shape, tuple(spacing)))
        found = (voxels > 45).astype(np.uint8)
        found[:, :, : found.shape[2] // 2] *= 2
        return found


def stored(path: Path, orientation: str) -> str:
    """Write the same scan with its axes in another order."""
    image = sitk.GetImageFromArray(tissue(0))
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    sitk.WriteImage(sitk.DICOMOrient(image, orientation), str(path))
    return str(path)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_the_mask_is_the_same_however_a_scan_is_stored(
    orientation: str, ending: str, tmp_path: Path
) -> None:
    path = stored(tmp_path / f"ct{ending}", orientation)
    ct, network = read_ct(path), Above()
    mask = segment_scan(ct, network, "LPS")
    assert network.seen == [(tissue(0).shape, pytest.approx(SPACING))]
    write_mask(tmp_path / "m.nii.gz", mask, ct.stored)
    scan, written = (sitk.ReadImage(str(one)) for one in (path, tmp_path / "m.nii.gz"))
    assert written.GetPixelID() == sitk.sitkUInt8
    for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(written, what)() == pytest.approx(getattr(scan, what)(), abs=1e-5)
    axes = nibabel.aff2axcodes(nibabel.load(tmp_path / "m.nii.gz").affine)
    assert "".join(axes) == orientation
    expected = Above().segment(tissue(0), SPACING)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.DICOMOrient(written, "LPS")), expected
    )
    np.testing.assert_array_equal(
        read_region(tmp_path / "m.nii.gz", [2], ct.geometry), expected == 2
    )


def test_the_network_gets_the_orientation_that_it_wants(tmp_path: Path) -> None:
    ct, network = read_ct(stored(tmp_path / "ct.mha", "RAS")), Above()
    mask = segment_scan(ct, network, "PSL")
    x, y, z = SPACING
    assert network.seen == [((40, 24, 36), pytest.approx((y, z, x)))]
    # The last axis of what it got is from front to back, that of the file from right to left.
    assert (mask[:, 18:][mask[:, 18:] > 0] == 2).all()


def test_an_oblique_scan(tmp_path: Path) -> None:
    a = np.deg2rad(20)
    turn = (np.cos(a), -np.sin(a), 0, np.sin(a), np.cos(a), 0, 0, 0, 1)
    ct = read_ct(write_volume(tmp_path / "ct.mha", tissue(0), direction=turn))
    write_mask(tmp_path / "m.nii.gz", segment_scan(ct, Above(), "LPS"), ct.stored)
    assert read_region(tmp_path / "m.nii.gz", [1, 2], ct.geometry).any()


def test_voxels_that_are_no_number_are_air(tmp_path: Path) -> None:
    voxels = tissue(0).astype(np.float32)
    voxels[0, 0, :5] = np.nan
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", voxels))
    assert np.isnan(ct.voxels).sum() == 5
    mask = segment_scan(ct, Above(), "LPS")
    assert not mask[0, 0, :5].any()


def test_how_much_there_is_of_a_region() -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[0, 0, 0], mask[1, 1, 1] = 1, 2  # they touch at a corner
    mask[4, 4, 2:5] = 2
    found = measure_regions(mask, (2.0, 2.5, 4.0), {"one": (1,), "both": (1, 2), "none": (3,)})
    assert found == {
        "one": Region((1,), 1, 0.02, 1),
        "both": Region((1, 2), 5, 0.1, 2),
        "none": Region((3,), 0, 0.0, 0),
    }


def test_the_volume_of_a_ball() -> None:
    (found,) = measure_regions(ball(14).astype(np.uint8), SPACING, {"ball": (1,)}).values()
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.02)


def test_the_same_bytes_a_second_time(tmp_path: Path) -> None:
    geometry = Geometry((36, 24, 40), SPACING, ORIGIN, np.eye(3))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_mask(tmp_path / name, ball(9).astype(np.uint8), geometry)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_more_labels_than_a_byte_holds(tmp_path: Path) -> None:
    geometry = Geometry((2, 2, 2), SPACING, ORIGIN, np.eye(3))
    write_mask(tmp_path / "m.nii.gz", np.full((2, 2, 2), 300, np.uint16), geometry)
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "m.nii.gz"))).max() == 300


def test_no_mask_is_one_voxel_of_background(tmp_path: Path) -> None:
    write_no_mask(tmp_path / "m.nii.gz")
    assert gzip.decompress((tmp_path / "m.nii.gz").read_bytes())[-1] == 0
    assert sitk.ReadImage(str(tmp_path / "m.nii.gz")).GetSize() == (1, 1, 1)
