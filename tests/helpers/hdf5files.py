"""A file of tiles that is written and read over and over, and a file system without locks.

Other processes import what they run, which they cannot from a test.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from pathlib import Path

import numpy as np

from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.tiles.file import read_column, write_column

N = 200_000


def write(path: Path, value: float) -> None:
    write_column(path, "x", np.full(N, value, np.float32), OK, Provenance())


def read_often(path: Path, times: int) -> list[float]:
    """Return the values found; a reading that mixes two files has more than one."""
    found = []
    for _ in range(times):
        values = np.unique(read_column(path, "x")[0])
        found.extend(values.tolist() if len(values) == 1 else [np.nan])
    return found


def refuse_locks() -> None:
    """Have the kernel answer every flock of this process as NFS does without its lock daemon."""
    load, equal, give = 0x20, 0x15, 0x06
    flock, refuse, allow = 73, 0x00050000 | errno.ENOLCK, 0x7FFF0000
    steps = [(load, 0, 0, 0), (equal, 0, 1, flock), (give, 0, 0, refuse), (give, 0, 0, allow)]
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(seccomp, filter_mode, header, 0, 0) == 0, ctypes.get_errno()
