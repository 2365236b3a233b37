"""Any bytes in files of scans: a volume, a region, features, or one line that says why not."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.mutations import Reader, message_of, mutated
from histohet.common.sheets import SheetError
from histohet.ct.reading import ScanError, read_ct
from histohet.ct.sheet import read_scan_sheet
from histohet.radiomics.finished import FinishedError, read_finished

VOXELS = (np.arange(5 * 6 * 7) * 9 - 1000).astype("<i2").tobytes()
NRRD = (
    b"NRRD0005\n# by hand\ntype: short\ndimension: 3\nspace: LPS\nsizes: 7 6 5\n"
    b"space directions: (1,0,0) (0,1,0) (0,0,2.5)\nendian: little\nencoding: raw\n"
    b"space origin: (0,0,0)\n\n"
) + VOXELS
META = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    b"CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
    b"ElementSpacing = 1 1 2.5\nDimSize = 7 6 5\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
) + VOXELS
TOKENS = (
    *(b"0", b"-1", b"nan", b"inf", b"1e999", b"99999999999", b" ", b"\n", b"\0", b"\xff\xff"),
    *(b"none", b"raw", b"gzip", b"hex", b"ascii", b"big", b"LIST", b"LOCAL", b"double", b"uchar"),
    *(b"NDims = 4", b"True", b"data file: x", b"byte skip: -1", b"HeaderSize = -1", b"../x", b":="),
    *(b"\x7f\xc0\x00\x00", b"\x00\x00\x80\x7f", b"\x10\x00", b"\x40\x00", b"\x5c\x01\x00\x00"),
    *(b"# engine: z", b"# settings: {}", b"# settings: [" + b"[" * 20_000, b"name,value", b"{x}"),
    *(b"\t", b",", b'"', b"#", b":", b"NaN", b"features", b"mask", "١٢".encode()),
)


def nifti() -> bytes:
    header = bytearray(352)
    header[:4] = (348).to_bytes(4, "little")
    header[40:56] = np.array([3, 7, 6, 5, 1, 1, 1, 1], "<i2").tobytes()
    header[70:74] = np.array([4, 16], "<i2").tobytes()
    header[76:108] = np.array([1, 1, 1, 2.5, 0, 0, 0, 0], "<f4").tobytes()
    header[108:112] = np.array([352], "<f4").tobytes()
    header[344:348] = b"n+1\0"
    return bytes(header) + VOXELS


def ct(path: Path) -> None:
    volume = read_ct(path)
    size, spacing = volume.geometry.size, volume.geometry.spacing
    assert volume.voxels.shape == size[::-1]
    assert all(0.01 <= side <= 10 for side in spacing)
    assert np.isfinite(volume.geometry.direction).all()
    assert volume.voxels.min() < 0


def finished(path: Path) -> None:
    draw, identity, _ = read_finished(str(path), {})
    assert identity.engine
    assert not any(math.isinf(value) for value in draw.features.values())
    assert any(math.isfinite(value) for value in draw.features.values())
    assert str(identity)


def sheet(path: Path) -> None:
    for scan, row in read_scan_sheet(path).items():
        assert row.scan == scan
        assert row.patient
        assert row.files


READERS = (
    Reader(ct, ScanError, "a.nii", (nifti(),)),
    Reader(ct, ScanError, "b.nii.gz", (gzip.compress(nifti(), mtime=0),)),
    Reader(ct, ScanError, "a.nrrd", (NRRD,)),
    Reader(ct, ScanError, "a.mha", (META,)),
    Reader(
        finished,
        FinishedError,
        "f.csv",
        (
            b"# engine: pyradiomics 3.0.1\n# bins: 32\nname,value\na,1\nb,-2e3\n",
            b'# engine: z\n# settings: {"bins": 32}\na,b\n1,NA\n',
        ),
    ),
    Reader(
        sheet,
        SheetError,
        "scans.tsv",
        (
            b"scan\tpatient\tct\tmask\tlabel\treader\tscan_day\na\tp\ta.nii\tm.nii\t1,2\tx\t-3\n",
            b"scan\tct\tfeatures\na\t\tf.csv\nb\tb.nii\t\n",
        ),
    ),
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_any_bytes_are_read_or_refused_in_a_line(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / reader.name

    @settings(settings.get_profile("fuzz"))
    @given(mutated(reader.seeds, TOKENS))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        message = message_of(lambda: reader.read(path), reader.error)
        assert message is None or "\n" not in message

    read()
