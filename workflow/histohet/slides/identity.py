"""One file, or one region of it, under several ids: the same path, a link, or a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from histohet.slides.frame import Frame, read_frame
from histohet.slides.sheet import SlideRow

BLOCKS, BLOCK_BYTES = 64, 2**20
"""What is compared of files of the same size: all of a small one, else blocks spread over it."""

MOST_SHARED = 0.2
"""Share of the smaller of two regions that they may have in common: squares around round cores."""


class SameFile(NamedTuple):
    """A row that names, in a column, what an earlier row names there."""

    row: SlideRow
    column: str
    first: SlideRow

    @property
    def problem(self) -> str:
        """Say which slides share what."""
        overlap = ", and their regions overlap" if self.row.region and self.first.region else ""
        return (
            f"{self.column}: the same file as of slide '{self.first.slide}' in row "
            f"{self.first.row}, or a copy of it{overlap}"
        )


def same_files(rows: Iterable[SlideRow]) -> Iterator[SameFile]:
    """Yield the rows that name a file of an earlier row, or a copy of one.

    Files are told apart by their sizes; only those of the same size are read, once. Files that
    cannot be read are passed over: preflight refuses them. Slides that are regions of one file may
    share it, and what lies beside it, but not overlap.
    """
    content_of = cache(_content)
    by_size: dict[tuple[str, int], list[tuple[SlideRow, str]]] = {}
    for row in rows:
        for column, file in row.files.items():
            if size := _size(file):
                by_size.setdefault((column, size), []).append((row, file))
    for (column, size), named in by_size.items():
        before: dict[Hashable, list[SlideRow]] = {}
        for row, file in named if len(named) > 1 else ():
            content = content_of(file, size)
            if content is None:
                continue
            earlier = before.setdefault(content, [])
            if first := next((one for one in earlier if _is_same(one, row, column)), None):
                yield SameFile(row, column, first)
            earlier.append(row)


def _is_same(one: SlideRow, other: SlideRow, column: str) -> bool:
    """Whether two rows with the same file in a column show the same of it."""
    regions = _region(one), _region(other)
    if regions[0] is None or regions[1] is None:
        return column == "path" or regions == (None, None)
    return column == "path" and _overlap(regions[0], regions[1]) > MOST_SHARED


def _region(row: SlideRow) -> Frame | None:
    """Return the region of a row; None if it has none, or one that preflight refuses."""
    try:
        return None if row.region is None else read_frame(row.region)
    except ValueError:
        return None


def _overlap(one: Frame, other: Frame) -> float:
    """Return the share of the smaller of two rectangles that lies in the other."""
    moved = one._replace(x=one.x - other.x, y=one.y - other.y)
    common = moved.within(other.width, other.height)
    smaller = min(one.width * one.height, other.width * other.height)
    return common.width * common.height / smaller


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
