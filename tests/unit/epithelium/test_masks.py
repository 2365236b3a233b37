"""Masks of either kind, where they lie, and what they do to a tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.annotations import feature, geojson, square
from helpers.slidefiles import write_plain
from histohet.epithelium.base import MaskRules
from histohet.epithelium.labels import LabelImage
from histohet.epithelium.masks import WholeTissue, apply_mask, open_mask, overview
from histohet.epithelium.polygons import Polygons
from histohet.slides.frame import Frame


def test_kinds_are_told_by_suffix(tmp_path: Path) -> None:
    rules, frame = MaskRules([3], ["Tumor"]), Frame(0, 0, 80, 50)
    path = geojson(tmp_path / "a.json", [feature(square(0, 0, 10, 10), "Tumor")])
    assert isinstance(open_mask(path, rules, frame), Polygons)
    label_file = write_plain(tmp_path / "a.png", np.zeros((50, 80), np.uint8))
    assert isinstance(open_mask(label_file, rules, frame), LabelImage)
    whole = open_mask(None, rules, frame)
    assert isinstance(whole, WholeTissue)
    assert whole.coverage(3, 4, 5) == 1
    assert whole.pixels(3, 4, 5, 6).all()


@pytest.mark.parametrize("shape", [(50, 80), (130, 97), (1, 200)])
def test_an_overview_is_what_lies_under_the_centres_of_its_pixels(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    """Whatever the blocks it is read in; the mask is as large as the slide."""
    labels = np.random.default_rng(3).integers(2, 5, (500, 800)).astype(np.uint8)
    path = write_plain(tmp_path / "a.png", labels)
    mask = open_mask(path, MaskRules([3]), Frame(0, 0, 800, 500))
    px = 3.7
    rows, columns = (np.floor((np.arange(n) + 0.5) * px).astype(int) for n in shape)
    expected = np.zeros(shape, bool)
    inside = np.ix_(rows[rows < 500], columns[columns < 800])
    expected[: (rows < 500).sum(), : (columns < 800).sum()] = labels[inside] == 3
    np.testing.assert_array_equal(overview(mask, shape, px), expected)


def test_fill() -> None:
    tile = np.full((4, 4, 3), 90, np.uint8)
    inside = np.eye(4, dtype=bool)
    black = apply_mask(tile, inside, (0, 0, 0))
    assert (black[inside] == 90).all()
    assert (black[~inside] == 0).all()
    assert (apply_mask(tile, inside, (245, 243, 242))[~inside] == (245, 243, 242)).all()
    assert (tile == 90).all()
