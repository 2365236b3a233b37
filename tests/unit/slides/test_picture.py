"""Plain pictures: what is one upright picture, and why everything else is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.slidefiles import gradient, write_plain, write_tiff
from histohet.slides.picture import PictureError, examine

IMAGE = gradient(60, 40)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.svs", "a"])
def test_kind_is_told_by_the_content(tmp_path: Path, name: str) -> None:
    for kind, suffix in (("tiff", ".tif"), ("png", ".png"), ("jpeg", ".jpg")):
        path = write_plain(tmp_path / f"x{suffix}", IMAGE).rename(tmp_path / name)
        file = examine(path)
        assert (file.kind, file.bits, file.indexed, file.notes) == (kind, 8, False, ())
        assert file.lossy is (kind == "jpeg")
        assert (file.open().width, file.open().height) == (60, 40)


@pytest.mark.parametrize("name", ["a.vsi", "a.nef", "a.LSM", "a.dng", "a.ndpi", "a.gif"])
def test_what_may_be_a_preview_is_refused(tmp_path: Path, name: str) -> None:
    path = write_plain(tmp_path / "x.tif", IMAGE).rename(tmp_path / name)
    with pytest.raises(PictureError, match=rf"{name} begins as a TIFF, which in files named"):
        examine(path)


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + bytes(50),
        b"%PDF-1.7\n" + bytes(50),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
        b"BM" + bytes(50),
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(50),
        b"\x89PNG\r\n\x1a\n",
        b"",
    ],
    ids=["gif", "pdf", "svg", "bmp", "webp", "head of png", "nothing"],
)
def test_other_kinds_of_files_are_refused_whatever_their_name(
    tmp_path: Path, content: bytes
) -> None:
    for name in ("a.tif", "a.gif"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match=r"is no TIFF, PNG or JPEG image: convert it"):
            examine(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_pictures_are_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Pillow's own transposition is the other opinion."""
    from PIL import ImageOps

    blocks = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), np.uint8))
    picture = Image.fromarray(np.dstack([blocks] * 3))
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    picture.save(path, exif=exif, **({"quality": 100} if suffix == ".jpg" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    found = examine(path).open().numpy()[..., :3]
    np.testing.assert_allclose(found.astype(int), expected, atol=3)
    assert found.shape[:2] == ((32, 48) if orientation < 5 else (48, 32))


GREY = IMAGE[..., 0]
SMALL = gradient(30, 20)


@pytest.mark.parametrize(
    ("pages", "flags", "message"),
    [
        ([GREY, GREY, GREY], 0, "has 3 pages of 60 × 40 px with one channel each.*--rgb"),
        ([GREY, GREY], 0, "has 2 pages .*classes as one label image"),
        ([IMAGE, IMAGE], 0, "has 2 pages of 60 × 40 px, as of focal planes"),
        ([IMAGE, SMALL, IMAGE], 0, "has 2 pages of 60 × 40 px"),
        ([SMALL, IMAGE], 0, r"begins with 30 × 20 px, and page 2 is 60 × 40 px.*\[page=1\]"),
        ([SMALL, IMAGE], 1, "begins with 30 × 20 px"),
    ],
)
@pytest.mark.parametrize("tile_px", [None, 16])
def test_pages_that_are_not_one_picture_are_refused(
    tmp_path: Path, pages: list[np.ndarray], flags: int, message: str, tile_px: int | None
) -> None:
    tags = [{}] + [{254: flags}] * (len(pages) - 1)
    path = write_tiff(tmp_path / "a.tif", *pages, tags=tags, tile_px=tile_px)
    with pytest.raises(PictureError, match=message):
        examine(path)


def test_a_stack_of_imagej_in_one_page_is_refused(tmp_path: Path) -> None:
    about = b"ImageJ=1.53t\nimages=3\nchannels=3\nmode=composite\n"
    with pytest.raises(PictureError, match="has 3 pages of 60 × 40 px with one channel"):
        examine(write_tiff(tmp_path / "a.tif", GREY, tags=[{270: about}]))
    one = write_tiff(tmp_path / "b.tif", GREY, tags=[{270: b"ImageJ=1.53t\nimages=1\n"}])
    assert examine(one).notes == ()


def test_smaller_pages_are_left_out_and_listed_unless_they_say_so(tmp_path: Path) -> None:
    marked = write_tiff(tmp_path / "a.tif", IMAGE, SMALL)
    assert examine(marked).notes == ()
    plain = write_tiff(tmp_path / "b.tif", IMAGE, SMALL, SMALL[::2, ::2], tags=[{}, {254: 0}])
    assert examine(plain).notes == ("of 2 pages the first, the largest, is read",)


@pytest.mark.parametrize(
    ("channels", "photometric", "sound"),
    [
        (3, 2, True),
        (4, 2, True),
        (1, 1, True),
        (2, 1, True),
        (4, 5, True),
        (5, 2, False),
        (3, 1, False),
        (4, 1, False),
        (7, 1, False),
    ],
)
def test_channels_that_are_no_colours_are_refused(
    tmp_path: Path, channels: int, photometric: int, sound: bool
) -> None:
    image = np.dstack([GREY] * channels)
    path = write_tiff(tmp_path / "a.tif", image, tags=[{262: photometric}])
    if sound:
        assert examine(path).pages[0].samples == channels
        return
    with pytest.raises(PictureError, match=f"a.tif has {channels} channels"):
        examine(path)


def test_tables_of_colours_and_losses_are_told(tmp_path: Path) -> None:
    indexed = Image.fromarray(GREY % 4).convert("P")
    for name in ("a.png", "a.tif"):
        indexed.save(tmp_path / name)
        assert examine(tmp_path / name).indexed
    picture = Image.fromarray(GREY)
    for method, lossy in (("jpeg", True), ("tiff_lzw", False), (None, False)):
        picture.save(tmp_path / "b.tif", compression=method)
        file = examine(tmp_path / "b.tif")
        assert (file.lossy, file.indexed) == (lossy, False)
