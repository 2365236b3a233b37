"""CTs and masks that cannot be used, each with the words that say so."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.scans import ORIGIN, SPACING, ball, tissue, write_volume
from histohet.ct.reading import ScanError, read_ct, read_labels, read_region

Spoil = Callable[[Path], str]


def ct_of(voxels: np.ndarray, **how: object) -> Spoil:
    return lambda folder: write_volume(folder / "bad.nii.gz", voxels, **how)


def header(offset: int, form: str, *values: float) -> Spoil:
    """A sound file with other values at a place of its header."""

    def spoil(folder: Path) -> str:
        path = Path(write_volume(folder / "bad.nii.gz", tissue()))
        content = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into(form, content, offset, *values)
        path.write_bytes(gzip.compress(bytes(content)))
        return str(path)

    return spoil


def cut(ending: str, share: float, packed: bool = False) -> Spoil:
    """A file of which the end is missing; `packed` when it was packed after that."""

    def spoil(folder: Path) -> str:
        path = Path(write_volume(folder / f"bad{ending}", tissue()))
        content = path.read_bytes()
        if packed:
            content = gzip.decompress(content)
        content = content[: int(len(content) * share)]
        path.write_bytes(gzip.compress(content) if packed else content)
        return str(path)

    return spoil


def text(folder: Path) -> str:
    path = folder / "bad.nii.gz"
    path.write_text("no image")
    return str(path)


def four_dimensions(folder: Path) -> str:
    sitk.WriteImage(
        sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.int16), isVector=False),
        str(folder / "bad.nii.gz"),
    )
    return str(folder / "bad.nii.gz")


def colour(folder: Path) -> str:
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(folder / "bad.nii.gz"))
    return str(folder / "bad.nii.gz")


def nifti_2(folder: Path) -> str:
    """A sound NIfTI-2, whose header lies otherwise."""
    content = bytearray(544)
    struct.pack_into("<i8s2h8q", content, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16, 3, 6, 5, 4, 1, 1, 1, 1)
    struct.pack_into("<8d2q", content, 104, 1, 1.5, 1.5, 3, 0, 0, 0, 0, 544, 0)
    path = folder / "bad.nii"
    path.write_bytes(bytes(content) + np.zeros(120, np.int16).tobytes())
    return str(path)


WINDOWED = np.linspace(0, 255, 4 * 5 * 6).reshape(4, 5, 6).astype(np.int16)
BAD_CTS: dict[str, tuple[Spoil, str]] = {
    "windowed": (
        ct_of(WINDOWED),
        "ct: values 0 to 255 are no Hounsfield units: was it windowed or normalised?",
    ),
    "z-scores": (ct_of((tissue() / 400).astype(np.float32)), "are no Hounsfield units"),
    "all infinite": (ct_of(np.full((4, 5, 6), np.inf, np.float32)), "ct: values nan to nan are no"),
    "4-D": (four_dimensions, "ct: 4 dimensions; a CT volume has 3"),
    "colour": (colour, "ct: 3 values per voxel; a CT has one"),
    "one slice": (ct_of(tissue()[:1]), "ct: 40 × 36 × 1 voxels: one slice is no volume"),
    "no spacing": (header(88, "<f", 0.0), "ct: spacing 1.5 × 1.5 × 0 mm"),
    "thick": (ct_of(tissue(), spacing=(1, 1, 12)), "ct: spacing 1 × 1 × 12 mm"),
    "claims": (header(42, "<3h", 30000, 30000, 30000), "voxels are more than any CT has"),
    "not copied": (cut(".nii.gz", 0.5), "ct: bad.nii.gz is damaged, or was not copied to its end"),
    "cut before": (cut(".nii.gz", 0.5, packed=True), "bytes of voxels: copy it again"),
    "cut plain": (cut(".nii", 0.5), "ct: ends after"),
    "cut nrrd": (cut(".nrrd", 0.5), "ct: cannot be read"),
    "cut mha": (cut(".mha", 0.5), "ct: cannot be read"),
    "NIfTI-2": (nifti_2, "ct: cannot be read: bad.nii is not recognized as a NIFTI file"),
    "text": (text, "ct: cannot be read: bad.nii.gz is not recognized as a NIFTI file"),
    "not there": (lambda folder: str(folder / "none.nii"), "none.nii does not exist"),
    "folder of DICOM": (str, "is not a file"),
    "png": (lambda folder: str(_touched(folder / "a.png")), "a.png ends in none of .nii, .nii.gz"),
}


def _touched(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize("case", BAD_CTS)
def test_a_ct_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    spoil, message = BAD_CTS[case]
    with pytest.raises(ScanError) as error:
        read_ct(spoil(tmp_path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_all_formats_give_the_same_voxels_in_the_same_place(tmp_path: Path, ending: str) -> None:
    ct = read_ct(write_volume(tmp_path / f"ct{ending}", tissue()))
    np.testing.assert_array_equal(ct.voxels, tissue())
    assert ct.geometry.size == (40, 36, 24)
    np.testing.assert_allclose(ct.geometry.spacing, SPACING)
    np.testing.assert_allclose(ct.geometry.place((0, 0, 0)), ORIGIN)
    np.testing.assert_allclose(ct.geometry.place((1, 0, 2)), np.add(ORIGIN, (1.5, 0, 6)))


LABELS = ball(14).astype(np.uint8)
LABELS[ball(8)] = 2
LABELS[:, :4] = 6
BAD_MASKS: dict[str, tuple[Spoil, tuple[int, ...], str]] = {
    "several labels": (ct_of(LABELS), (), "mask: labels 1, 2, 6 and no 'label' in the sheet"),
    "absent label": (ct_of(ball(14)), (6,), "mask: no voxel of label 6 (it has 1)"),
    "empty": (ct_of(np.zeros_like(LABELS)), (), "mask: it is empty"),
    "labels that are nearly one": (
        ct_of((LABELS > 0).astype(np.float64) * 0.9999999),
        (),
        "mask: 0.9999999 is no label",
    ),
    "probabilities": (ct_of((LABELS / 7).astype(np.float32)), (), "is no label"),
    "holes": (ct_of(np.where(LABELS > 0, np.nan, 0).astype(np.float32)), (), "mask: nan is no"),
    "one slice": (ct_of(LABELS[:1]), (), "mask: 40 × 36 × 1 voxels: one slice is no volume"),
    "colour": (colour, (), "mask: 3 values per voxel; a mask has one"),
    "no labels": (ct_of((LABELS / 2).astype(np.float32)), (1,), "mask: 0.5 is no label"),
    "other size": (
        ct_of(np.ones((12, 36, 40), np.uint8)),
        (),
        "mask: 40 × 36 × 12 voxels, the CT has 40 × 36 × 24: resample the mask to the CT (no "
        "silent resampling)",
    ),
    "other origin": (
        ct_of(ball(14), origin=(-19.0, 35.5, -410.0)),
        (),
        "mask: origin differs by 1.00 mm from the CT's",
    ),
    "other spacing": (
        ct_of(ball(14), spacing=(1.5, 1.5, 2.5)),
        (),
        "mask: spacing or direction differ from the CT's: 1.5 × 1.5 × 2.5 mm",
    ),
    "turned": (
        ct_of(ball(14), direction=(0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)),
        (),
        "mask: spacing or direction differ",
    ),
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_a_mask_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    spoil, labels, message = BAD_MASKS[case]
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", tissue()))
    with pytest.raises(ScanError) as error:
        read_region(spoil(tmp_path), labels, ct.geometry)
    assert message in str(error.value)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint16, np.int64, np.int8])
def test_labels_are_numbers_whatever_their_type(tmp_path: Path, kind: type) -> None:
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", tissue()))
    mask = write_volume(tmp_path / "mask.nrrd", LABELS.astype(kind))
    np.testing.assert_array_equal(read_region(mask, (6,), ct.geometry), LABELS == 6)


def test_labels_of_the_sheet_are_the_region(tmp_path: Path) -> None:
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", tissue()))
    mask = write_volume(tmp_path / "mask.nii.gz", LABELS)
    for labels in ((2,), (1, 6)):
        found = read_region(mask, labels, ct.geometry)
        np.testing.assert_array_equal(found, np.isin(LABELS, labels))


def test_labels_are_the_numbers_of_the_file(tmp_path: Path) -> None:
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", tissue()))
    several = ball(14).astype(np.uint8) + 6 * ball(8)
    mask = write_volume(tmp_path / "several.nii.gz", several)
    np.testing.assert_array_equal(read_labels(mask, ct.geometry), several)
    nothing = write_volume(tmp_path / "nothing.nii.gz", several * 0)
    assert not read_labels(nothing, ct.geometry).any()


def test_headers_of_float32_are_the_same_grid(tmp_path: Path) -> None:
    ct = read_ct(write_volume(tmp_path / "ct.nii.gz", tissue(), origin=(0.1, 1000 / 3, -77.7)))
    near = (0.1 + 1e-5, np.float32(1000 / 3).item(), -77.7)
    mask = write_volume(tmp_path / "mask.nrrd", ball(14), origin=near)
    np.testing.assert_array_equal(read_region(mask, (), ct.geometry), ball(14))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_no_zero(tmp_path: Path, ending: str, dtype: type) -> None:
    """ITK reads NaN of NIfTI as 0 HU, which is water."""
    voxels = tissue().astype(dtype)
    voxels[3, 5, 7], voxels[0, 0, 0], voxels[-1, -1, -1] = np.nan, np.inf, -np.inf
    turned = (-1, 0, 0, 0, 0, 1, 0, 1, 0)
    path = write_volume(tmp_path / f"ct{ending}", voxels, direction=turned)
    found = read_ct(path).voxels
    np.testing.assert_array_equal(
        np.isfinite(found), np.isfinite(voxels[:, :, ::-1].swapaxes(0, 1))
    )
    assert (~np.isfinite(found)).sum() == 3


def test_a_file_of_a_big_endian_machine_is_the_same(tmp_path: Path) -> None:
    voxels = tissue().astype(">f4")
    voxels[3, 5, 7] = np.nan
    content = bytearray(352)
    struct.pack_into(">i", content, 0, 348)
    struct.pack_into(">8h", content, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into(">2h", content, 70, 16, 32)
    struct.pack_into(">8f", content, 76, 1, *SPACING, 0, 0, 0, 0)
    struct.pack_into(">f", content, 108, 352)
    content[344:348] = b"n+1\0"
    path = tmp_path / "ct.nii"
    path.write_bytes(bytes(content) + voxels.tobytes())
    found = read_ct(path)
    assert found.geometry.spacing == pytest.approx(SPACING)
    assert np.isnan(found.voxels).sum() == 1
    assert (
        np.sort(found.voxels, axis=None)[:-1].tolist() == np.sort(voxels, axis=None)[:-1].tolist()
    )
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ScanError, match="copy it again"):
        read_ct(path)


@pytest.mark.real
def test_a_mask_of_a_real_ct_on_another_grid_is_refused(real_data: Path) -> None:
    folder = real_data / "ct/totalsegmentator_pulmonary"
    ct = read_ct(folder / "ct_cropped.nii.gz")
    inside = read_region(folder / "pulmonary_artery.nii.gz", (), ct.geometry)
    assert inside.sum() == 14261
    with pytest.raises(ScanError) as error:
        read_region(folder / "heart.nii.gz", (), ct.geometry)
    assert str(error.value) == (
        "mask: 233 × 167 × 191 voxels, the CT has 122 × 102 × 112: resample the mask to the CT (no "
        "silent resampling)"
    )
