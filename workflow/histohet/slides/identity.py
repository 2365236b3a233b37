"""One file under several ids: the same path, a link, or a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from histohet.slides.sheet import SlideRow

BLOCKS, BLOCK_BYTES = 64, 2**20
"""What is compared of files of the same size: all of a small one, else blocks spread over it."""


class SameFile(NamedTuple):
    """A row that names, in a column, the file that an earlier row names there."""

    row: SlideRow
    column: str
    first: SlideRow


def same_files(rows: Iterable[SlideRow]) -> Iterator[SameFile]:
    """Yield the rows that name a file of an earlier row, or a copy of one.

    Files are told apart by their sizes; only those of the same size are read. Files that cannot be
    read are passed over: preflight refuses them.
    """
    by_size: dict[tuple[str, int], list[tuple[SlideRow, str]]] = {}
    for row in rows:
        for column, file in row.files.items():
            if size := _size(file):
                by_size.setdefault((column, size), []).append((row, file))
    for (column, size), named in by_size.items():
        first: dict[object, SlideRow] = {}
        for row, file in named if len(named) > 1 else ():
            content = _content(file, size)
            if content is not None and first.setdefault(content, row) is not row:
                yield SameFile(row, column, first[content])


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError:
        return 0


def _content(file: str, size: int) -> bytes | None:
    """Return a digest of what a file holds; None if it cannot be read."""
    digest = hashlib.sha256()
    places: Iterable[int] = range(0, size, BLOCK_BYTES)
    if size > BLOCKS * BLOCK_BYTES:
        last = size - BLOCK_BYTES
        places = [last * block // (BLOCKS - 1) for block in range(BLOCKS)]
    try:
        with Path(file).open("rb") as content:
            for place in places:
                content.seek(place)
                digest.update(content.read(BLOCK_BYTES))
    except OSError:
        return None
    return digest.digest()
