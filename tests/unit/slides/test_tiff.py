"""Directories of TIFFs: classic and big, in both orders of bytes, sound and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips

from helpers.slidefiles import gradient, write_tiff
from histohet.slides.tiff import (
    JPEG,
    RGB,
    TiffError,
    is_tiff,
    is_ycbcr_called_rgb,
    ome_scale,
    read_pages,
)


def test_pages_are_described_as_they_are_written(tmp_path: Path) -> None:
    image = gradient(200, 100)
    tags = [{270: b"first", 274: 3}, {259: 50001}, {254: 4}]
    grey = image[::2, ::2, 0].astype(np.uint16)
    path = write_tiff(tmp_path / "a.tif", image, image[::2, ::2], grey, tags=tags)
    first, second, third = read_pages(path)
    assert (first.size, first.reduced, first.tiled) == ((200, 100), False, True)
    assert (first.bits, first.samples, first.photometric) == (8, 3, 2)
    assert (first.orientation, first.description) == (3, "first")
    assert first.compressed_by == "deflate"
    assert first.data == 8
    assert (second.size, second.reduced, second.compressed_by) == ((100, 50), True, "WebP")
    assert (third.bits, third.samples, third.reduced, third.area) == (16, 1, True, 5000)


def test_strips_are_no_tiles(tmp_path: Path) -> None:
    (page,) = read_pages(write_tiff(tmp_path / "a.tif", gradient(50, 40), tile_px=None))
    assert not page.tiled
    assert page.orientation == 1


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pyramids_of_libvips(tmp_path: Path, bigtiff: bool) -> None:
    path = tmp_path / "a.tif"
    picture = pyvips.Image.new_from_array(gradient(600, 400))
    picture.tiffsave(
        str(path), tile=True, tile_width=64, tile_height=64, pyramid=True, bigtiff=bigtiff
    )
    assert [(page.size, page.reduced) for page in read_pages(path)][:2] == [
        ((600, 400), False),
        ((300, 200), True),
    ]


def test_big_endian_directories_are_read(tmp_path: Path) -> None:
    entries = [(256, 3, 1, 30 << 16), (257, 4, 1, 20), (270, 2, 3, 0x68690000)]
    big = [(256, 3, 1, 30 << 48), (257, 16, 1, 20)]
    classic = struct.pack(">2sHIH", b"MM", 42, 8, 3)
    classic += b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    modern = struct.pack(">2sHHHQQ", b"MM", 43, 8, 0, 16, 2)
    modern += b"".join(struct.pack(">HHQQ", *entry) for entry in big) + bytes(8)
    for name, content, text in (("a.tif", classic, "hi"), ("b.tif", modern, "")):
        (tmp_path / name).write_bytes(content)
        assert is_tiff(tmp_path / name)
        (page,) = read_pages(tmp_path / name)
        assert (page.size, page.description) == ((30, 20), text)


@pytest.mark.parametrize("place", [2**45, 2**62, 2**63, 2**64 - 1])
def test_places_that_no_system_can_go_to_are_told(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.tif"
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
    size = struct.pack("<HHQQHHQQ", 256, 3, 1, 64, 257, 3, 1, 64)
    # The first directory, the next one, a description, and a tile of what may be JPEG.
    path.write_bytes(head[:8] + struct.pack("<Q", place))
    with pytest.raises(TiffError, match="breaks off"):
        read_pages(path)
    path.write_bytes(head + struct.pack("<Q", 2) + size + struct.pack("<Q", place))
    with pytest.raises(TiffError, match="breaks off"):
        read_pages(path)
    text = struct.pack("<HHQQ", 270, 2, 99, place)
    path.write_bytes(head + struct.pack("<Q", 3) + size + text + bytes(8))
    with pytest.raises(TiffError, match="breaks off"):
        read_pages(path)
    tile = struct.pack("<HHQQHHQQHHQQ", 259, 3, 1, JPEG, 262, 3, 1, RGB, 324, 16, 1, place)
    path.write_bytes(head + struct.pack("<Q", 5) + size + tile + bytes(8))
    (page,) = read_pages(path)
    assert page.data == place
    assert not is_ycbcr_called_rgb(path, page)


@pytest.mark.parametrize("numbers", [(300, 70_000), (65_535,), 2**31])
def test_numbers_in_place_of_a_description_are_none(
    tmp_path: Path, numbers: int | tuple[int, ...]
) -> None:
    (page,) = read_pages(write_tiff(tmp_path / "a.tif", gradient(64, 64), tags=[{270: numbers}]))
    assert (page.size, page.description) == ((64, 64), "")


def test_damaged_directories_are_told(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", gradient(64, 64), gradient(32, 32))
    whole = path.read_bytes()
    circle = whole[:-4] + whole[4:8]
    without_size = whole.replace(struct.pack("<HHIHH", 256, 3, 1, 64, 0), bytes(12))
    for content in (whole[:-100], whole[:8], b"II*\0" + bytes(4), circle, without_size, b"II"):
        path.write_bytes(content)
        with pytest.raises(TiffError, match=r"a\.tif (breaks off|has|is no TIFF)"):
            read_pages(path)


OME = '<OME xmlns="x"><Image><ome:Pixels SizeX="20" {}/></Image><Image><{}Pixels {}/></Image></OME>'


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ('SizeX="50" SizeY="40" PhysicalSizeX="0.25" PhysicalSizeY="0.5"', (0.25, 0.5)),
        ("SizeX='50' SizeY='40' PhysicalSizeX='250' PhysicalSizeXUnit='nm'", (0.25, None)),
        ('PhysicalSizeXUnit="mm" PhysicalSizeX="2.5E-4" SizeX="50" SizeY="40"', (0.25, None)),
        ('SizeX="50" SizeY="40" PhysicalSizeXUnit="&#181;m" PhysicalSizeX="0.25"', (0.25, None)),
        ('SizeX="50" SizeY="40" PhysicalSizeXUnit="μm" PhysicalSizeX="0.25"', (0.25, None)),
        ('SizeX="50" SizeY="40" PhysicalSizeXUnit="pixel" PhysicalSizeX="1"', (None, None)),
        ('SizeX="50" SizeY="40" PhysicalSizeX="?" PhysicalSizeXUnit="µm"', (None, None)),
        ('SizeX="51" SizeY="40" PhysicalSizeX="0.25"', (None, None)),
    ],
)
def test_scale_of_ome_is_that_of_the_picture_of_the_size(
    tmp_path: Path, about: str, expected: tuple[float | None, float | None]
) -> None:
    text = OME.format('SizeY="10" PhysicalSizeX="7"', "", about)
    (page,) = read_pages(
        write_tiff(tmp_path / "a.tif", gradient(50, 40), tags=[{270: text.encode()}])
    )
    assert ome_scale(page) == pytest.approx(expected)
