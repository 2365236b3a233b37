"""From tiles of a slide to embeddings: batches that are read elsewhere, encoded here, kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from histohet.common.arrays import Float32, Ints
from histohet.common.files import StorageError
from histohet.common.logs import logger, track
from histohet.common.outcome import Outcome, Status, attempt
from histohet.common.provenance import Provenance
from histohet.encoders.base import Encoder, EncoderOutOfMemory
from histohet.encoders.blocks import BlockEncoder, Blocks
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.make import make_encoder
from histohet.encoders.pixels import TileSource
from histohet.encoders.weights import locate
from histohet.encoders.workers import read_batches, torch_with_gpu
from histohet.features.file import feature_file, write_no_features
from histohet.features.partial import PartialFeatures, partial_features
from histohet.slides.reader import Pixels, SlideError
from histohet.slides.staging import staged
from histohet.tiles.file import TileTable
from histohet.tiles.lattice import Coords

CPU_BATCH = 32
"""Tiles per forward pass without a GPU: more keep no core busier, and fall out of its cache."""


@dataclass(frozen=True)
class EncodingOptions:
    """How tiles are encoded; but for `max_bad_tiles`, and the last bits, it changes no result.

    Attributes
    ----------
    batch_size
        Tiles per forward pass, fewer where the device has no memory for them.
    workers
        Processes that read tiles; 0 reads in this one.
    in_workers
        Whether the workers also encode.
    max_bad_tiles
        Share of tiles that may be undecodable.
    """

    batch_size: int
    workers: int = 0
    in_workers: bool = False
    max_bad_tiles: float = 0.0


class TooManyUnreadableError(SlideError):
    """More tiles of a slide than allowed cannot be decoded."""


def encode_job(
    job: Any,
    provenance: Provenance,
    tiles: TileTable,
    choose: Callable[[], tuple[Ints, TileSource]],
    wrapped: Callable[[Encoder], Encoder] = lambda encoder: encoder,
) -> None:
    """Write the feature file of a slide; one without rows that says why if the slide is lost.

    Parameters
    ----------
    job
        The object ``snakemake`` of a script, with the parameters ``encoder``, ``weights`` and
        ``encoding``, the resources ``batch_size`` and ``stage``, and the output ``features``.
    tiles
        All tiles of the slide.
    choose
        Returns the rows of the tiles to encode, and where their pixels come from; not asked of a
        slide that is lost already.
    wrapped
        Makes of the encoder the one whose embeddings are written.
    """

    def encode() -> tuple[int, Outcome]:
        index, source = choose()
        return len(index), _encode(job, provenance, tiles, index, source, wrapped)

    (n_encoded, found), outcome = attempt(encode, (0, tiles.outcome), tiles.outcome)
    if outcome.ok:
        outcome = found
    else:
        encoder = job.params.encoder["name"]
        write_no_features(job.output.features, tiles, outcome, encoder, provenance)
    logger.info("%d of %d tiles, %s", n_encoded, len(tiles.coords), outcome)


def _encode(
    job: Any,
    provenance: Provenance,
    tiles: TileTable,
    index: Ints,
    source: TileSource,
    wrapped: Callable[[Encoder], Encoder],
) -> Outcome:
    checkpoint = locate(job.params.weights)
    entry = EncoderEntry(**job.params.encoder)
    if source.mask_apart:
        entry = entry.of_epithelium()
    encoder = wrapped(make_encoder(entry, source.tile_px, checkpoint))
    if tiles.block.side > 1:
        encoder = BlockEncoder(encoder, tiles.block.side)
    # A file is not copied once for each of its cores.
    folder = job.resources.get("stage", "") if source.region is None else ""
    with staged(source.slide, folder) as slide:
        return encode_slide(
            job.output.features,
            tiles,
            index,
            replace(source, slide=slide),
            encoder,
            provenance,
            _what_rows_depend_on(job, source, tiles.coords[index]),
            EncodingOptions(
                batch_size_here(job.resources.batch_size),
                workers=job.threads if job.threads > 1 else 0,
                # A network shares no memory between processes; a descriptor has nothing to share.
                in_workers=checkpoint is None,
                max_bad_tiles=job.params.encoding["max_bad_tiles"],
            ),
        )


def _what_rows_depend_on(job: Any, source: TileSource, coords: Coords) -> Mapping[str, Any]:
    """All that makes the embeddings what they are; a partial file of anything else is useless."""
    files = {str(name): Path(name).stat() for name in job.input}
    return {
        "parameters": dict(job.params.items()),
        "source": asdict(source),
        "tiles": hashlib.sha256(coords.tobytes()).hexdigest(),
        "inputs": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()},
    }


def batch_size_here(largest: int) -> int:
    """Return how many tiles are encoded at once; where memory is short, `FittingEncoder` halves."""
    return largest if torch_with_gpu() else min(largest, CPU_BATCH)


class FittingEncoder:
    """Encodes batches of any size in parts that fit into the memory of the device.

    Attributes
    ----------
    limit
        Tiles per part; halved, for good, when the device has no memory for them.
    """

    def __init__(self, encoder: Encoder, limit: int) -> None:
        self._encoder = encoder
        self.limit = limit

    def encode(self, tiles: Pixels) -> Float32:
        """Encode uint8 (B, S, S, 3 or 4) into float32 (B, width).

        Raises
        ------
        EncoderOutOfMemory
            If there is no memory for a single tile.
        """
        parts = [np.empty((0, self._encoder.width), np.float32)]
        done = 0
        while done < len(tiles):
            try:
                parts.append(self._encoder.encode(tiles[done : done + self.limit]))
            except EncoderOutOfMemory:
                if self.limit == 1:
                    raise
                self.limit = min(self.limit, len(tiles) - done) // 2 or 1
                logger.warning("no memory for a batch: %d tiles at a time from here", self.limit)
            else:
                done += len(parts[-1])
        return np.concatenate(parts)


def encode_slide(
    path: str | Path,
    tiles: TileTable,
    index: Ints,
    source: TileSource,
    encoder: Encoder,
    provenance: Provenance,
    depends_on: Mapping[str, Any],
    options: EncodingOptions,
) -> Outcome:
    """Write the feature file of a slide, going on where a killed job stopped.

    The file is the same to the byte as without interruption.

    Parameters
    ----------
    path
        The feature file.
    index
        int64 (M,), rows of `tiles` to encode.
    depends_on
        All that the embeddings depend on beside the encoder's width and the size of batches, see
        `partial_features`.

    Returns
    -------
    Outcome
        Its reason says how many tiles were left out, if any.

    Raises
    ------
    SlideError
        See `encode_blocks`.
    """
    blocks = Blocks.of(tiles.coords[index], tiles.pitch_px, tiles.block)
    # With other batches tiles would be encoded in other company than without interruption.
    about = {**depends_on, "width": encoder.width, "batch_size": options.batch_size}
    with partial_features(path, about) as rows:
        encode_blocks(source, blocks, encoder, rows, options)
        outcome, lost = tiles.outcome, np.array(rows.unreadable, np.int64)
        if len(lost):
            note = f"{len(lost)} of {len(index)} tiles cannot be decoded and are left out"
            outcome = Outcome(Status.OK, note)
        with feature_file(
            path,
            replace(tiles, outcome=outcome),
            np.delete(index, lost),
            encoder.width // tiles.block.side**2,
            encoder.name,
            provenance,
            index[lost],
        ) as features:
            for vectors in rows.vectors():
                features.append(vectors)
    return outcome


def encode_blocks(
    source: TileSource,
    blocks: Blocks,
    encoder: Encoder,
    rows: PartialFeatures,
    options: EncodingOptions,
) -> None:
    """Encode the tiles of blocks from where `rows` ends, logging progress.

    Neither the number of workers nor an interruption changes a bit of the result.

    Parameters
    ----------
    blocks
        What is read and encoded at once; its tiles are those of `rows`.
    encoder
        Of blocks, see `BlockEncoder`.
    rows
        Takes the embeddings of tiles, and knows which are already there.

    Raises
    ------
    TooManyUnreadableError
        If more tiles than allowed cannot be decoded; says what is wrong with the first of them.
    StorageError
        If one could not be read and then can.
    SlideError
        If the slide cannot be opened.
    """
    done, n_tiles = int(np.searchsorted(blocks.first, rows.done)), len(blocks.part)
    if done:
        logger.info("%d of %d tiles were encoded by a job that was interrupted", rows.done, n_tiles)
    here, most_bad = FittingEncoder(encoder, options.batch_size), options.max_bad_tiles
    there = encoder if options.in_workers else None
    with closing(
        read_batches(
            source, blocks.corners[done:], options.batch_size, options.workers, encoder=there
        )
    ) as batches:
        for batch in track(batches, len(blocks), "tiles encoded", done=done, size=len):
            part, vectors = blocks[done : done + len(batch)], batch.vectors
            what_is_wrong(source, part.corners[~batch.readable])
            if vectors is None:
                good = batch.tiles if batch.readable.all() else batch.tiles[batch.readable]
                vectors = here.encode(good)
            rows.append(*part.vectors_of_tiles(batch.readable, vectors))
            done += len(batch)
            if len(rows.unreadable) > most_bad * n_tiles:
                first = np.searchsorted(blocks.first, rows.unreadable[0], side="right") - 1
                raise TooManyUnreadableError(
                    f"more than {most_bad:.3g} of {n_tiles} tiles "
                    f"(encoding.max_bad_tiles) cannot be decoded, the first: "
                    + what_is_wrong(source, blocks.corners[first : first + 1])[0]
                )


def what_is_wrong(source: TileSource, coords: Coords) -> list[str]:
    """Say what is wrong with tiles that could not be decoded.

    Raises
    ------
    StorageError
        If one of them can be read now: it was the disk, and no tile is lost for that.
    """
    problems: list[str] = []
    if len(coords) == 0:
        return problems
    with replace(source, mask=None).open() as reader:
        for x, y in coords.tolist():
            try:
                reader.read(x, y)
            except SlideError as error:
                problems.append(str(error))
                continue
            raise StorageError(
                f"{source.slide}: the tile at ({x}, {y}) could not be read, and can be now: its "
                "disk fails at times. Run the same command again, which goes on from there"
            )
    return problems
