"""How many voxels a file says it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from histohet.ct.header import count_voxels


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_every_format(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.zeros(shape, np.int16), isVector=False)
    sitk.WriteImage(image, str(tmp_path / name))
    (tmp_path / name).rename(tmp_path / name.upper())
    assert count_voxels(tmp_path / name.upper()) == int(np.prod(shape))


def test_the_other_order_of_bytes(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(tmp_path / "a.nii"))
    head = np.frombuffer((tmp_path / "a.nii").read_bytes()[:348], np.uint8).copy()
    head[:4] = head[:4][::-1]
    head[40:56] = head[40:56].view(np.int16).byteswap().view(np.uint8)
    (tmp_path / "a.nii").write_bytes(head.tobytes())
    assert count_voxels(tmp_path / "a.nii") == 60


@pytest.mark.parametrize("content", [b"", b"x" * 400, b"\x1f\x8b\x08" + bytes(20)])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_nothing_where_it_cannot_be_told(name: str, content: bytes, tmp_path: Path) -> None:
    assert count_voxels(tmp_path / name) == 0
    (tmp_path / name).write_bytes(content)
    assert count_voxels(tmp_path / name) == 0
