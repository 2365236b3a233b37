"""Every refusal of a scan that docs/radiopathomics.md names: one input each, word for word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.scans import SIZE, ball, tissue, write_volume
from histohet.common.outcome import SlideLost
from histohet.ct.prepare import prepare
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow

Case = tuple[Callable[[Path], Any], Callable[[Path], Any], dict[str, Any], str]


def ct(voxels: Any = None, **how: Any) -> Callable[[Path], str]:
    voxels = tissue() if voxels is None else voxels
    return lambda folder: write_volume(folder / "ct.nii.gz", voxels, **how)


def mask(voxels: Any = None, **how: Any) -> Callable[[Path], str]:
    voxels = ball(14) if voxels is None else voxels
    return lambda folder: write_volume(folder / "mask.nii.gz", voxels, **how)


def four(folder: Path) -> str:
    image = sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.int16), isVector=False)
    sitk.WriteImage(image, str(folder / "ct.nii.gz"))
    return str(folder / "ct.nii.gz")


def with_values(inside: Any, value: float, dtype: Any = np.float32) -> Any:
    voxels = tissue().astype(dtype)
    voxels[inside] = value
    return voxels


LABELS = ball(14).astype(np.uint8)
LABELS[ball(8)] = 2
LABELS[:, :4] = 6
TWO = np.where(LABELS == 2, 2, ball(14)).astype(np.uint8)
HOLES = np.zeros(SIZE[::-1], bool)
HOLES[12, 18, 15:27] = True
WINDOWED = np.linspace(0, 255, tissue().size).reshape(tissue().shape).astype(np.int16)

CASES: dict[str, Case] = {
    "size": (
        ct(),
        mask(np.ones((12, 36, 40), np.uint8)),
        {},
        "mask: 40 × 36 × 12 voxels, the CT has 40 × 36 × 24: resample the mask to the CT (no "
        "silent resampling)",
    ),
    "origin": (
        ct(),
        mask(origin=(-19.0, 35.5, -410.0)),
        {},
        "mask: origin differs by 1.00 mm from the CT's",
    ),
    "labels": (ct(), mask(LABELS), {}, "mask: labels 1, 2, 6 and no 'label' in the sheet"),
    "label": (ct(), mask(TWO), {"labels": (6,)}, "mask: no voxel of label 6 (it has 1, 2)"),
    "empty": (ct(), mask(np.zeros_like(LABELS)), {}, "mask: it is empty"),
    "four dimensions": (four, mask(), {}, "ct: 4 dimensions; a CT volume has 3"),
    "holes": (ct(with_values(HOLES, np.nan)), mask(), {}, "ct: 12 voxels of the region are not "
              "finite"),
    "windowed": (
        ct(WINDOWED),
        mask(),
        {},
        "ct: values 0 to 255 are no Hounsfield units: was it windowed or normalised?",
    ),
    "spacing": (
        ct(spacing=(1, 1, 12)),
        mask(spacing=(1, 1, 12)),
        {},
        "ct: spacing 1 × 1 × 12 mm",
    ),
    "small": (ct(), mask(ball(4)), {}, "region: 36 voxels at 2 mm, at least 100 are needed"),
    "gas": (
        ct(with_values(ball(12), -900, np.int16)),
        mask(),
        {},
        "region: 74 % of its voxels lie outside −150 to 250 HU; is the lumen in the mask?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_is_refused_in_its_words(tmp_path: Path, case: str) -> None:
    make_ct, make_mask, changes, words = CASES[case]
    masks = [MaskRow(make_mask(tmp_path), **changes)]
    with pytest.raises(SlideLost) as lost:
        prepare(make_ct(tmp_path), masks, CtSettings(), {}).outcome.raise_if_lost()
    assert str(lost.value) == words


def test_two_are_notes_on_a_scan_that_is_used(tmp_path: Path) -> None:
    cut = ball(14)
    cut[:12] |= cut[12]
    far = {"spacing": (1, 1, 5.5)}
    masks = [MaskRow(mask(cut, **far)(tmp_path))]
    found = prepare(ct(**far)(tmp_path), masks, CtSettings(min_in_range=0.01), {})
    assert found.outcome.ok
    assert found.outcome.reason.split("; ") == [
        "voxels of 1 × 1 × 5.5 mm are 5.5 times as thick as wide",
        "region is cut by the edge of the scan",
    ]
