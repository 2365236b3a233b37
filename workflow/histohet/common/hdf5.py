"""Per-slide HDF5 files: whole or absent, with the outcome of their slide and their provenance.

One file per slide and step. A slide without a result is a file without rows. What the rows are is
said where they are made: `histohet.tiles.file`, `histohet.features.file` and others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import h5py

from histohet.common.files import atomic_path
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance

CHUNK_ROWS = 4096

UNREADABLE = (
    OSError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
)
"""What h5py raises for files that are no HDF5, damaged, or hold types that NumPy lacks."""

MOST_ROWS = 2 * 10**7
"""No slide has more tiles or spots. A small file may claim any number, and memory is taken for them
before anything is read."""


class _Disk(FileIO):
    """A file that HDF5 writes to, and that keeps to itself what the disk refuses.

    HDF5 2.0 does not survive a failed write: it goes on without a word, or crashes. So it never
    learns of one, and what it wrote is thrown away.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or note why that is not possible."""
        view = memoryview(data).cast("B")
        try:
            done = 0
            while done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = self.error or error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length, or note why that is not possible."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


@contextmanager
def new_file(path: str | Path, outcome: Outcome, provenance: Provenance) -> Iterator[h5py.File]:
    """Create a file that says how far its slide came and where it is from.

    Raises
    ------
    StorageError
        If the file system does not take the file.
    """
    with atomic_path(path) as partial, _Disk(partial, "w+") as disk:
        try:
            with h5py.File(disk, "w") as file:
                file.attrs["status"] = str(outcome.status)
                file.attrs["reason"] = outcome.reason
                file.attrs["provenance"] = provenance.as_json()
                yield file
        finally:
            if disk.error:
                raise disk.error


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open for reading without a lock: results may lie on a file system that has none."""
    with h5py.File(path, "r", locking=False) as file:
        yield file


def outcome_of(file: h5py.File) -> Outcome:
    """Return how far the slide of an open file came."""
    return Outcome(Status(file.attrs["status"]), str(file.attrs["reason"]))
