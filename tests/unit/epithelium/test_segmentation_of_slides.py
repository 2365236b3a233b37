"""Epithelium of whole slides; the segmentation of an image is tested in test_segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from helpers.slidefiles import write_plain
from histohet.common.arrays import UInt8
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.epithelium import segmentation as epithelium
from histohet.epithelium.masks import LabelImage
from histohet.epithelium.segmentation import (
    label_grid,
    read_outcome,
    segment_slide,
    windows_on_tissue,
    write_labels,
)
from histohet.slides.reader import open_slide

PROVENANCE = Provenance({}, {"slide": "a.png"})


@pytest.fixture(scope="module")
def picture() -> UInt8:
    """Purple sheet of crowded nuclei on the left, pink with single nuclei on the right; 1 µm/px."""
    rng = np.random.default_rng(5)
    image = np.full((600, 900, 3), 245, np.uint8)
    image[50:550, 50:450] = (140, 95, 165)
    image[50:550, 450:850] = (235, 170, 200)
    ys, xs = np.mgrid[0:600, 0:900]
    for left, right, spacing, radius in ((60, 440, 12, 5), (460, 840, 30, 3)):
        places = np.mgrid[left:right:spacing, 60:540:spacing].reshape(2, -1).T
        for x, y in places + rng.integers(-2, 3, places.shape):
            near = (slice(y - 6, y + 7), slice(x - 6, x + 7))
            disc = (xs[near] - x) ** 2 + (ys[near] - y) ** 2 <= radius**2
            image[near][disc] = (80, 50, 120)
    noisy = image + rng.normal(0, 4, image.shape)
    return noisy.clip(0, 255).astype(np.uint8)


TISSUE = [shapely.box(50, 50, 850, 550)]


def test_sheet_is_epithelium_and_stroma_is_not(tmp_path: Path, picture: UInt8) -> None:
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        labels, model = segment_slide(slide, 1.0, TISSUE, label=7)
    assert model is not None
    assert labels.shape == (600, 900)
    assert set(np.unique(labels)) <= {0, 7}
    assert (labels[80:520, 80:420] == 7).mean() > 0.9
    assert (labels[80:520, 480:820] == 7).mean() < 0.1
    assert not labels[:40].any()


def test_windows_do_not_show(
    tmp_path: Path, picture: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the slide's own scale there is no resampling: windows must not change a single pixel."""
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        grid = label_grid(slide, 1.0)
        windows = windows_on_tissue(grid, TISSUE)
        assert len(windows) == 1
        model = epithelium.fit_slide(slide, grid, windows)
        ((_, whole),) = epithelium.segment_windows(slide, grid, windows, model)
        monkeypatch.setattr(epithelium, "WINDOW_PX", 170)
        pieces = np.zeros_like(whole)
        small = windows_on_tissue(grid, TISSUE)
        assert len(small) > 10
        for window, mask in epithelium.segment_windows(slide, grid, small, model):
            pieces[window.top : window.bottom, window.left : window.right] = mask
    inside = (slice(50, 550), slice(50, 850))
    np.testing.assert_array_equal(pieces[inside], whole[inside])


@pytest.mark.parametrize("mpp", [0.25, 0.499, 0.78])
def test_label_image_fits_its_slide_at_any_scale(
    tmp_path: Path, picture: UInt8, mpp: float
) -> None:
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        labels, _ = segment_slide(slide, mpp, TISSUE, label=1)
    write_labels(tmp_path / "a.tif", labels, OK, PROVENANCE)
    mask = LabelImage(tmp_path / "a.tif", [1], (900, 600))
    assert mask.scale == pytest.approx(1 / mpp, rel=0.01)


def test_only_windows_on_tissue_are_read(tmp_path: Path) -> None:
    with open_slide(
        write_plain(tmp_path / "a.png", np.full((3000, 3000, 3), 250, np.uint8))
    ) as slide:
        grid = label_grid(slide, 1.0)
        windows = windows_on_tissue(grid, [shapely.box(100, 100, 200, 1500)])
        assert windows == [(0, 0, 1024, 1024), (0, 1024, 1024, 2048)]
        labels, model = segment_slide(slide, 1.0, [], label=1)
    assert model is None
    assert not labels.any()


def test_outcome_and_provenance_travel_with_the_mask(tmp_path: Path) -> None:
    lost = Outcome(Status.UNREADABLE, "broken tile")
    write_labels(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), lost, PROVENANCE)
    assert read_outcome(tmp_path / "a.tif") == lost
    assert b'"slide": "a.png"' in (tmp_path / "a.tif").read_bytes()
    foreign = write_plain(tmp_path / "b.tif", np.zeros((4, 4), np.uint8))
    assert read_outcome(foreign) == OK


@pytest.mark.real
def test_skin_of_the_real_slide(real_data: Path) -> None:
    """Epidermis lies in the middle of CMU-1-Small-Region, dermis on its left."""
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide:
        labels, _ = segment_slide(slide, 0.499, [shapely.box(0, 0, 2220, 2967)], label=1)
    assert (labels[900:1050, 580:660] == 1).mean() > 0.8
    assert (labels[500:800, 440:520] == 1).mean() < 0.2
