"""Batches of tiles, read by processes of their own while the caller computes.

Each process opens the slide for itself and writes tiles into memory that it shares with the caller.
They are told what to read, and answer, through one pipe each and share no lock, so that one that is
killed ends the others' work but never leaves it waiting.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

import numpy as np

from histohet.common.arrays import Bools, Float32
from histohet.encoders.base import Encoder
from histohet.encoders.pixels import TileReader, TileSource
from histohet.slides.reader import Pixels, SlideError
from histohet.tiles.lattice import Coords

ONE_THREAD = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "VIPS_CONCURRENCY")


class WorkerError(RuntimeError):
    """A reading process ended before its work did; the message says how."""


@dataclass(frozen=True)
class Batch:
    """Consecutive tiles.

    Attributes
    ----------
    readable
        bool (B,), false where the slide cannot be decoded.
    tiles
        uint8 (B, S, S, 3 or 4), see `TileSource`; undefined where not readable. Valid until the
        next batch is asked for.
    vectors
        float32 (R, D), embeddings of the readable ones, where the workers encode.
    """

    readable: Bools
    tiles: Pixels
    vectors: Float32 | None = None

    def __len__(self) -> int:
        return len(self.readable)


def read_tiles_into(reader: TileReader, coords: Coords, out: Pixels) -> Bools:
    """Fill `out`, uint8 (B, S, S, 3 or 4), with tiles and return which of them could be decoded."""
    readable = np.ones(len(coords), np.bool_)
    for row, (x, y) in enumerate(coords.tolist()):
        try:
            out[row] = reader.read(x, y)
        except SlideError:
            readable[row] = False
    return readable


def read_batches(
    source: TileSource,
    coords: Coords,
    batch_size: int,
    workers: int = 0,
    ahead: int = 2,
    encoder: Encoder | None = None,
) -> Generator[Batch, None, None]:
    """Read tiles in batches, in order.

    Parameters
    ----------
    coords
        int64 (N, 2), level-0 px.
    workers
        Processes that read; 0 reads in this one.
    ahead
        Batches that may be read while the caller has one: with `batch_size`, the bound on memory.
    encoder
        Encodes in the workers, for encoders that use one core only. It has to be picklable.

    Raises
    ------
    SlideError, MaskError
        If the slide or its mask cannot be opened at all.
    WorkerError
        If a worker dies.
    """
    shape = (batch_size, *source.tile_shape)
    if workers == 0:
        tiles = np.empty(shape, np.uint8)
        with source.open() as reader:
            for first in range(0, len(coords), batch_size):
                rows = coords[first : first + batch_size]
                out = tiles[: len(rows)]
                readable = read_tiles_into(reader, rows, out)
                yield Batch(readable, out, _encoded(encoder, out[readable]))
        return
    with _start(workers, source, encoder, (ahead + 1, *shape)) as (team, slots):
        starts = range(0, len(coords), batch_size)
        for number in range(len(starts) + ahead):
            if number < len(starts):
                rows = coords[starts[number] : starts[number] + batch_size]
                _ask(team, number % (ahead + 1), rows)
            if number >= ahead:
                size = min(batch_size, len(coords) - starts[number - ahead])
                yield _answer(team, slots[(number - ahead) % (ahead + 1), :size])


def _encoded(encoder: Encoder | None, tiles: Pixels) -> Float32 | None:
    if encoder is None:
        return None
    return encoder.encode(tiles) if len(tiles) else np.empty((0, encoder.width), np.float32)


def _shares(size: int, workers: int) -> list[slice]:
    """Split a batch into one run of neighbours per worker."""
    ends = np.linspace(0, size, workers + 1).round().astype(int).tolist()
    return [slice(first, end) for first, end in pairwise(ends)]


def _ask(team: list[_Worker], slot: int, coords: Coords) -> None:
    for worker, share in zip(team, _shares(len(coords), len(team)), strict=True):
        worker.ask((slot, share.start, coords[share]))


def _answer(team: list[_Worker], tiles: Pixels) -> Batch:
    answers = [worker.answer() for worker in team]
    readable = np.concatenate([found for found, _ in answers])
    vectors = [found for _, found in answers if found is not None]
    return Batch(readable, tiles, np.concatenate(vectors) if vectors else None)


@contextmanager
def _start(
    workers: int, source: TileSource, encoder: Encoder | None, shape: tuple[int, ...]
) -> Iterator[tuple[list[_Worker], Pixels]]:
    """Start the workers on shared memory of a shape and end them with the block."""
    with ExitStack() as stack:
        file = _anonymous_file(prod(shape))
        stack.callback(os.close, file)
        slots = _map(file, shape)
        stack.enter_context(_pinned(slots))
        team: list[_Worker] = []
        for _ in range(workers):
            errors = stack.enter_context(tempfile.TemporaryFile())
            team.append(_Worker(file, errors))
            stack.callback(team[-1].stop)
            team[-1].ask((source, encoder, shape))
        yield team, slots


def torch_with_gpu() -> Any:
    """Return PyTorch if an encoder has imported it and there is a GPU, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


