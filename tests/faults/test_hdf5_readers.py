"""HDF5 files under several readers, under replacement, and where a file system has no locks."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest

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


def test_several_read_while_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, 0)
    with get_context("spawn").Pool(2) as pool:
        readings = [pool.apply_async(read_often, (path, 150)) for _ in range(2)]
        written = 0
        while not all(reading.ready() for reading in readings):
            written += 1
            write(path, written)
        found = [reading.get() for reading in readings]
    assert written > 5
    for values in found:
        assert len(set(values)) > 1
        assert values == sorted(values)  # Neither NaN nor an older file again.


def test_an_open_file_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, 1)
    with h5py.File(path, "r", locking=False) as one, h5py.File(path, "r", locking=False) as two:
        write(path, 2)
        assert one["x"][N - 1] == two["x"][0] == 1
        assert read_column(path, "x")[0][0] == 2


def test_a_file_that_somebody_has_locked_can_be_read_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, 1)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError), h5py.File(path, "r", locking=True):
            pass
        assert read_column(path, "x")[0][0] == 1
        write(path, 2)
    assert read_column(path, "x")[0][0] == 2


NO_LOCKS = """
import sys
from pathlib import Path
import h5py
from test_hdf5_readers import refuse_locks, read_column, write
refuse_locks()
path = Path(sys.argv[1])
write(path, 3)
assert read_column(path, "x")[0][0] == 3
h5py.File(path, "r", locking=True)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="x86-64 Linux"
)
def test_a_file_system_without_locks(tmp_path: Path) -> None:
    """The last line of the program proves that locks are refused."""
    done = subprocess.run(
        [sys.executable, "-c", NO_LOCKS, str(tmp_path / "a.h5")],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "unable to lock file" in done.stderr.splitlines()[-1]
    assert read_column(tmp_path / "a.h5", "x")[0][0] == 3


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
