"""Results on their way: a folder beside the final file from which a killed job goes on.

It holds no HDF5, which does not survive a kill, but files that are whole or absent: of embeddings
one for each batch of tiles. What a crash of the machine damaged all the same is told by its
checksum and done again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from histohet.common.arrays import Bools, Float32
from histohet.common.files import writing
from histohet.common.outcome import SlideLost

CHECKSUM_BYTES = 4


class PartialFeatures:
    """Rows that are done: of each tile, in order, an embedding or that it cannot be decoded."""

    def __init__(self, folder: Path) -> None:
        """Count what is there up to the first batch that is missing or damaged."""
        self._folder = folder
        self._batches: list[Path] = []
        self.done = 0
        self.unreadable: list[int] = []
        while (batch := _read(self._next)) is not None:
            self._note(batch[0])

    @property
    def _next(self) -> Path:
        return self._folder / f"{self.done}.batch"

    def _note(self, readable: Bools) -> None:
        self._batches.append(self._next)
        self.unreadable += (self.done + np.flatnonzero(~readable)).tolist()
        self.done += len(readable)

    def append(self, readable: Bools, vectors: Float32) -> None:
        """Append a batch of tiles.

        Parameters
        ----------
        readable
            bool (B,).
        vectors
            float32 (R, D), one for each of the R readable ones.
        """
        _write(self._next, readable, vectors)
        self._note(readable)

    def vectors(self) -> Iterator[Float32]:
        """Yield the embeddings of the readable tiles, in order, batch by batch."""
        for path in self._batches:
            batch = _read(path)
            if batch is None:
                raise FileNotFoundError(f"{path} is gone or damaged: another job works on it")
            yield batch[1]


def _write(path: Path, readable: Bools, vectors: Float32) -> None:
    content = BytesIO()
    np.save(content, readable)
    np.save(content, vectors)
    write_part(path, content.getvalue())


def _read(path: Path) -> tuple[Bools, Float32] | None:
    """Read a batch; None if there is none, or not a whole one."""
    data = read_part(path)
    if data is None:
        return None
    arrays = BytesIO(data)
    return np.load(arrays), np.load(arrays)


def write_part(path: Path, data: bytes | memoryview) -> None:
    """Write a file of a partial folder in one step, in place of what is there.

    A job that lost its Snakemake may be writing the same one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{uuid4().hex}.tmp")
    with partial.open("wb") as file:
        file.write(zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "little"))
        file.write(data)
    partial.replace(path)


def read_part(path: Path) -> bytes | None:
    """Read what `write_part` wrote; None if there is nothing, or not all of it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    checksum, data = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    if not data or zlib.crc32(data) != int.from_bytes(checksum, "little"):
        return None
    return data


@contextmanager
def partial_features(path: str | Path, belongs_to: Mapping[str, Any]) -> Iterator[PartialFeatures]:
    """Open, or begin, the rows of a feature file that is not finished; see `partial_folder`."""
    with partial_folder(path, belongs_to) as folder:
        yield PartialFeatures(folder)


@contextmanager
def partial_folder(path: str | Path, belongs_to: Mapping[str, Any]) -> Iterator[Path]:
    """Open, or begin, the folder of a file that is not finished.

    It is removed when the block succeeds or the slide turns out to be lost, and stays after
    anything else, for the next attempt.

    Parameters
    ----------
    path
        The final file.
    belongs_to
        All that the parts depend on, JSON-serialisable. Parts that belong to anything else are
        removed, and begun anew.
    """
    about = json.dumps(belongs_to, sort_keys=True).encode()
    with writing(Path(path)) as prefix:
        everything = prefix.with_name(f"{prefix.name}.part")
        folder = everything / hashlib.sha256(about).hexdigest()[:16]
        for other in everything.glob("*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        except SlideLost:
            _remove(folder)
            raise
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, and the one around it if no other job has rows there."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
