from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from helpers.slidefiles import (
    break_tiff_tiles,
    gradient,
    write_aperio,
    write_jpeg_tiff,
    write_leica,
    write_plain,
    write_tiff,
)
from histohet.common.arrays import UInt8
from histohet.slides.reader import SlideError, SlideInfo, open_slide
from histohet.slides.sampling import read_tile


def test_aperio_header_and_levels(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", gradient(600, 400), mpp=0.25, power=40)
    with open_slide(path) as slide:
        info = slide.info
    assert info.format == "aperio"
    assert (info.width, info.height) == (600, 400)
    assert info.mpp_x == info.mpp_y == 0.25
    assert info.objective_power == 40
    assert len(info.level_dimensions) > 1
    assert info.bounds == (0, 0, 600, 400)


def write_either(path: Path, image: UInt8) -> Path:
    """Write a slide that OpenSlide reads, or a plain image, by the suffix."""
    if path.suffix == ".svs":
        return write_aperio(path, image, 0.5, 20)
    return write_plain(path, image)


@pytest.mark.parametrize("name", ["a.svs", "a.tif", "a.png"])
def test_region_has_the_pixels_of_its_place(tmp_path: Path, name: str) -> None:
    image = gradient(300, 200)
    path = write_either(tmp_path / name, image)
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(0, 37, 21, 50, 40), image[21:61, 37:87])


@pytest.mark.parametrize("name", ["a.svs", "a.png"])
def test_outside_the_slide_is_white(tmp_path: Path, name: str) -> None:
    image = gradient(100, 80)
    path = write_either(tmp_path / name, image)
    with open_slide(path) as slide:
        region = slide.read(0, -10, 70, 30, 20)
    np.testing.assert_array_equal(region[:10, 10:], image[70:80, :20])
    assert (region[10:] == 255).all()
    assert (region[:, :10] == 255).all()


def test_transparent_pixels_of_plain_images_are_white(tmp_path: Path) -> None:
    rgba = np.dstack([gradient(20, 20), np.zeros((20, 20), np.uint8)])
    path = write_plain(tmp_path / "a.png", rgba)
    with open_slide(path) as slide:
        assert (slide.read(0, 0, 0, 20, 20) == 255).all()


def test_grey_and_sixteen_bit_images_become_rgb(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with open_slide(write_plain(tmp_path / "grey.png", grey)) as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, 16, 16), np.dstack([grey] * 3))
    deep = (grey.astype(np.uint16) << 8) | grey
    with open_slide(write_plain(tmp_path / "deep.png", deep)) as slide:
        region = slide.read(0, 0, 0, 16, 16)
    np.testing.assert_allclose(region[..., 0], grey, atol=1)


def test_best_level_is_the_coarsest_that_is_fine_enough() -> None:
    info = SlideInfo("x", ((1600, 1600), (400, 400), (100, 100)), None, None, None, (0, 0, 0, 0))
    assert [info.best_level(d) for d in (0.5, 1, 3.9, 4, 15.8, 16, 64)] == [0, 0, 0, 1, 1, 2, 2]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SlideError, match=r"absent\.svs does not exist"),
        open_slide(tmp_path / "absent.svs"),
    ):
        pass
    (tmp_path / "folder.svs").mkdir()
    with (
        pytest.raises(SlideError, match=r"folder\.svs is not a file"),
        open_slide(tmp_path / "folder.svs"),
    ):
        pass
    (tmp_path / "empty.svs").touch()
    with (
        pytest.raises(SlideError, match=r"empty\.svs is empty"),
        open_slide(tmp_path / "empty.svs"),
    ):
        pass
    (tmp_path / "text.svs").write_text("no slide")
    with (
        pytest.raises(SlideError, match=r"text\.svs is no TIFF, PNG or JPEG image"),
        open_slide(tmp_path / "text.svs"),
    ):
        pass


def test_files_that_libvips_would_misread_are_refused(tmp_path: Path) -> None:
    """A MIRAX slide without its folder is a JPEG; real numbers are not grey levels."""
    image = gradient(30, 20)
    write_plain(tmp_path / "a.jpg", image).rename(tmp_path / "a.mrxs")
    with (
        pytest.raises(SlideError, match=r"without its folder .*/a: copy both"),
        open_slide(tmp_path / "a.mrxs"),
    ):
        pass
    real = write_plain(tmp_path / "a.tif", image.astype(np.float32))
    with pytest.raises(SlideError, match=r"a\.tif has float pixels: 8 or 16"), open_slide(real):
        pass


def test_truncated_slide_raises_a_slide_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (800, 800, 3), dtype=np.uint8)
    whole = write_plain(tmp_path / "whole.png", image).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SlideError, match=r"half\.png"), open_slide(tmp_path / "half.png") as slide:
        slide.read(0, 0, 700, 100, 100)


