"""Heatmaps of tumour attention, and the classes of their tiles for QuPath."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.common.provenance import Provenance
from histohet.drawing.panels import colour_limits, shades
from histohet.drawing.style import save_figure
from histohet.tumour.figures import (
    draw_attention_map,
    draw_threshold,
    fifths,
)
from histohet.tumour.threshold import Threshold

VIRIDIS = matplotlib.colormaps["viridis"]


def figure_of(values: np.ndarray) -> Figure:
    """Six tiles of 512 px, two rows of three, on a slide of 0.5 µm per pixel."""
    coords = lattice(3, 2, 512)
    tiles = tile_table(coords, 0.5, (2000, 1600), tile_um=256)
    thumbnail = np.full((400, 500, 3), 255, np.uint8)
    return draw_attention_map("a", thumbnail, tiles, values)


def test_heatmap_colours_tiles_from_low_to_high() -> None:
    plain, heat = figure_of(np.array([0.0, 1, 2, 3, 4, 5])).axes[:2]
    pixels = heat.images[0].get_array()
    assert pixels.shape == plain.images[0].get_array().shape
    # 4 level-0 px are a pixel: tiles of 128 px, the first at (0, 0), the last at (256, 128).
    for share, place in ((0.0, (64, 64)), (1.0, (192, 320))):
        expected = [0.72 * c + 0.28 * 255 for c in VIRIDIS(share, bytes=True)[:3]]
        np.testing.assert_allclose(pixels[place], expected, atol=1.5)
    np.testing.assert_array_equal(pixels[300, 450], [255, 255, 255])


def test_heatmap_has_scale_bar_and_colour_bar() -> None:
    figure = figure_of(np.array([0.0, 1, 2, 3, 4, 5]))
    words = "\n".join(text.get_text() for text in figure.findobj(Text))
    for expected in ("H&E", "Tumour attention: 6 tiles of 256 µm", "raw attention", "200 µm"):
        assert expected in words
    # The 1st and 99th percentile of 0 to 5, and their middle.
    for expected in ("0.05", "2.5", "4.95"):
        assert expected in words
    bars = [axes.patches[0].get_width() for axes in figure.axes[:2]]
    # 2 µm are a pixel of the thumbnail.
    assert bars == [100, 100]


def test_limits_cut_a_few_extreme_tiles_and_exist_for_equal_ones() -> None:
    values = np.concatenate([np.linspace(0, 1, 998), [500, -900]])
    low, high = colour_limits(values)
    assert 0 <= low < 0.02
    assert 0.98 < high <= 1
    ends = [tuple(map(int, VIRIDIS(share, bytes=True)[:3])) for share in (0.0, 1.0)]
    assert shades(np.array([-900.0, 500]), (low, high)) == ends
    assert colour_limits(np.full(3, 7.0)) == (6.5, 7.5)
    figure_of(np.full(6, 7.0))


def test_fifths_are_equally_large_and_coloured_alike() -> None:
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    classes = fifths(values)
    names = [name for name, _ in classes]
    assert {names.count(name) for name in names} == {20}
    assert len(set(classes)) == len(set(names)) == 5
    assert names[int(values.argmax())] == "Attention, fifth 5 of 5"
    assert names[int(values.argmin())] == "Attention, fifth 1 of 5"
    assert {name for name, _ in fifths(np.full(4, 2.0))} == {"Attention, fifth 1 of 5"}
    assert fifths(np.empty(0)) == []


def test_heatmap_bytes_repeat(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        save_figure(figure_of(np.arange(6.0)), [tmp_path / name], Provenance({}))
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def words_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_threshold_figure_counts_both_sides() -> None:
    scores = [1.0, 1.1, 1.2, 4.0, 4.2]
    words = words_of(draw_threshold(scores, Threshold(2.6, "", "otsu", 3, 2)))
    assert "below: 3 clusters" in words
    assert "tumour: 2 clusters" in words
    assert "Otsu: 2.6" in words
    nothing = Threshold(None, "there is only one score", "otsu", None, None)
    assert "only one" in words_of(draw_threshold([], nothing))
