"""A region of a file shows what a file would show to which it was cropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.slidefiles import gradient, write_aperio, write_plain, write_tiff
from histohet.slides.frame import Frame, read_frame
from histohet.slides.reader import SlideError, open_slide
from histohet.slides.region import Region, open_region
from histohet.slides.sampling import read_overview, read_rectangle, read_tile
from histohet.slides.thumbnail import read_thumbnail

WIDTH, HEIGHT = 512, 384
edges = st.integers(-60, WIDTH + 60)
sides = st.integers(1, 300)


@pytest.fixture(scope="module", params=["a.svs", "a.png"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / request.param
    image = gradient(WIDTH, HEIGHT)
    return write_aperio(path, image, 0.5, 20) if path.suffix == ".svs" else write_plain(path, image)


@pytest.mark.parametrize(
    "text", ["8,-16,100,50", " 8, -16,100 ,50", "8;-16;100;50", "8 -16 100 50"]
)
def test_frames_are_read_as_people_write_them(text: str) -> None:
    assert read_frame(text) == Frame(8, -16, 100, 50)


@given(st.builds(Frame, edges, edges, sides, sides))
def test_frames_are_read_as_they_are_written(frame: Frame) -> None:
    assert read_frame(str(frame)) == frame


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,3,4.5", "a,b,c,d", "1,,2,3,4"])
def test_what_is_no_frame_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="four whole numbers, in level-0 px of the file"):
        read_frame(text)


@pytest.mark.parametrize("text", ["0,0,0,5", "0,0,5,-1"])
def test_frames_without_area_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no area"):
        read_frame(text)


@given(st.builds(Frame, edges, edges, sides, sides), edges, edges, sides, sides)
@settings(max_examples=60, deadline=None)
def test_a_region_is_the_file_cropped_and_white_around(
    file: Path, frame: Frame, x: int, y: int, width: int, height: int
) -> None:
    padded = np.full((HEIGHT + 1000, WIDTH + 1000, 3), 255, np.uint8)
    padded[500 : 500 + HEIGHT, 500 : 500 + WIDTH] = gradient(WIDTH, HEIGHT)
    cropped = np.full((1500, 1500, 3), 255, np.uint8)
    top, left = 500 + frame.y, 500 + frame.x
    part = padded[top : top + frame.height, left : left + frame.width]
    cropped[500 : 500 + len(part), 500 : 500 + part.shape[1]] = part
    expected = cropped[500 + y : 500 + y + height, 500 + x : 500 + x + width]
    with open_slide(file) as slide:
        try:
            region = Region(slide, frame)
        except SlideError:
            assert not (0 <= frame.x + frame.width / 2 < WIDTH) or not (
                0 <= frame.y + frame.height / 2 < HEIGHT
            )
            return
        assert region.info.bounds == (0, 0, frame.width, frame.height)
        np.testing.assert_array_equal(region.read(0, x, y, width, height), expected)


def test_levels_whose_pixels_a_region_cuts_are_left_out(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", *(gradient(512 >> n, 384 >> n) for n in range(4)))
    for region, levels in {
        Frame(64, 8, 160, 80): [(160, 80), (80, 40), (40, 20), (20, 10)],
        Frame(64, 8, 160, 84): [(160, 84), (80, 42), (40, 21)],
        Frame(62, 8, 160, 80): [(160, 80), (80, 40)],
        Frame(61, 8, 160, 80): [(160, 80)],
        Frame(-8, 8, 160, 80): [(160, 80), (80, 40), (40, 20), (20, 10)],
    }.items():
        with open_region(path, region) as slide:
            assert list(slide.info.level_dimensions) == levels


@pytest.mark.parametrize("corner", [(64, 128), (61, 130)])
def test_every_way_to_read_sees_what_a_cropped_file_shows(
    tmp_path: Path, corner: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    levels = [rng.integers(0, 256, (384 >> n, 512 >> n, 3), dtype=np.uint8) for n in range(3)]
    x, y = corner
    whole = write_tiff(tmp_path / "a.tif", *levels)
    kept = levels if x % 4 == y % 4 == 0 else levels[:1]
    crops = [
        level[y >> n : (y + 160) >> n, x >> n : (x + 240) >> n] for n, level in enumerate(kept)
    ]
    crop = write_tiff(tmp_path / "crop.tif", *crops)
    with open_region(whole, Frame(x, y, 240, 160)) as region, open_slide(crop) as alone:
        for read in (
            read_thumbnail,
            lambda slide: read_overview(slide, 4.0),
            lambda slide: read_overview(slide, 2.7),
            lambda slide: read_tile(slide, 17, 33, 63.7, 32),
            lambda slide: read_tile(slide, 200, 120, 80.0, 20),
            lambda slide: read_rectangle(slide, -9.3, -4.1, 3.3, (40, 30)),
        ):
            np.testing.assert_array_equal(read(region), read(alone))


def test_without_a_region_it_is_the_file(file: Path) -> None:
    with open_region(file, None) as one, open_slide(file) as other:
        assert one.info == other.info


def test_a_region_beyond_the_edge_says_how_much_of_it_is_lost(file: Path) -> None:
    with open_region(file, Frame(-25, 0, 100, 100)) as slide:
        assert slide.info.notes == ("25.0% of the region lie beyond the edge of the file",)


@pytest.mark.parametrize("frame", [Frame(600, 0, 50, 50), Frame(0, -90, 100, 100)])
def test_a_region_outside_the_file_is_refused(file: Path, frame: Frame) -> None:
    message = f"the region {frame} lies outside {file}, which has 512 × 384 px: give x,y"
    with pytest.raises(SlideError, match=message), open_region(file, frame):
        pass
