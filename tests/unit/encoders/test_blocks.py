"""Tiles that are encoded together, block by block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.encoders import ColourBlocks
from helpers.slidefiles import break_tiff_tiles, gradient, write_jpeg_tiff
from histohet.common.arrays import Float32, Ints, UInt8
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.encoders.base import SymmetryAverage
from histohet.encoders.blocks import BlockEncoder, Blocks
from histohet.encoders.encode import EncodingOptions, TooManyUnreadableError, encode_slide
from histohet.encoders.entry import EncoderError
from histohet.encoders.pixels import TileSource
from histohet.features.file import open_features
from histohet.tiles.file import BLOCK, MARGIN, TileTable, tile_attributes
from histohet.tiles.lattice import by_block, lattice
from histohet.tiles.settings import Block, TileSpec


class ColourMap(ColourBlocks):
    """Mean colour of each part of a tile, exact whatever shares the batch."""

    name = "colour_map"
    width = 3

    def encode_map(self, tiles: UInt8, tokens: int) -> Float32:
        side = tiles.shape[1] // tokens
        cut = tiles.reshape(len(tiles), tokens, side, tokens, side, 3)
        return cut.mean(axis=(2, 4), dtype=np.float64).astype(np.float32)


class Stopping(ColourMap):
    """Stops after so many batches."""

    def __init__(self, after: int) -> None:
        self.left = after

    def encode_map(self, tiles: UInt8, tokens: int) -> Float32:
        if not self.left:
            raise RuntimeError("stop")
        self.left -= 1
        return super().encode_map(tiles, tokens)


# Blocks of a lattice -----------------------------------------------------------------------------

some_lattice = st.tuples(
    st.integers(1, 9),  # columns
    st.integers(1, 9),  # rows
    st.integers(0, 2),  # margin of a block
    st.integers(1, 4),  # tiles along its side that are kept
    st.floats(3, 120),  # pitch
    st.integers(0, 10**6),
)


@given(some_lattice)
@settings(max_examples=60, deadline=None)
def test_blocks_and_their_tiles_come_row_by_row(drawn: Any) -> None:
    """Against going through all blocks and all of their places."""
    columns, rows, margin, kept, pitch, seed = drawn
    block = Block(kept + 2 * margin, margin)
    wanted = np.random.default_rng(seed).random((rows, columns)) < 0.4
    place = np.argwhere(wanted)[:, ::-1]
    coords = np.rint(place * pitch).astype(np.int64)
    order = [
        (column, row)
        for top in range(0, rows, kept)
        for left in range(0, columns, kept)
        for row in range(top, min(top + kept, rows))
        for column in range(left, min(left + kept, columns))
        if wanted[row, column]
    ]
    expected = np.rint(np.array(order).reshape(-1, 2) * pitch).astype(np.int64)
    found = by_block(coords, pitch, kept)
    np.testing.assert_array_equal(found, expected)

    blocks = Blocks.of(found, pitch, block)
    at = [(column // kept * kept, row // kept * kept) for column, row in order]
    first = list(dict.fromkeys(at))
    corners = np.rint((np.array(first).reshape(-1, 2) - margin) * pitch).astype(np.int64)
    np.testing.assert_array_equal(blocks.corners, corners)
    assert np.diff(blocks.first).tolist() == [at.count(corner) for corner in first]
    assert blocks.part.tolist() == [
        (row % kept + margin) * block.side + column % kept + margin for column, row in order
    ]


def test_without_blocks_the_order_is_that_of_the_lattice() -> None:
    coords = lattice(1000, 700, TileSpec(), 0.33)
    np.testing.assert_array_equal(by_block(coords, TileSpec().step_px(0.33), 1), coords)


def test_tiles_of_a_block_have_to_follow_one_another() -> None:
    coords = np.array([[0, 0], [20, 0], [10, 0]])
    with pytest.raises(ValueError, match="do not follow one another"):
        Blocks.of(coords, 10.0, Block(2))


@given(some_lattice)
@settings(max_examples=30, deadline=None)
def test_every_tile_gets_its_own_vector(drawn: Any) -> None:
    """Vectors that name block and part, of blocks of which some cannot be decoded."""
    columns, rows, margin, kept, pitch, seed = drawn
    block = Block(kept + 2 * margin, margin)
    random = np.random.default_rng(seed)
    place = np.argwhere(random.random((rows, columns)) < 0.5)[:, ::-1]
    coords = np.rint(place * pitch).astype(np.int64)
    blocks, side = Blocks.of(by_block(coords, pitch, kept), pitch, block), block.side
    readable = random.random(len(blocks)) < 0.6
    named = np.arange(len(blocks))[:, None, None] * 100 + np.arange(side**2)[:, None]
    vectors = np.repeat(named, 3, axis=2)[readable].reshape(readable.sum(), 3 * side**2)
    is_readable, found = blocks.vectors_of_tiles(readable, vectors.astype(np.float32))
    expected = [
        100 * number + blocks.part[tile]
        for number in range(len(blocks))
        for tile in range(blocks.first[number], blocks.first[number + 1])
        if readable[number]
    ]
    assert found[:, 0].tolist() == expected
    assert found.shape[1] == 3
    assert is_readable.sum() == len(expected)


def test_some_of_the_blocks() -> None:
    blocks = Blocks.of(by_block(lattice(60, 40, TileSpec(tile_um=10), 1), 10, 3), 10, Block(3))
    some = blocks[1:3]
    assert len(some) == 2
    np.testing.assert_array_equal(some.corners, [[30, 0], [0, 30]])
    np.testing.assert_array_equal(some.first, [0, 9, 12])
    np.testing.assert_array_equal(some.part, [*range(9), *range(3)])


# A slide -----------------------------------------------------------------------------------------

SIDE = 3
TOKEN = 64


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slide")
    return write_jpeg_tiff(folder / "a.svs", gradient(512, 512), TOKEN)


@pytest.fixture(scope="module")
def tiles() -> TileTable:
    """8 × 8 tokens of 64 px in blocks of 3 × 3, which reach over the edge."""
    spec = TileSpec(tile_um=32, tile_px=TOKEN)
    coords = by_block(lattice(512, 512, spec, 0.5), TOKEN, SIDE)
    attributes = tile_attributes("a", spec, 0.5, (512, 512), "tiles") | {BLOCK: SIDE, MARGIN: 0}
    return TileTable(coords, attributes, Outcome(Status.OK))


def source(slide: Path) -> TileSource:
    return TileSource(str(slide), float(TOKEN * SIDE), TOKEN * SIDE)


def write(
    path: Path, slide: Path, tiles: TileTable, index: Ints, encoder: Any, **options: Any
) -> bytes:
    path.unlink(missing_ok=True)
    settings = EncodingOptions(**{"batch_size": 2, **options})
    outcome = encode_slide(path, tiles, index, source(slide), encoder, Provenance(), {}, settings)
    assert outcome.ok
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


WANTED = np.array([0, 1, 5, 9, 10, 30, 31, 32, 40, 55, 63])


def test_a_token_has_the_vector_of_its_own_pixels(
    slide: Path, tiles: TileTable, tmp_path: Path
) -> None:
    """As if each were read and encoded alone."""
    write(tmp_path / "f" / "a.h5", slide, tiles, WANTED, BlockEncoder(ColourMap(), SIDE))
    with TileSource(str(slide), float(TOKEN), TOKEN).open() as reader:
        alone = np.stack([reader.read(x, y) for x, y in tiles.coords[WANTED].tolist()])
    with open_features(tmp_path / "f" / "a.h5") as found:
        np.testing.assert_array_equal(found.features[:], ColourMap().encode_map(alone, 1)[:, 0, 0])
        np.testing.assert_array_equal(found.tile_index, WANTED)
        np.testing.assert_array_equal(found.tiles.coords, tiles.coords[WANTED])
        about = found.tiles
    assert (about.spec.tile_um, about.spec.tile_px, about.block) == (32, TOKEN, Block(SIDE))


def test_a_margin_is_read_and_gives_no_vectors(
    slide: Path, tiles: TileTable, tmp_path: Path
) -> None:
    """In the middle of tiles of 5 × 5 tokens, which reach over all edges: vectors are the same."""
    wide = replace(tiles, attributes={**tiles.attributes, BLOCK: SIDE + 2, MARGIN: 1})
    broad = TileSource(str(slide), float(TOKEN * (SIDE + 2)), TOKEN * (SIDE + 2))
    path, options = tmp_path / "f" / "a.h5", EncodingOptions(2)
    encode_slide(
        path, wide, WANTED, broad, BlockEncoder(ColourMap(), SIDE + 2), Provenance(), {}, options
    )
    write(tmp_path / "w" / "a.h5", slide, tiles, WANTED, BlockEncoder(ColourMap(), SIDE))
    with (
        open_features(path) as found,
        open_features(tmp_path / "w" / "a.h5") as expected,
    ):
        assert found.features.shape == (len(WANTED), 3)
        np.testing.assert_array_equal(found.features[:], expected.features[:])
        assert found.tiles.block == Block(SIDE + 2, 1)


def test_batches_workers_and_interruptions_change_no_byte(
    slide: Path, tiles: TileTable, tmp_path: Path
) -> None:
    path, encoder = tmp_path / "f" / "a.h5", BlockEncoder(ColourMap(), SIDE)
    expected = write(path, slide, tiles, WANTED, encoder)
    for options in ({"batch_size": 1}, {"batch_size": 64}, {"workers": 2}):
        assert write(path, slide, tiles, WANTED, encoder, **options) == expected
    in_workers = {"workers": 2, "in_workers": True}
    assert write(path, slide, tiles, WANTED, encoder, **in_workers) == expected
    for after in (1, 2):
        with pytest.raises(RuntimeError, match="stop"):
            write(path, slide, tiles, WANTED, BlockEncoder(Stopping(after), SIDE))
        left = Stopping(10)
        assert write(path, slide, tiles, WANTED, BlockEncoder(left, SIDE)) == expected
        assert 10 - left.left == 3 - after


def test_only_blocks_with_a_wanted_token_are_read(
    slide: Path, tiles: TileTable, tmp_path: Path
) -> None:
    counting = Stopping(100)
    write(
        *(tmp_path / "f" / "a.h5", slide, tiles, WANTED, BlockEncoder(counting, SIDE)),
        batch_size=1,
    )
    corners = {tuple(corner // (TOKEN * SIDE)) for corner in tiles.coords[WANTED]}
    assert 100 - counting.left == len(corners) == 6


def test_a_block_that_cannot_be_decoded_loses_its_tokens(
    slide: Path, tiles: TileTable, tmp_path: Path
) -> None:
    """The damaged piece is the token at (64, 64), which nobody asked for."""
    damaged = write_jpeg_tiff(tmp_path / "a.svs", gradient(512, 512), TOKEN)
    break_tiff_tiles(damaged, [9])
    encoder = BlockEncoder(ColourMap(), SIDE)
    write(tmp_path / "w" / "a.h5", slide, tiles, WANTED, encoder)
    write(tmp_path / "f" / "a.h5", damaged, tiles, WANTED, encoder, max_bad_tiles=0.3)
    with (
        open_features(tmp_path / "f" / "a.h5") as found,
        open_features(tmp_path / "w" / "a.h5") as whole,
    ):
        np.testing.assert_array_equal(found.unreadable_index, [0, 1, 5])
        np.testing.assert_array_equal(found.tile_index, WANTED[3:])
        np.testing.assert_array_equal(found.features[:], whole.features[:][3:])
        assert found.tiles.outcome.reason == "3 of 11 tiles cannot be decoded and are left out"
    with pytest.raises(TooManyUnreadableError, match=r"more than 0\.2 of 11 .*region at \(0, 0\)"):
        write(tmp_path / "f" / "a.h5", damaged, tiles, WANTED, encoder, max_bad_tiles=0.2)


def test_an_encoder_without_map_makes_no_tokens() -> None:
    with pytest.raises(EncoderError, match="'colour_blocks' gives one vector for a tile and none"):
        BlockEncoder(ColourBlocks(), 2)
    assert BlockEncoder(SymmetryAverage(ColourMap()), 2).name == "colour_map_d4_dense"


def test_a_turned_slide_has_the_same_vectors_with_symmetry(
    tiles: TileTable, tmp_path: Path
) -> None:
    """Of a picture whose sides are whole blocks."""
    pixels = np.random.default_rng(0).integers(0, 256, (384, 384, 3), dtype=np.uint8)
    spec = TileSpec(tile_um=32, tile_px=TOKEN)
    coords = by_block(lattice(384, 384, spec, 0.5), TOKEN, SIDE)
    found = {}
    for name, picture in {"lying": pixels, "turned": np.rot90(pixels)}.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.ascontiguousarray(picture)).save(path)
        encoder = BlockEncoder(SymmetryAverage(ColourMap()), SIDE)
        table = replace(tiles, coords=coords)
        write(tmp_path / "f" / f"{name}.h5", path, table, np.arange(36), encoder)
        with open_features(tmp_path / "f" / f"{name}.h5") as one:
            picture_of_tokens = np.zeros((6, 6, 3), np.float32)
            column, row = (one.tiles.coords // TOKEN).T
            picture_of_tokens[row, column] = one.features[:]
            found[name] = picture_of_tokens
        (tmp_path / "f" / f"{name}.h5").unlink()
    np.testing.assert_array_equal(found["turned"], np.rot90(found["lying"]))
