"""Embeddings on their way: a file beside the final one from which a killed job goes on.

It is no HDF5, which does not survive a kill, but a line that says what the file belongs to, and
then one record of fixed length per tile, each with a checksum. What a kill or a crash of the
machine left unfinished is told by its checksum and done again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from histohet.common.files import writing
from histohet.common.outcome import SlideLost

FORMAT = "histohet partial features 1"
ROWS_AT_ONCE = 4096


class PartialFeatures:
    """Rows that are done: of each tile, in order, an embedding or that it cannot be decoded."""

    def __init__(self, file: IO[bytes], start: int, width: int) -> None:
        self._file = file
        self._start = start
        self._record = np.dtype(
            [("checksum", "<u4"), ("readable", "<u4"), ("vector", "<f4", (width,))]
        )
        self.done = 0
        self.unreadable: list[int] = []
        self._recover()

    def _recover(self) -> None:
        """Count what is there up to the first record that is damaged or cut off."""
        while True:
            rows = self._read(self.done)
            for row in rows:
                if row["checksum"] != _checksum(row):
                    return
                self._note(bool(row["readable"]))
            if len(rows) == 0:
                return

    def _note(self, readable: bool) -> None:
        if not readable:
            self.unreadable.append(self.done)
        self.done += 1

    def _read(self, first: int) -> npt.NDArray[np.void]:
        size = self._record.itemsize
        self._file.seek(self._start + first * size)
        data = self._file.read(ROWS_AT_ONCE * size)
        return np.frombuffer(data, self._record, len(data) // size)

    def rewind(self, done: int) -> None:
        """Forget all rows but the first `done`."""
        self.done = min(done, self.done)
        self.unreadable = [row for row in self.unreadable if row < self.done]

    def append(self, readable: npt.NDArray[np.bool_], vectors: npt.NDArray[np.float32]) -> None:
        """Append tiles.

        Parameters
        ----------
        readable
            bool (B,).
        vectors
            float32 (R, D), one for each of the R readable ones.
        """
        rows = np.zeros(len(readable), self._record)
        rows["readable"] = readable
        rows["vector"][readable] = vectors
        for row in rows:
            row["checksum"] = _checksum(row)
        self._file.seek(self._start + self.done * self._record.itemsize)
        self._file.write(rows.tobytes())
        self._file.flush()
        for one in readable.tolist():
            self._note(one)

    def vectors(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the embeddings of the readable tiles, in order, a few thousand at a time."""
        for first in range(0, self.done, ROWS_AT_ONCE):
            rows = self._read(first)[: self.done - first]
            yield rows["vector"][rows["readable"] == 1]


def _checksum(row: np.void) -> int:
    return zlib.crc32(row.tobytes()[4:])


def _open(path: Path, header: bytes) -> IO[bytes]:
    """Open the file that begins with `header`, or a new one in place of any other.

    The other is not emptied: a job that lost its Snakemake may still be writing to it.
    """
    if path.exists():
        file = path.open("r+b")
        if file.read(len(header)) == header:
            return file
        file.close()
        path.unlink()
    file = path.open("w+b")
    file.write(header)
    return file


@contextmanager
def partial_features(
    path: str | Path, belongs_to: Mapping[str, Any], width: int
) -> Iterator[PartialFeatures]:
    """Open, or begin, the partial file of a feature file.

    It is removed when the block succeeds or the slide turns out to be lost, and stays after
    anything else, for the next attempt.

    Parameters
    ----------
    path
        The final file.
    belongs_to
        All that the rows depend on, JSON-serialisable. A file that belongs to anything else is
        begun anew.
    width
        Length of an embedding.
    """
    path = Path(path)
    about = json.dumps({"format": FORMAT, "width": width, **belongs_to}, sort_keys=True)
    header = about.encode() + b"\n"
    with writing(path) as prefix:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = prefix.with_name(f"{prefix.name}.rows")
        try:
            with _open(partial, header) as file:
                yield PartialFeatures(file, len(header), width)
        except SlideLost:
            partial.unlink(missing_ok=True)
            raise
        partial.unlink(missing_ok=True)
