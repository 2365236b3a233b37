"""How many voxels a volume has, by the first bytes of its file, without a library to read it."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import IO, cast

HEADER_BYTES = 65536
"""Enough for any header that is worth reading: comments of NRRD come before the sizes at times."""

NIFTI_SIZE, OF_DIMENSIONS = 348, 40
TEXT = {
    ".nrrd": re.compile(rb"^sizes:((?:\s+\d+)+)\s*$", re.MULTILINE),
    ".mha": re.compile(rb"^DimSize\s*=((?:\s+\d+)+)\s*$", re.MULTILINE),
}


def count_voxels(path: str | Path) -> int:
    """Return how many voxels a NIfTI, NRRD or MetaImage says it has; 0 if that cannot be told.

    It is for estimates: whoever reads the voxels says what is wrong with a file.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            head = file.read(HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return 0
    ending = path.suffix.lower()
    return _of_text(head, TEXT[ending]) if ending in TEXT else _of_nifti(head)


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _of_text(head: bytes, sizes: re.Pattern[bytes]) -> int:
    found = sizes.search(head)
    return math.prod(map(int, found[1].split())) if found else 0


def _of_nifti(head: bytes) -> int:
    if len(head) < NIFTI_SIZE:
        return 0
    order = next((o for o in "<>" if struct.unpack_from(o + "i", head)[0] == NIFTI_SIZE), None)
    if order is None:
        return 0
    n, *sizes = struct.unpack_from(order + "8h", head, OF_DIMENSIONS)
    return math.prod(size for size in sizes[:n] if size > 0) if 0 < n < 8 else 0
