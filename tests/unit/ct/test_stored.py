"""Files of odd headers: what ITK would read without a word, and what it refuses, in plain words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from helpers.scans import SPACING, tissue, write_volume
from histohet.ct.reading import ScanError, read_ct

VOXELS = tissue().tobytes()
NAN, INF = float("nan"), float("inf")


def nifti(*edits: Sequence[object], end: bytes = b"") -> Callable[[Path], Path]:
    """A sound file but for numbers at places of its header, and what stands after its voxels."""

    def write(folder: Path) -> Path:
        path = Path(write_volume(folder / "a.nii", tissue()))
        content = bytearray(path.read_bytes())
        for place, form, *values in edits:
            struct.pack_into(str(form), content, int(str(place)), *values)
        path.write_bytes(bytes(content) + end)
        return path

    return write


NRRD = {
    "type": "short",
    "dimension": "3",
    "sizes": "40 36 24",
    "endian": "little",
    "encoding": "raw",
    "space": "left-posterior-superior",
    "space directions": "(1.5,0,0) (0,1.5,0) (0,0,3)",
    "space origin": "(0,0,0)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementSpacing": "1.5 1.5 3",
    "DimSize": "40 36 24",
    "ElementType": "MET_SHORT",
}


def nrrd(body: bytes = VOXELS, **fields: str | None) -> Callable[[Path], Path]:
    """A header with other fields, None for none at all; underscores stand for spaces."""

    def write(folder: Path) -> Path:
        named = {key.replace("_", " "): value for key, value in fields.items()}
        lines = [f"{key}: {value}\n" for key, value in (NRRD | named).items() if value is not None]
        (folder / "x.raw").write_bytes(VOXELS)
        path = folder / "a.nrrd"
        path.write_bytes(("NRRD0005\n" + "".join(lines) + "\n").encode() + body)
        return path

    return write


def meta(body: bytes = VOXELS, file: str = "LOCAL", **fields: str | None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        lines = [f"{key} = {value}\n" for key, value in (META | fields).items() if value]
        (folder / "x.raw").write_bytes(VOXELS)
        path = folder / "a.mha"
        path.write_bytes(("".join(lines) + f"ElementDataFile = {file}\n").encode() + body)
        return path

    return write


SOUND: dict[str, Callable[[Path], Path]] = {
    "NIfTI": nifti(),
    "NIfTI, four dimensions, one frame": nifti((40, "<h", 4)),
    "NIfTI, scaled": nifti((112, "<2f", 1.0, 0.0)),
    "NIfTI, no transforms": nifti((252, "<2h", 0, 0)),
    "NRRD": nrrd(),
    "NRRD, RAS": nrrd(space="right-anterior-superior"),
    "NRRD, spacings": nrrd(
        space=None, space_directions=None, space_origin=None, spacings="1.5 1.5 3"
    ),
    "NRRD, units": nrrd(space_units='"mm" "mm" "mm"'),
    "NRRD, long notes": nrrd(endian=f"little\n# {'x' * 5000}\nSegment0_Tags:={'y' * 5000}"),
    "NRRD, text": nrrd(" ".join(map(str, tissue().ravel())).encode(), encoding="txt"),
    "NRRD, skipped": nrrd(b"12" + VOXELS, byte_skip="2"),
    "MetaImage": meta(),
    "MetaImage, size of elements": meta(ElementSpacing=None, ElementSize="1.5 1.5 3"),
}


@pytest.mark.parametrize("case", SOUND)
def test_sound_files_are_read(tmp_path: Path, case: str) -> None:
    found = read_ct(SOUND[case](tmp_path))
    assert found.geometry.size == (40, 36, 24)
    assert found.geometry.spacing == pytest.approx(SPACING)
    turned = "RAS" in case or "no transforms" in case
    np.testing.assert_array_equal(
        np.sort(found.voxels, axis=None) if turned else found.voxels,
        np.sort(tissue(), axis=None) if turned else tissue(),
    )


NOT_RIGHT = "its axes are not at right angles (was the gantry tilted?)"
MORE = "has more than the {:,} bytes of voxels that its header says"
ODD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no number as spacing": (nifti((80, "<f", NAN)), "spacing nan × 1.5 × 3 mm"),
    "endless spacing": (nifti((88, "<f", INF)), "spacing 1.5 × 1.5 × inf mm"),
    "negative spacing": (nifti((80, "<f", -1.5)), "spacing -1.5 × 1.5 × 3 mm"),
    "metres": (nifti((123, "<b", 1)), "spacing 1500 × 1500 × 3000 mm"),
    "microns": (nifti((123, "<b", 3)), "spacing 0.0015 × 0.0015 × 0.003 mm"),
    "no voxels": (nifti((42, "<h", 0)), "cannot be read: a.nii is not recognized as a NIFTI file"),
    "nine dimensions": (nifti((40, "<h", 9)), "cannot be read"),
    "two dimensions": (nifti((40, "<h", 2)), "2 dimensions; a CT volume has 3"),
    "complex": (nifti((70, "<2h", 32, 64)), "2 values per voxel; a CT has one"),
    "narrower": (nifti((42, "<h", 39)), MORE.format(39 * 36 * 24 * 2)),
    "more": (nifti(end=b"12"), MORE.format(len(VOXELS))),
    "voxels before the header": (nifti((108, "<f", -5)), "voxels begin at byte -5: its header is"),
    "voxels nowhere": (nifti((108, "<f", NAN)), "voxels begin at byte nan: its header is damaged"),
    "voxels far away": (nifti((108, "<f", 1e30)), "voxels begin at byte 1e+30"),
    "voxels a bit later": (nifti((108, "<f", 400)), "ends after 69,072 of 69,120 bytes"),
    "no bits": (nifti((72, "<h", 0)), MORE.format(0)),
    "stretched beyond": (nifti((112, "<2f", 1e30, 0.0)), "are no Hounsfield units"),
    "sheared NIfTI": (
        nifti((252, "<2h", 0, 1), (280, "<12f", -1.5, 0.7, 0, 0, 0, -1.5, 0, 0, 0, 0, 3, 0)),
        "cannot be read: ITK only supports orthonormal direction cosines",
    ),
    "no axes": (nifti((252, "<2h", 0, 1), (280, "<12f", *[NAN] * 12)), NOT_RIGHT),
    "NRRD without spacing": (nrrd(space_directions=None, space=None, space_origin=None), "spacing"),
    "NRRD, spacing nan": (
        nrrd(space_directions=None, space=None, space_origin=None, spacings="1 1 nan"),
        "spacing is missing",
    ),
    "NRRD, an axis without": (
        nrrd(space_directions="(1.5,0,0) (0,1.5,0) none"),
        "spacing is missing",
    ),
    "NRRD, spacing 0": (
        nrrd(space_directions="(1.5,0,0) (0,1.5,0) (0,0,0)"),
        "spacing 1.5 × 1.5 × 0 mm",
    ),
    "NRRD, microns": (nrrd(space_units='"um" "um" "um"'), "spacing in 'um', not in mm"),
    "NRRD, tilted": (nrrd(space_directions="(1.5,0,0) (0,1.5,0) (0,1,3)"), NOT_RIGHT),
    "NRRD, a plane": (nrrd(space_directions="(1.5,0,0) (0,1.5,0) (0,1,0)"), "determinant is 0"),
    "NRRD, elsewhere": (nrrd(b"", data_file="x.raw"), "its voxels lie in another file"),
    "NRRD, more": (nrrd(VOXELS + b"12"), MORE.format(len(VOXELS))),
    "NRRD, narrower": (nrrd(sizes="39 36 24"), MORE.format(39 * 36 * 24 * 2)),
    "NRRD, no voxels": (nrrd(sizes="0 36 24"), "cannot be read: ReadImageInformation"),
    "NRRD, endless": (nrrd(sizes="99999999999 36 24"), "voxels are more than any CT has"),
    "NRRD, an endless line": (
        nrrd(space="x" * 20_000),
        "cannot be read: a line of 20,007 characters in the header of a.nrrd",
    ),
    "no NRRD": (lambda folder: nrrd()(folder).replace(folder / "a.mha"), "a.mha is no MetaImage"),
    "no MetaImage": (lambda folder: meta()(folder).replace(folder / "a.nrrd"), "a.nrrd is no NRRD"),
    "NRRD, blocks": (nrrd(type="block", block_size="2"), "cannot be read"),
    "MetaImage without spacing": (meta(ElementSpacing=None), "spacing is missing"),
    "MetaImage, spacing 0": (meta(ElementSpacing="1.5 1.5 0"), "spacing 1.5 × 1.5 × 0 mm"),
    "MetaImage, tilted": (meta(TransformMatrix="1 0.5 0 0 1 0 0 0 1"), NOT_RIGHT),
    "MetaImage, elsewhere": (meta(b"", "x.raw"), "its voxels lie in another file"),
    "MetaImage, slices": (meta(b"", "LIST\nx.raw"), "its voxels lie in another file"),
    "MetaImage, more": (meta(VOXELS + b"12"), MORE.format(len(VOXELS))),
    "MetaImage, fewer": (meta(VOXELS[:-2]), "cannot be read"),
    "MetaImage, narrower": (meta(DimSize="39 36 24"), MORE.format(39 * 36 * 24 * 2)),
    "MetaImage, no voxels": (meta(DimSize="0 36 24"), "0 × 36 × 24 voxels"),
    "MetaImage, below none": (meta(DimSize="-1 36 24"), "voxels are more than any CT has"),
    "MetaImage, no type": (meta(ElementType=None), "cannot be read"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_files_are_refused(tmp_path: Path, case: str) -> None:
    write, message = ODD[case]
    with pytest.raises(ScanError) as error:
        read_ct(write(tmp_path))
    said = str(error.value)
    assert said.startswith("ct: ")
    assert message in said
    for inside in ("\n", "SimpleITK", "0x", "/tmp/"):
        assert inside not in said


VALUES = {
    "1024 added": (
        np.clip(tissue().astype(int) + 1024, 0, None).astype(np.uint16),
        "are no Hounsfield units: was it windowed or normalised, or 1024 added to it?",
    ),
    "8 bits": (np.clip(tissue() // 4 + 128, 0, 255).astype(np.uint8), "windowed or normalised?"),
    "shares": (((tissue() + 1100) / 1300).astype(np.float32), "windowed or normalised?"),
    "a mask": ((tissue() > 0).astype(np.uint8), "values 0 to 1 are no Hounsfield units"),
    "nothing but air": (np.full((24, 36, 40), -1000, np.int16), "values -1000 to -1000 are no"),
    "padded": (np.where(tissue() < -500, -(2**15), tissue()), "values -32768 to"),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_are_no_hu_are_refused(tmp_path: Path, case: str) -> None:
    voxels, message = VALUES[case]
    with pytest.raises(ScanError) as error:
        read_ct(write_volume(tmp_path / "a.nii.gz", voxels))
    assert message in str(error.value)
