"""Tiles as Inception sees them: cut out of a slide once, without background, kept as JPEG.

Every network passes them many times, in random order; a slide would be decoded again each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from histohet.common.arrays import Float32, Ints
from histohet.common.hdf5 import new_file, open_file
from histohet.common.logs import track
from histohet.common.outcome import Outcome, SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.encoders.encode import TooManyUnreadableError, what_is_wrong
from histohet.encoders.pixels import TileSource
from histohet.encoders.workers import read_batches
from histohet.slides.frame import Frame
from histohet.slides.reader import Pixels
from histohet.slides.sampling import Resampling
from histohet.tiles.file import TileTable, write_coords
from histohet.tiles.lattice import Coords

BRIGHT = 220
"""Values above it are background (PathoMCH's code, `deep_zoom.py`)."""

READ_AT_ONCE = 32
QUALITY = 95

BACKGROUND, JPEG, OFFSETS = "background", "jpeg", "jpeg_offset"
"""Datasets of a file of pictures: background of each tile; all JPEGs in one row, and where each of
them begins and the last one ends."""


def background_share(tile: Pixels) -> float:
    """Return the share of the values of a tile, all pixels and channels, that are above 220.

    It is not the share of pixels: a pixel that is bright in two channels counts by two thirds.
    """
    return float(np.mean(tile > BRIGHT))


@dataclass(frozen=True)
class Pictures:
    """Tiles of a slide that are no background.

    Attributes
    ----------
    tiles
        The N tiles, or why there are none.
    background
        float32 (N,), `background_share` of each.
    jpegs
        What each looks like.
    """

    tiles: TileTable
    background: Float32
    jpegs: list[bytes]


def no_pictures(tiles: TileTable, outcome: Outcome) -> Pictures:
    """Return the tiles of a slide that has none, and why."""
    nothing = TileTable(tiles.coords[:0], tiles.attributes, outcome)
    return Pictures(nothing, np.empty(0, np.float32), [])


def cut_tiles(
    slide: str,
    tiles: TileTable,
    max_background: float,
    max_bad_tiles: float,
    workers: int,
    region: Frame | None = None,
) -> Pictures:
    """Cut tiles out of a slide, but for those that are background.

    Parameters
    ----------
    slide
        Path of the file.
    max_background
        Tiles with so much background are left out.
    max_bad_tiles
        Share of tiles that may be undecodable.
    workers
        Processes that read; 0 reads in this one.
    region
        What of the file is the slide; None: all of it.

    Raises
    ------
    SlideLost
        If no tile is left.
    TooManyUnreadableError, StorageError, SlideError
        See `histohet.encoders.encode.encode_tiles`.
    """
    tiles.outcome.raise_if_lost()
    spec = tiles.spec
    source = TileSource(slide, tiles.side_px, spec.tile_px, Resampling.LANCZOS, region=region)
    kept, shares, jpegs, read = [], [], [], 0
    for row, tile in _readable(source, tiles.coords, max_bad_tiles, workers):
        read += 1
        share = background_share(tile)
        if share < max_background:
            kept.append(row)
            shares.append(share)
            jpegs.append(_jpeg(tile))
    total = len(tiles.coords)
    if not kept:
        raise SlideLost(f"all {total} tiles on tissue are background", Status.NO_TILES)
    found = tiles.only(np.array(kept, np.int64))
    if read < total:
        note = f"{total - read} of {total} tiles cannot be decoded and are left out"
        found = replace(found, outcome=Outcome(Status.OK, note))
    return Pictures(found, np.array(shares, np.float32), jpegs)


def _readable(
    source: TileSource, coords: Coords, max_bad_tiles: float, workers: int
) -> Iterator[tuple[int, Pixels]]:
    """Yield row and pixels of the tiles that can be decoded, unless too many cannot."""
    first, lost, total = 0, 0, len(coords)
    with closing(read_batches(source, coords, READ_AT_ONCE, workers)) as batches:
        for batch in track(batches, total, "tiles cut", size=len):
            problems = what_is_wrong(source, coords[first : first + len(batch)][~batch.readable])
            lost += len(problems)
            if lost > max_bad_tiles * total:
                raise TooManyUnreadableError(
                    f"more than {max_bad_tiles:.3g} of {total} tiles (encoding.max_bad_tiles) "
                    f"cannot be decoded, one of them: {problems[0]}"
                )
            for place in np.flatnonzero(batch.readable).tolist():
                yield first + place, batch.tiles[place]
            first += len(batch)


def _jpeg(tile: Pixels) -> bytes:
    content = BytesIO()
    Image.fromarray(tile).save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()


def write_pictures(path: str | Path, pictures: Pictures, provenance: Provenance) -> None:
    """Write tiles with what they look like, in the layout of a tile file."""
    with new_file(path, pictures.tiles.outcome, provenance) as file:
        write_coords(file, pictures.tiles.coords, pictures.tiles.attributes)
        file.create_dataset(BACKGROUND, data=pictures.background)
        file.create_dataset(JPEG, data=np.frombuffer(b"".join(pictures.jpegs), np.uint8))
        file.create_dataset(OFFSETS, data=np.cumsum([0, *map(len, pictures.jpegs)], dtype=np.int64))


def read_picture(path: str | Path, row: int) -> Pixels:
    """Read what a tile looks like, uint8 (S, S, 3).

    The file is opened for each: a cohort has more than a process may hold open.
    """
    with open_file(path) as file:
        first, end = file[OFFSETS][row : row + 2]
        content = file[JPEG][first:end]
    return np.asarray(Image.open(BytesIO(content)))


@dataclass(frozen=True)
class TileSet:
    """Tiles of some slides in one order.

    Attributes
    ----------
    paths
        Files of pictures.
    file, row
        int64 (N,), number of the file that a tile is in, and its row there.
    """

    paths: list[str]
    file: Ints
    row: Ints

    def read(self, tile: int) -> Pixels:
        """Read a tile by its number."""
        return read_picture(self.paths[self.file[tile]], int(self.row[tile]))

    def batches(self, batches: Iterable[Ints], readers: Executor) -> Iterator[Pixels]:
        """Yield tiles by their numbers, uint8 (B, S, S, 3), the next ones being read meanwhile."""
        pending: deque[Iterator[Pixels]] = deque()
        for numbers in batches:
            pending.append(readers.map(self.read, numbers.tolist()))
            if len(pending) > 1:
                yield np.stack(list(pending.popleft()))
        for tiles in pending:
            yield np.stack(list(tiles))


def tile_set(paths: Iterable[str], sizes: Iterable[int]) -> TileSet:
    """Return all tiles of some slides, of which there are so many each."""
    numbers = list(sizes)
    file = np.repeat(np.arange(len(numbers)), numbers)
    row = np.concatenate([np.empty(0, np.int64), *map(np.arange, numbers)])
    return TileSet(list(paths), file, row)