def test_a_region_that_cannot_be_decoded_leaves_the_others_readable(tmp_path: Path) -> None:
    slide_file = write_jpeg_tiff(tmp_path / "a.svs", gradient(256, 256), 64)
    with open_slide(slide_file) as slide:
        whole = [slide.read(0, x, y, 64, 64) for y in (0, 64) for x in (0, 64, 128)]
    break_tiff_tiles(slide_file, [1])
    with open_slide(slide_file) as slide:
        for number, (y, x) in enumerate((y, x) for y in (0, 64) for x in (0, 64, 128)):
            if number == 1:
                with pytest.raises(
                    SlideError, match=r"a\.svs: region at \(64, 0\), level 0, cannot"
                ):
                    read_tile(slide, x, y, 64, 64)
            else:
                np.testing.assert_array_equal(read_tile(slide, x, y, 64, 64), whole[number])


def refusal(path: Path) -> str:
    """Say why a file is refused when it is opened."""
    with pytest.raises(SlideError) as refused, open_slide(path):
        pass
    assert path.name in str(refused.value)
    return str(refused.value)


APERIO = {270: b"Aperio Test|MPP = 0.5"}


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
@pytest.mark.parametrize("about", [{}, APERIO])
def test_turned_tiles_are_refused(tmp_path: Path, orientation: int, about: dict) -> None:
    image = gradient(256, 256)
    tags = [{**about, 274: orientation}] * 2
    path = write_tiff(tmp_path / "a.tif", image, image[::2, ::2], tags=tags)
    assert f"turned or mirrored (TIFF orientation {orientation}): save it" in refusal(path)


def test_turned_strips_are_turned_upright(tmp_path: Path) -> None:
    image = gradient(100, 80)
    path = write_tiff(tmp_path / "a.tif", image, tile_px=None, tags=[{274: 3}])
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, 100, 80), image[::-1, ::-1])


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    image = flat_colours(128)[:, :64]
    Image.fromarray(image).save(tmp_path / "a.jpg", exif=exif, subsampling=0)
    with open_slide(tmp_path / "a.jpg") as slide:
        assert (slide.info.width, slide.info.height) == (128, 64)
        found = slide.read(0, 0, 0, 128, 64).astype(int)
    np.testing.assert_allclose(found, np.rot90(image, -1), atol=8)


def test_colours_in_planes_of_one_page_come_together(tmp_path: Path) -> None:
    image = gradient(128, 128)
    planes = np.concatenate([image[..., channel] for channel in range(3)])
    tags = {257: 128, 258: (8, 8, 8), 262: 2, 277: 3, 284: 2}
    with open_slide(write_tiff(tmp_path / "a.tif", planes, tags=[tags])) as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, 128, 128), image)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_what_cannot_be_decoded_is_not_read_as_black(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    if name == "a.tif":
        path = write_tiff(tmp_path / name, noise, tile_px=None)
    else:
        path = write_plain(tmp_path / name, noise)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    with pytest.raises(SlideError, match=name), open_slide(path) as slide:
        slide.read(0, 0, 0, 200, 200)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        # Halved again and again, rounded down, up, or to the nearest.
        ([(1001, 703), (500, 351), (250, 175)], 3),
        ([(1001, 703), (501, 352), (251, 176)], 3),
        ([(1001, 703), (334, 234), (63, 44)], 3),
        # Padded to whole tiles of 64, in both directions, or in one.
        ([(1001, 703), (512, 384), (250, 175)], 2),
        ([(1000, 1000), (512, 512)], 1),
        ([(1000, 1000), (500, 512)], 1),
        # A label, the glass, the slide itself.
        ([(1001, 703), (500, 351), (200, 180)], 2),
        ([(1000, 1000), (424, 212)], 1),
    ],
)
@pytest.mark.parametrize("about", [{}, APERIO])
def test_levels_that_are_not_the_slide_shrunk_are_left_out_and_listed(
    tmp_path: Path, sizes: list[tuple[int, int]], kept: int, about: dict
) -> None:
    pages = [gradient(*size) for size in sizes]
    path = write_tiff(tmp_path / "a.tif", *pages, tags=[about])
    with open_slide(path) as slide:
        info = slide.info
        for level, size in enumerate(info.level_dimensions):
            # A gradient tells which page is read.
            np.testing.assert_array_equal(
                slide.read(level, 30, 20, 9, 8), gradient(*size)[20:28, 30:39]
            )
    assert len(info.level_dimensions) == kept
    assert len(info.notes) == len(sizes) - kept
    for note in info.notes:
        assert "left out: it is not level 0" in note