@contextmanager
def _pinned(array: Pixels) -> Iterator[None]:
    """Keep an array in physical memory during the block, if there is a GPU to copy it to."""
    torch = torch_with_gpu()
    if torch is None:
        yield
        return
    runtime = torch.cuda.cudart()
    done = int(runtime.cudaHostRegister(array.ctypes.data, array.nbytes, 0)) == 0
    try:
        yield
    finally:
        if done:
            runtime.cudaHostUnregister(array.ctypes.data)


def _anonymous_file(size: int) -> int:
    """Open a file without a name that is gone with its last user, however that one ends."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("tiles")
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    os.ftruncate(file, size)
    return file


def _map(file: int, shape: tuple[int, ...]) -> Pixels:
    return np.frombuffer(mmap.mmap(file, prod(shape)), np.uint8).reshape(shape)


class _Worker:
    """A reading process, seen from the one that asks."""

    def __init__(self, memory: int, errors: IO[bytes]) -> None:
        self._connection, theirs = Pipe()
        self._errors = errors
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), str(memory)],
                pass_fds=(theirs.fileno(), memory),
                stdin=subprocess.DEVNULL,
                stderr=self._errors,
                env=os.environ
                | dict.fromkeys(ONE_THREAD, "1")
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def ask(self, question: Any) -> None:
        try:
            self._connection.send(question)
        except ConnectionError as error:
            raise self._ended() from error

    def answer(self) -> tuple[Bools, Float32 | None]:
        try:
            found = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._ended() from error
        if isinstance(found, ValueError):
            raise found
        answer: tuple[Bools, Float32 | None] = found
        return answer

    def _ended(self) -> Exception:
        """Say why a worker that does not answer has ended."""
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        hint = " (out of memory?)" if code == -9 else ""
        said = f": {last[0]}" if last else ""
        return WorkerError(f"a process that reads tiles {how}{hint}{said}")

    def stop(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait()


def work(connection: Connection, memory: int) -> None:
    """Read tiles as asked until the connection is closed."""
    source, encoder, shape = connection.recv()
    slots = _map(memory, shape)
    try:
        with source.open() as reader:
            while True:
                slot, first, coords = connection.recv()
                out = slots[slot, first : first + len(coords)]
                readable = read_tiles_into(reader, coords, out)
                connection.send((readable, _encoded(encoder, out[readable])))
    except ValueError as error:
        connection.send(error)
        while True:  # What else was asked meanwhile must find a listener.
            connection.recv()


if __name__ == "__main__":
    try:
        work(Connection(int(sys.argv[1])), int(sys.argv[2]))
    except (EOFError, ConnectionError):
        # Whoever asked has what it wanted, or is gone.
        sys.exit()
