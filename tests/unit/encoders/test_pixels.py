from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from helpers.slidefiles import gradient, write_aperio, write_jpeg_tiff, write_plain
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.epithelium.base import MaskRules
from histohet.slides.frame import Frame
from histohet.slides.reader import open_slide
from histohet.slides.sampling import Resampling, read_tile

RNG = np.random.default_rng(3)
LABELS = np.repeat(np.repeat(RNG.integers(0, 14, (60, 75)), 8, axis=0), 8, axis=1)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("size", [(1200, 960), (1201, 961)])
@pytest.mark.parametrize("tile", [448, 224])
def test_paper_is_hetmaps_pixel_path_byte_for_byte(
    tmp_path: Path, scale: int, size: tuple[int, int], tile: int
) -> None:
    """METHODS §1: level 0, mask at level-0 size or half, outside 0, then the nearest pixel.

    The reference is written with OpenSlide, NumPy and Pillow alone. Classes 3 and 12 are
    epithelium; the mask of half the size is repeated twice; 224 px (20x) are not resampled.
    """
    width, height = size
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    slide = write_jpeg_tiff(tmp_path / "a.svs", image, 256)
    labels = np.resize(LABELS, (height // scale, width // scale)).astype(np.uint8)
    mask = write_plain(tmp_path / "mask.png", labels)
    source = TileSource(
        str(slide),
        float(tile),
        224,
        "paper",
        MaskSource(str(mask), MaskRules((3, 12)), Frame(0, 0, *size)),
    )
    repeated = np.repeat(np.repeat(labels, scale, axis=0), scale, axis=1)
    handle = openslide.OpenSlide(slide)
    with source.open() as reader:
        for x, y in [(0, 0), (448, 224), (333, 101), (width - tile - 1, height - tile - 1)]:
            region = np.array(handle.read_region((x, y), 0, (tile, tile)).convert("RGB"))
            window = repeated[y : y + tile, x : x + tile]
            black = region * ((window == 3) | (window == 12))[..., np.newaxis]
            expected = Image.fromarray(black.astype(np.uint8))
            if tile == 448:
                expected = expected.resize((224, 224), resample=Image.NEAREST)
            found = reader.read(x, y)
            assert found.tobytes() == np.asarray(expected).tobytes()
            assert (found == 0).all(axis=2).any()


@pytest.mark.parametrize("name", list(Resampling))
def test_filters_are_pillows(tmp_path: Path, name: Resampling) -> None:
    image = np.random.default_rng(2).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    slide = write_plain(tmp_path / "a.png", image)
    with TileSource(str(slide), 100.5, 64, name).open() as reader:
        found = reader.read(20, 30)
    whole = Image.fromarray(image[30:132, 20:122])
    expected = whole.resize((64, 64), Image.Resampling[name.name], box=(0, 0, 100.5, 100.5))
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_nearest_fills_before_or_after_alike(tmp_path: Path) -> None:
    """Of every second pixel the mask is that of the pixel itself."""
    image = np.random.default_rng(2).integers(1, 256, (448, 448, 3), dtype=np.uint8)
    slide = write_plain(tmp_path / "a.png", image)
    labels = (np.random.default_rng(4).random((448, 448)) < 0.5).astype(np.uint8)
    mask = write_plain(tmp_path / "m.png", labels)
    tiles = []
    for resampling in (Resampling.NEAREST, "paper"):
        masked = MaskSource(str(mask), MaskRules((1,)), Frame(0, 0, 448, 448))
        with TileSource(str(slide), 448.0, 224, resampling, masked).open() as reader:  # type: ignore[arg-type]
            tiles.append(reader.read(0, 0))
    np.testing.assert_array_equal(*tiles)


def test_colours_and_no_mask(tmp_path: Path) -> None:
    slide = write_aperio(tmp_path / "a.svs", gradient(200, 200), 0.5, 20)
    labels = np.zeros((200, 200), np.uint8)
    labels[:, :32] = 3
    mask = write_plain(tmp_path / "m.tif", labels)
    with open_slide(slide) as opened:
        plain = read_tile(opened, 0, 0, 64, 64)
    for colour in ((0, 0, 0), (244, 243, 242)):
        masked = MaskSource(str(mask), MaskRules((3,)), Frame(0, 0, 200, 200), colour=colour)
        with TileSource(str(slide), 64.0, 64, mask=masked).open() as reader:
            tile = reader.read(0, 0)
        np.testing.assert_array_equal(tile[:, :32], plain[:, :32])
        assert (tile[:, 32:] == colour).all()
    with TileSource(str(slide), 64.0, 64).open() as reader:
        np.testing.assert_array_equal(reader.read(0, 0), plain)
    apart = MaskSource(str(mask), MaskRules((3,)), Frame(0, 0, 200, 200), colour=None)
    for resampling in (Resampling.BILINEAR, "paper"):
        source = TileSource(str(slide), 64.0, 64, resampling, apart)  # type: ignore[arg-type]
        with source.open() as reader:
            tile = reader.read(0, 0)
        assert tile.shape == source.tile_shape == (64, 64, 4)
        np.testing.assert_array_equal(tile[..., :3], plain)
        assert (tile[:, :32, 3] == 255).all()
        assert (tile[:, 32:, 3] == 0).all()
