"""Label images: exact areas at any scale, and the numbers that a file stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.slidefiles import write_plain
from histohet.common.arrays import UInt8
from histohet.epithelium.base import MaskError
from histohet.epithelium.labels import LabelImage
from histohet.slides.frame import Frame


@pytest.fixture(scope="module")
def labels() -> UInt8:
    return np.random.default_rng(3).choice([0, 1, 3, 12], (50, 80)).astype(np.uint8)


@pytest.fixture(scope="module")
def label_file(labels: UInt8, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plain(tmp_path_factory.mktemp("mask") / "labels.tif", labels, tile=True)


def exact_share(labels: UInt8, scale: float, square: tuple[float, ...]) -> float:
    """Sum the areas of all epithelial mask pixels, as rectangles, inside a square."""
    x0, y0, x1, y1 = square
    area = 0.0
    for row, column in zip(*np.nonzero(np.isin(labels, [3, 12])), strict=True):
        width = min(x1, (column + 1) * scale) - max(x0, column * scale)
        height = min(y1, (row + 1) * scale) - max(y0, row * scale)
        area += max(0.0, width) * max(0.0, height)
    return area / ((x1 - x0) * (y1 - y0))


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.7, 0.5, 8.0])
def test_coverage_is_the_exact_area_at_any_scale(
    labels: UInt8, label_file: Path, scale: float
) -> None:
    mask = LabelImage(label_file, [3, 12], Frame(0, 0, round(80 * scale), round(50 * scale)))
    for x, y, side in (
        (0, 0, 7.3),
        (11, 5, 12.0),
        (70 * scale, 40 * scale, 20 * scale),
        (1, 2, 0.2),
    ):
        expected = exact_share(labels, mask.scale, (x, y, x + side, y + side))
        assert mask.coverage(x, y, side) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50)
@given(x=st.floats(-10, 90), y=st.floats(-10, 60), side=st.floats(0.5, 40), scale=st.floats(0.3, 9))
def test_coverage_is_a_share(
    label_file: Path, x: float, y: float, side: float, scale: float
) -> None:
    mask = LabelImage(label_file, [0, 1, 3, 12], Frame(0, 0, round(80 * scale), round(50 * scale)))
    assert -1e-9 <= mask.coverage(x * scale, y * scale, side) <= 1 + 1e-9


def test_pixels_take_the_mask_pixel_under_their_centre(labels: UInt8, label_file: Path) -> None:
    mask = LabelImage(label_file, [3], Frame(0, 0, 160, 100))
    found = mask.pixels(21, 11, 37.0, 16)
    for i in range(16):
        for j in range(16):
            column = int((21 + (j + 0.5) * 37 / 16) // 2)
            row = int((11 + (i + 0.5) * 37 / 16) // 2)
            assert found[i, j] == (labels[row, column] == 3)


def test_beyond_the_mask_there_is_no_epithelium(label_file: Path) -> None:
    mask = LabelImage(label_file, [0, 1, 3, 12], Frame(0, 0, 80, 50))
    assert mask.coverage(75, 0, 10) == pytest.approx(0.5)
    assert mask.coverage(-100, -100, 10) == 0
    assert mask.pixels(75, 45, 10, 10).sum() == 25


@pytest.mark.parametrize(
    ("size", "fits"),
    [((160, 100), True), ((160, 103), True), ((160, 110), False), ((100, 160), False)],
)
def test_proportions_are_checked_against_the_slide(
    label_file: Path, size: tuple[int, int], fits: bool
) -> None:
    if fits:
        assert LabelImage(label_file, [3], Frame(0, 0, *size)).scale == 2
    else:
        with pytest.raises(
            MaskError, match=r"labels\.tif is 80 × 50, the slide .* proportions differ"
        ):
            LabelImage(label_file, [3], Frame(0, 0, *size))


def test_unusable_label_images(tmp_path: Path) -> None:
    rgb = write_plain(tmp_path / "rgb.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(MaskError, match="has 3 bands: one integer class"):
        LabelImage(rgb, [3], Frame(0, 0, 5, 5))
    real = write_plain(tmp_path / "float.tif", np.zeros((5, 5), np.float32))
    with pytest.raises(MaskError, match="8 or 16 bit are needed"):
        LabelImage(real, [3], Frame(0, 0, 5, 5))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(MaskError, match=r"text\.png is no TIFF, PNG or JPEG image: a mask is"):
        LabelImage(tmp_path / "text.png", [3], Frame(0, 0, 5, 5))


def test_a_damaged_label_image_is_named_in_one_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
    whole = write_plain(tmp_path / "whole.png", noise).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    mask = LabelImage(tmp_path / "half.png", [3], Frame(0, 0, 400, 400))
    for read in (mask.classes, lambda: mask.coverage(0, 390, 10)):
        with pytest.raises(MaskError, match=r"half\.png.* cannot be read: .+") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_sixteen_bit_classes(tmp_path: Path) -> None:
    labels = np.array([[300, 3], [3, 300]], np.uint16)
    mask = LabelImage(write_plain(tmp_path / "a.tif", labels), [300], Frame(0, 0, 2, 2))
    assert mask.classes() == {3: False, 300: True}
    assert mask.coverage(0, 0, 2) == 0.5
    np.testing.assert_array_equal(mask.pixels(0, 0, 2, 2), [[True, False], [False, True]])


def coloured(
    path: Path, labels: UInt8, colours: list[tuple[int, int, int]], **options: Any
) -> Path:
    """Write labels as indices of a table of colours."""
    picture = Image.fromarray(labels).convert("L")
    picture.putpalette([level for colour in colours for level in colour])
    picture.save(path, **options)
    return path


COLOURS = {
    "colours": [(255, 255, 255), (200, 0, 0), (0, 0, 200), (0, 150, 0)],
    "greys": [(0, 0, 0), (12, 12, 12), (40, 40, 40), (3, 3, 3)],
    "one colour twice": [(0, 0, 0), (9, 9, 9), (9, 9, 9), (9, 9, 9)],
}


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif"])
def test_of_a_table_of_colours_the_indices_are_the_classes(
    tmp_path: Path, colours: str, name: str
) -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[:, :20], labels[:, 20:30] = 1, 3
    options = {"compression": "tiff_lzw"} if name.startswith("lzw") else {}
    path = coloured(tmp_path / name, labels, COLOURS[colours], **options)
    mask = LabelImage(path, [3, 12], Frame(0, 0, 120, 80))
    assert mask.classes() == {0: False, 1: False, 3: True}
    assert mask.coverage(0, 0, 80) == pytest.approx(20 * 80 / 80**2)
    found = mask.pixels(0, 0, 80, 40)
    np.testing.assert_array_equal(found, labels[:, :40] == 3)


def test_a_giant_with_a_table_of_colours_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coloured(tmp_path / "a.png", np.ones((9, 9), np.uint8), COLOURS["greys"])
    monkeypatch.setattr("histohet.epithelium.labels.LARGEST_INDEXED", 80)
    with pytest.raises(MaskError, match="indexed colours, and more pixels"):
        LabelImage(path, [1], Frame(0, 0, 9, 9))


@pytest.mark.parametrize(("bits", "classes"), [(1, [1]), (1, [255]), (2, [3]), (4, [3, 12])])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_of_few_bits_the_stored_numbers_are_the_classes(
    tmp_path: Path, bits: int, classes: list[int], suffix: str
) -> None:
    """libvips shows 2 of 2 bits as 170, and 12 of 4 as 204."""
    stored = np.arange(2**bits, dtype=np.uint8)[None].repeat(4, axis=0)
    shown = pyvips.Image.new_from_array(stored * (255 // (2**bits - 1)))
    path = tmp_path / f"a.{suffix}"
    shown.write_to_file(str(path), bitdepth=bits)
    mask = LabelImage(path, classes, Frame(0, 0, 2**bits, 4))
    wanted = {1} if bits == 1 else set(classes)
    assert mask.classes() == {one: one in wanted for one in range(2**bits)}
    assert mask.coverage(0, 0, 2**bits) > 0


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("a.jpg", {}, "changes numbers: save label images as PNG"),
        ("a.tif", {"compression": "jpeg"}, "changes numbers: save label images as PNG"),
        ("b.tif", {"compression": "webp", "lossless": False}, "changes numbers"),
        ("c.tif", {"miniswhite": True}, "stores white as zero"),
        ("a.gif", {}, "is no TIFF, PNG or JPEG image: a mask is a label image"),
        ("a.webp", {"lossless": True}, "is no TIFF, PNG or JPEG image: a mask is"),
    ],
)
def test_numbers_that_may_not_be_the_classes_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any], problem: str
) -> None:
    labels = np.full((32, 32), 3, np.uint8)
    if options.get("compression") == "webp":
        labels = labels[..., None].repeat(3, axis=2)
    path = write_plain(tmp_path / name, labels, **options)
    with pytest.raises(MaskError, match=problem):
        LabelImage(path, [3], Frame(0, 0, 32, 32))


def test_what_a_mask_may_be_is_said_of_any_other_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 5), np.uint8))
    (tmp_path / "a.xml").write_text('<?xml version="1.0"?><ASAP_Annotations/>')
    (tmp_path / "a.csv").write_text("0,3\n3,0\n")
    for name in ("a.npy", "a.xml", "a.csv"):
        with pytest.raises(MaskError, match=r"a mask is a label image .* or GeoJSON"):
            LabelImage(tmp_path / name, [3], Frame(0, 0, 2, 2))


def pages(path: Path, *images: UInt8, **options: Any) -> Path:
    """Write a TIFF of several pages."""
    first, *others = map(Image.fromarray, images)
    first.save(path, save_all=True, append_images=others, **options)
    return path


def test_classes_on_several_pages_are_refused(tmp_path: Path) -> None:
    one, other = np.full((2, 20, 20), 3, np.uint8)
    path = pages(tmp_path / "a.tif", one, other, other)
    with pytest.raises(MaskError, match=r"has 3 pages of .* classes as one label image"):
        LabelImage(path, [3], Frame(0, 0, 20, 20))


def test_a_pyramid_is_one_label_image(tmp_path: Path) -> None:
    labels = np.full((600, 600), 3, np.uint8)
    path = write_plain(tmp_path / "a.tif", labels, tile=True, pyramid=True, compression="deflate")
    assert LabelImage(path, [3], Frame(0, 0, 600, 600)).coverage(0, 0, 600) == pytest.approx(1)


def test_a_label_image_that_is_to_be_turned_is_turned(tmp_path: Path) -> None:
    """Orientation 6: the first row of the file is the right side of the picture."""
    labels = np.zeros((20, 40), np.uint8)
    labels[:, 30:] = 3
    picture = pyvips.Image.new_from_array(labels).copy()
    picture.set_type(pyvips.GValue.gint_type, "orientation", 6)
    picture.tiffsave(str(tmp_path / "a.tif"))
    mask = LabelImage(tmp_path / "a.tif", [3], Frame(0, 0, 20, 40))
    assert mask.coverage(0, 0, 20) == 0
    assert mask.coverage(0, 30, 10) == pytest.approx(1)
