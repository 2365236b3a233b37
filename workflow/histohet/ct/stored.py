"""What ITK reads without a word: spacing that is not said, voxels that are missing or too many.

Of NIfTI it reads NaN and missing voxels as 0, and a spacing that is none as 1; of NRRD and
MetaImage a spacing that is not said as 1; and of all, more voxels than the header says as so many.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from histohet.common.arrays import Ints
from histohet.common.outcome import SlideLost, Status

NIFTI_SIZE = 348
NIFTI_FIELDS = "4x 36x 2x 3h 8x 14x 2h 2x 4x 3f 16x f"
"""Of its header: sizes, type and bits of voxels, spacing, and where the voxels begin."""
NIFTI_FLOATS = {16: "f4", 64: "f8"}
"""Types of voxels that may be NaN."""

CHUNK_BYTES = 2**22
NO_HOLES: Ints = np.zeros(0, np.int64)
LARGEST_HEADER = 2**20
"""Bytes of a header of text, and where voxels begin."""

NO_SPACING = "spacing is missing"
ELSEWHERE = "its voxels lie in another file: save header and voxels as one"


class StoredError(SlideLost):
    """A file is not what ITK makes of it; the message says why."""


def holes_of_nifti(path: Path) -> Ints:
    """Return the voxels of a NIfTI that are NaN or infinite, by their place in the file.

    Raises
    ------
    StoredError
        If its spacing is none, or it has fewer or more voxels than its header says.
    """
    packed = path.suffix.lower() == ".gz"
    try:
        with cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb") as file:
            header = file.read(NIFTI_SIZE)
            order = "<" if header[:4] == struct.pack("<i", NIFTI_SIZE) else ">"
            *fields, offset = struct.unpack_from(order + NIFTI_FIELDS, header)
            sizes, kind, bits, spacing = fields[:3], fields[3], fields[4], fields[5:]
            if not all(math.isfinite(side) and side for side in spacing):
                raise StoredError(f"spacing {' × '.join(f'{side:g}' for side in spacing)} mm")
            if not NIFTI_SIZE <= offset < LARGEST_HEADER:
                raise StoredError(f"voxels begin at byte {offset:g}: its header is damaged")
            file.read(int(offset) - NIFTI_SIZE)
            dtype = np.dtype(order + NIFTI_FLOATS[kind]) if kind in NIFTI_FLOATS else None
            return _holes(file, math.prod(sizes) * bits // 8, dtype)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StoredError(
            f"{path.name} is damaged, or was not copied to its end: {error}", Status.UNREADABLE
        ) from error


def _holes(file: IO[bytes], expected: int, dtype: np.dtype[Any] | None) -> Ints:
    """Read voxels to the end, where a gzip says that it is whole; return those not finite."""
    length, found = 0, [np.zeros(0, np.int64)]
    while chunk := file.read(CHUNK_BYTES):
        if dtype is not None:
            whole = chunk[: len(chunk) - len(chunk) % dtype.itemsize]
            bad = np.flatnonzero(~np.isfinite(np.frombuffer(whole, dtype)))
            found.append(bad + length // dtype.itemsize)
        length += len(chunk)
        if length > expected:
            raise StoredError(_too_many(expected))
    if length < expected:
        raise StoredError(
            f"ends after {length:,} of {expected:,} bytes of voxels: copy it again",
            Status.UNREADABLE,
        )
    return np.concatenate(found)


def _too_many(expected: int) -> str:
    return f"has more than the {expected:,} bytes of voxels that its header says"


LONGEST_FIELD = 500
"""Characters of a field of a NRRD: its reader writes what it cannot read, if that is longer than
1,000, over its own stack. Comments and keys with values may be longer, as Slicer's are."""

SKIPS = {"line skip", "lineskip", "byte skip", "byteskip"}
"""Fields by which voxels of a NRRD begin later than its header ends."""


def check_nrrd(path: Path) -> int | None:
    """Check the header of a NRRD.

    Returns
    -------
    int or None
        Where its voxels begin, if they are all of the rest, and not packed.

    Raises
    ------
    StoredError
        If it does not say its spacing in mm, voxels lie in another file, or it is no NRRD.
    """
    lines, begin = _text_header(path, last=b"\n")
    if not lines[:1] or not lines[0].startswith("NRRD"):
        raise StoredError(f"cannot be read: {path.name} is no NRRD", Status.UNREADABLE)
    fields = {}
    for line in lines[1:]:
        key, sign, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue
        if len(line) > LONGEST_FIELD:
            raise StoredError(
                f"cannot be read: a line of {len(line):,} characters in the header of {path.name}",
                Status.UNREADABLE,
            )
        fields[key.lower()] = value.strip() if sign else ""
    if {"data file", "datafile"} & set(fields):
        raise StoredError(ELSEWHERE)
    axes = re.findall(r"none|\([^)]*\)", fields.get("space directions", ""))
    sides = axes or fields.get("spacings", "").split()
    if sum(side.lower() not in {"none", "nan"} for side in sides) < 3:
        raise StoredError(NO_SPACING)
    units = re.findall(r'"(.*?)"', fields.get("space units", "") + fields.get("units", ""))
    others = set(units) - {"", "mm", "millimeter", "millimeters"}
    if others:
        raise StoredError(f"spacing in '{min(others)}', not in mm")
    return begin if fields.get("encoding") == "raw" and not SKIPS & set(fields) else None


def check_metaimage(path: Path) -> int | None:
    """Check the header of a MetaImage, as `check_nrrd` does."""
    lines, begin = _text_header(path, last=b"elementdatafile")
    fields = {}
    for line in lines:
        key, _, value = line.partition("=")
        fields[key.strip().lower()] = value.strip()
    if "elementdatafile" not in fields:
        raise StoredError(f"cannot be read: {path.name} is no MetaImage", Status.UNREADABLE)
    if fields["elementdatafile"].upper() != "LOCAL":
        raise StoredError(ELSEWHERE)
    if not {"elementspacing", "elementsize"} & set(fields):
        raise StoredError(NO_SPACING)
    packed = fields.get("compresseddata", "").lower() == "true"
    return None if packed or "headersize" in fields else begin


def _text_header(path: Path, last: bytes) -> tuple[list[str], int]:
    """Return the lines of a header, and how many bytes it has.

    Parameters
    ----------
    last
        How its last line begins, in lower case.
    """
    lines = []
    with path.open("rb") as file:
        while file.tell() < LARGEST_HEADER and (line := file.readline(LARGEST_HEADER)):
            lines.append(line.decode("latin-1").strip())
            if line.replace(b"\r\n", b"\n").lower().startswith(last):
                break
        return lines, file.tell()


def check_rest(path: Path, begin: int | None, n_bytes: int) -> None:
    """Check that a file has no more voxels than were read of it.

    Raises
    ------
    StoredError
        If it has.
    """
    if begin is not None and path.stat().st_size - begin > n_bytes:
        raise StoredError(_too_many(n_bytes))


CHECKS = {".nrrd": check_nrrd, ".mha": check_metaimage}
