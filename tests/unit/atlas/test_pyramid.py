"""Deep zoom shows the pixels of the slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histohet.atlas import pyramid
from histohet.atlas.pyramid import write_pyramid
from histohet.slides.frame import Frame
from histohet.slides.reader import SlideError
from histohet.slides.region import open_region
from histohet.slides.sampling import read_rectangle


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    across, down = np.linspace(0, 250, 1300)[None], np.linspace(0, 250, 700)[:, None]
    pixels = np.stack(np.broadcast_arrays(across, down, 100.0), axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "slide.png")
    return tmp_path / "slide.png"


def finest(folder: Path) -> Path:
    levels = sorted((folder / "pyramid_files").iterdir(), key=lambda level: int(level.name))
    return levels[-1]


@pytest.mark.parametrize("strip", [16_000_000, 5000])
def test_tiles_are_parts_of_the_slide(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strip: int
) -> None:
    monkeypatch.setattr(pyramid, "STRIP_PX", strip)
    (tmp_path / "zoom").mkdir()
    found = write_pyramid(tmp_path / "zoom", slide, None, mpp=0.5, um=0.5)
    assert found["Size"] == {"Width": 1300, "Height": 700}
    assert sorted(file.name for file in (tmp_path / "zoom").iterdir()) == ["pyramid_files"]
    assert sorted(file.name for file in finest(tmp_path / "zoom").iterdir()) == [
        *("0_0.jpg", "0_1.jpg", "1_0.jpg", "1_1.jpg", "2_0.jpg", "2_1.jpg")
    ]
    whole = np.asarray(Image.open(slide))
    tile = np.asarray(Image.open(finest(tmp_path / "zoom") / "1_0.jpg"))
    # A tile reaches a pixel into each of its neighbours.
    part = whole[0:511, 509:1021]
    assert tile.shape == part.shape
    assert np.abs(tile.astype(int) - part).mean() < 3


def test_the_finest_level_has_the_scale_that_was_asked_for(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "zoom").mkdir()
    region = Frame(100, 50, 1000, 600)
    found = write_pyramid(tmp_path / "zoom", slide, region, mpp=0.5, um=2.0)
    assert found["Size"] == {"Width": 250, "Height": 150}
    tile = np.asarray(Image.open(finest(tmp_path / "zoom") / "0_0.jpg"))
    with open_region(slide, region) as opened:
        wanted = read_rectangle(opened, 0, 0, 4.0, (250, 150))
    assert np.abs(tile.astype(int) - wanted).mean() < 3


def test_it_is_never_finer_than_the_slide(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "zoom").mkdir()
    found = write_pyramid(tmp_path / "zoom", slide, None, mpp=0.5, um=0.1)
    assert found["Size"]["Width"] == 1300


def test_nothing_is_left_of_a_slide_that_breaks_off(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise SlideError("region at (1, 2) cannot be read")

    monkeypatch.setattr(pyramid, "read_rectangle", broken)
    (tmp_path / "zoom").mkdir()
    with pytest.raises(SlideError, match="cannot be read"):
        write_pyramid(tmp_path / "zoom", slide, None, mpp=0.5, um=1.0)
    assert list((tmp_path / "zoom").iterdir()) == []
