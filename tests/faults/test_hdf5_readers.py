"""HDF5 files under several readers, under replacement, and where a file system has no locks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import h5py
import pytest

from helpers.hdf5files import N, read_often, write
from histohet.tiles.file import read_column

TESTS = Path(__file__).parents[1]


def test_several_read_while_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, 0)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        readings = [pool.submit(read_often, path, 150) for _ in range(2)]
        written = 0
        while not all(reading.done() for reading in readings):
            written += 1
            write(path, written)
        found = [reading.result() for reading in readings]
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
from helpers.hdf5files import refuse_locks, read_column, write
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
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "unable to lock file" in done.stderr.splitlines()[-1]
    assert read_column(tmp_path / "a.h5", "x")[0][0] == 3