# Of 1500 px 23 are left at one 64th: in truth one 65.2th, and so the whole glass is measured.
@pytest.mark.parametrize(
    ("glass", "downsamples"), [((106_259, 306_939), (1, 4, 65.217)), ((3000, 9000), (1, 4, 65.3))]
)
def test_levels_that_the_maker_calls_levels_need_not_be_shrunk_by_a_whole_number(
    tmp_path: Path, glass: tuple[int, int], downsamples: tuple[float, ...]
) -> None:
    sizes = [(1500, 1500), (375, 375), (23, 23)]
    path = write_leica(tmp_path / "a.scn", glass, [gradient(*size) for size in sizes])
    with open_slide(path) as slide:
        info = slide.info
        np.testing.assert_array_equal(
            slide.read(1, 60, 45, 20, 10), gradient(*sizes[1])[20:30, 10:30]
        )
    assert info.format == "leica"
    assert info.bounds == (200, 100, 1500, 1500)
    assert info.level_downsamples == pytest.approx(downsamples, rel=2e-3)
    assert info.notes == ()


@pytest.mark.parametrize(("bits", "reached"), [(10, "771"), (12, "3"), (14, "12")])
def test_empty_upper_bits_are_refused(tmp_path: Path, bits: int, reached: str) -> None:
    camera = gradient(200, 150).astype(np.uint16) << (bits - 8)
    for path in (
        write_tiff(tmp_path / "tiles.tif", camera),
        write_tiff(tmp_path / "strips.tif", camera, tile_px=None),
        write_plain(tmp_path / "a.png", camera),
    ):
        text = refusal(path)
        assert f"16 bits per sample, but its values reach only about {reached}" in text
    with open_slide(write_tiff(tmp_path / "sound.tif", camera << (16 - bits))) as slide:
        expected = gradient(200, 150)[:9, :9]
        np.testing.assert_allclose(slide.read(0, 0, 0, 9, 9).astype(int), expected, atol=1)


def test_samples_of_other_depths_are_refused(tmp_path: Path) -> None:
    real = np.ones((128, 128, 3), np.float32)
    path = write_tiff(tmp_path / "a.tif", real, tags=[{339: (3, 3, 3)}])
    assert "32 bits per sample" in refusal(path)


OME = (
    b'<OME><Image><Pixels SizeX="200" SizeY="150" SizeC="3" PhysicalSizeX="0.25" '
    b'PhysicalSizeY="250" PhysicalSizeYUnit="nm"/></Image></OME>'
)


@pytest.mark.parametrize("tile_px", [None, 64])
def test_scale_of_ome_counts_before_print_sizes(tmp_path: Path, tile_px: int | None) -> None:
    tags = [{270: OME, 282: 300.0, 283: 300.0, 296: 2}]
    path = write_tiff(tmp_path / "a.ome.tif", gradient(200, 150), tile_px=tile_px, tags=tags)
    with open_slide(path) as slide:
        assert (slide.info.mpp_x, slide.info.mpp_y) == (0.25, 0.25)


def jfif(pixels: UInt8, subsampling: int = 0) -> bytes:
    """A JPEG file, as Java writes tiles: luminance and chroma behind a JFIF header."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=subsampling)
    return file.getvalue()


def without_jfif(pixels: UInt8) -> bytes:
    """Chroma at half the resolution tells what it is without the header."""
    stream = jfif(pixels, 2)
    assert stream[2:4] == b"\xff\xe0"
    return stream[:2] + stream[4 + int.from_bytes(stream[4:6]) :]


def flat_colours(side_px: int) -> UInt8:
    """Squares of 64 px, each of one colour of a stained section or glass."""
    colours = np.array([[(243, 243, 243), (200, 80, 150)], [(90, 50, 140), (230, 200, 220)]])
    return colours.astype(np.uint8).repeat(side_px // 2, 0).repeat(side_px // 2, 1)


@pytest.mark.parametrize("encode", [jfif, without_jfif])
@pytest.mark.parametrize("tile_px", [None, 64])
@pytest.mark.parametrize("about", [{}, APERIO])
def test_ycbcr_that_calls_itself_rgb_has_the_colours_of_the_image(
    tmp_path: Path, encode, tile_px: int | None, about: dict
) -> None:  # type: ignore[no-untyped-def]
    if encode is without_jfif and tile_px is None:
        pytest.skip("libtiff reads no strips of coarser chroma that call themselves RGB")
    image = flat_colours(128)
    tags = [{**about, 259: 7, 262: 2}]
    path = write_tiff(tmp_path / "a.ome.tif", image, tags=tags, tile_px=tile_px, encode=encode)
    with open_slide(path) as slide:
        found = slide.read(0, 0, 0, 140, 128)
    np.testing.assert_allclose(found[:, :128].astype(int), image, atol=3)
    assert (found[:, 128:] == 255).all()


@pytest.mark.parametrize("rgbjpeg", [False, True])
def test_colours_of_sound_jpeg_tiles_are_left_alone(tmp_path: Path, rgbjpeg: bool) -> None:
    image = flat_colours(128)
    picture = pyvips.Image.new_from_array(image)
    path = tmp_path / "a.tif"
    options = {"tile": True, "tile_width": 64, "tile_height": 64, "rgbjpeg": rgbjpeg}
    picture.tiffsave(str(path), compression="jpeg", Q=95, **options)
    with open_slide(path) as slide:
        np.testing.assert_allclose(slide.read(0, 0, 0, 128, 128).astype(int), image, atol=3)


def test_compressions_that_openslide_lacks_are_read_by_libvips(tmp_path: Path) -> None:
    image = flat_colours(256)
    path = tmp_path / "a.tif"
    pyvips.Image.new_from_array(image).copy(xres=2000, yres=2000).tiffsave(
        str(path), tile=True, pyramid=True, compression="webp", lossless=True, resunit="cm"
    )
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(0, 0, 0, 256, 256), image)
        assert slide.info.mpp_x == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("number", "name"), [(50002, "JPEG XL"), (34887, "LERC"), (64999, "64999")]
)
@pytest.mark.parametrize("tile_px", [None, 64])
@pytest.mark.parametrize("about", [{}, APERIO])
def test_compressions_that_nobody_reads_are_named(
    tmp_path: Path, number: int, name: str, about: dict, tile_px: int | None
) -> None:
    tags = [{**about, 259: number}]
    path = write_tiff(tmp_path / "a.tif", gradient(128, 128), tags=tags, tile_px=tile_px)
    with pytest.raises(SlideError, match=rf"a\.tif.*{name}"), open_slide(path) as slide:
        slide.read(0, 0, 0, 10, 10)


def test_oblong_pixels_of_plain_pictures_are_refused(tmp_path: Path) -> None:
    for name, (x, y), sound in (
        ("a.jpg", (72, 96), False),
        ("b.png", (4000, 2000), False),
        ("c.jpg", (72, 73), True),
    ):
        picture = Image.fromarray(gradient(64, 64))
        picture.save(tmp_path / name, dpi=(x, y))
        if sound:
            with open_slide(tmp_path / name) as slide:
                assert slide.info.mpp_x is None
        else:
            assert "oblong pixels by its tags of resolution" in refusal(tmp_path / name)


WEBP = 50001


@pytest.mark.parametrize("one", [{282: 0.0, 283: 0.0}, {282: 300.0}, {283: 300.0, 282: 0.0}])
def test_a_resolution_of_one_axis_or_of_zero_is_none(tmp_path: Path, one: dict) -> None:
    path = write_tiff(tmp_path / "a.tif", gradient(64, 64), tile_px=None, tags=[{**one, 296: 2}])
    jpeg = io.BytesIO()
    Image.fromarray(gradient(64, 64)).save(jpeg, "jpeg", dpi=(300, 300))
    header = jpeg.getvalue()
    x, y = (int(one.get(tag, 0)).to_bytes(2, "big") for tag in (282, 283))
    (tmp_path / "b.jpg").write_bytes(header[:14] + x + y + header[18:])
    webp = io.BytesIO()
    Image.fromarray(gradient(64, 64)).save(webp, "webp", lossless=True)
    # OpenSlide reads no WebP: libvips tells the scale of these tiles.
    tiles = write_tiff(
        tmp_path / "c.tif",
        gradient(64, 64),
        tags=[{**one, 296: 2, 259: WEBP}],
        encode=lambda _: webp.getvalue(),
    )
    for name in (path, tmp_path / "b.jpg", tiles):
        with open_slide(name) as slide:
            assert (slide.info.mpp_x, slide.info.mpp_y) == (None, None)
            assert slide.read(0, 20, 10, 1, 1).shape == (1, 1, 3)


@pytest.mark.parametrize("tile_px", [None, 64])
def test_the_overview_of_a_vsi_slide_is_not_taken_for_it(
    tmp_path: Path, tile_px: int | None
) -> None:
    path = write_tiff(tmp_path / "scan.vsi", gradient(170, 130), tile_px=tile_px)
    assert "scan.vsi begins as a TIFF, which in files named *.vsi may be a preview" in refusal(path)


@pytest.mark.real
def test_real_slides(real_data: Path) -> None:
    with open_slide(real_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        assert slide.info.mpp_x == 0.499
        assert read_tile(slide, 0, 0, 112 / 0.499, 224).shape == (224, 224, 3)
    with open_slide(real_data / "slides" / "camelyon_jpeg.dcm") as slide:
        assert slide.info.format == "dicom"
        assert slide.info.mpp_x == pytest.approx(28.969)
    with open_slide(real_data / "spatial" / "her2st_C2" / "HE.jpg") as slide:
        assert slide.info.format == "jpeg"
        assert slide.info.mpp_x is None
        assert (slide.info.width, slide.info.height) == (9274, 9911)
