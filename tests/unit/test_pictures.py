"""Thumbnails, tile pictures, slide maps, threshold and agreement figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from histohet.drawing.agreement_plots import draw_agreement
from histohet.drawing.figures import save_figure
from histohet.drawing.maps import SlideMap, draw_slide_map
from histohet.drawing.overview import (
    THUMBNAIL_PX,
    TILE_COLOUR,
    TISSUE_COLOUR,
    draw_tiles,
    placeholder,
    read_thumbnail,
    save_picture,
)
from histohet.drawing.palette import NEUTRAL, cluster_rgb, rgb
from histohet.drawing.threshold import draw_threshold
from histohet.provenance import Provenance
from histohet.slides import open_slide
from slidefiles import gradient, write_plain

PROVENANCE = Provenance({"k": 8})


def texts(figure: object) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "expected"), [((4000, 2000), (1600, 800)), ((300, 700), (300, 700))]
)
def test_thumbnail_is_bounded(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    with open_slide(write_plain(tmp_path / "a.png", gradient(*size))) as slide:
        picture = read_thumbnail(slide)
    assert picture.shape == (expected[1], expected[0], 3)
    assert max(picture.shape) <= THUMBNAIL_PX


def test_tiles_and_tissue_are_drawn_where_they_are() -> None:
    white = np.full((100, 120, 3), 255, np.uint8)
    piece = shapely.box(500, 100, 1000, 600)
    picture = draw_tiles(white, 10, [piece], np.array([[100, 200]]), 300)
    assert tuple(picture[20, 25]) == TILE_COLOUR
    assert tuple(picture[50, 10]) == TILE_COLOUR
    assert tuple(picture[35, 25]) == (255, 255, 255)
    assert tuple(picture[30, 50]) == TISSUE_COLOUR
    assert (white == 255).all()


def test_pictures_carry_their_provenance(tmp_path: Path) -> None:
    picture = placeholder("refused: " + "too coarse " * 20)
    for name in ("a.png", "b.jpg"):
        save_picture(tmp_path / name, picture, PROVENANCE)
        info = Image.open(tmp_path / name).info
        kept = info.get("Description") or info["comment"].decode()
        assert kept == PROVENANCE.as_json()


def slide_map(**changes: object) -> SlideMap:
    coords = np.stack(np.meshgrid(np.arange(10), np.arange(8)), axis=2).reshape(-1, 2) * 224
    labels = (coords[:, 0] > 1000).astype(np.int32)
    settings = {
        "slide": "phantom",
        "thumbnail": np.full((400, 500, 3), 230, np.uint8),
        "width": 2500,
        "mpp": 0.5,
        "coords": coords,
        "side_px": 224.0,
        "start": np.arange(len(labels), dtype=np.int32) % 7,
        "raw": labels[::-1].copy(),
        "labels": labels,
        "counted": {0: True, 1: False},
        "scores": {0: 4.2, 1: 1.1},
        "tumour_filter": "score > 3",
    }
    return SlideMap(**(settings | changes))


def test_map_shows_all_stages_at_one_scale(tmp_path: Path) -> None:
    figure = draw_slide_map(slide_map())
    assert len(figure.axes) == 5
    shapes = {axes.images[0].get_array().shape for axes in figure.axes}
    assert len(shapes) == 1
    bars = [axes.patches[0].get_width() for axes in figure.axes]
    # The thumbnail has 2.5 µm per px; the panel is cropped to the tiles and a margin.
    assert len(set(bars)) == 1
    assert bars[0] * 2.5 in (100, 200, 500, 1000)
    words = texts(figure)
    for expected in (
        "H&E",
        "k-means: 7 clusters",
        "Smoothed: 2 clusters",
        "Tumour: 1 cluster",
        "score 4.2",
        "(not counted)",
        "score > 3",
    ):
        assert expected in words


def test_map_colours_tiles_by_cluster_and_greys_what_does_not_count() -> None:
    data = slide_map(thumbnail=np.full((400, 500, 3), 255, np.uint8))
    *_, smoothed, tumour = (axes.images[0].get_array() for axes in draw_slide_map(data).axes)

    def blended(colour: tuple[int, int, int]) -> list[float]:
        return [0.72 * c + 0.28 * 255 for c in colour]

    np.testing.assert_allclose(smoothed[20, 20], blended(cluster_rgb(0)), atol=1.5)
    np.testing.assert_allclose(tumour[20, 20], blended(cluster_rgb(0)), atol=1.5)
    np.testing.assert_allclose(smoothed[20, 350], blended(cluster_rgb(1)), atol=1.5)
    np.testing.assert_allclose(tumour[20, 350], blended(rgb(NEUTRAL)), atol=1.5)


def test_map_without_attention_and_with_many_clusters() -> None:
    number = 80
    figure = draw_slide_map(
        slide_map(
            labels=np.arange(number, dtype=np.int32),
            start=np.arange(number, dtype=np.int32),
            raw=np.arange(number, dtype=np.int32),
            counted=dict.fromkeys(range(number), True),
            scores=None,
        )
    )
    words = texts(figure)
    assert "score 4.2" not in words
    assert "and 60 more" in words


def test_map_bytes_repeat(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        save_figure(draw_slide_map(slide_map()), [tmp_path / name], PROVENANCE)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def test_threshold_figure_counts_both_sides() -> None:
    words = texts(draw_threshold([1.0, 1.1, 1.2, 4.0, 4.2], 2.6, ""))
    assert "below: 3 clusters" in words
    assert "tumour: 2 clusters" in words
    assert "Otsu: 2.6" in words
    assert "only one" in texts(draw_threshold([], None, "there is only one score"))


def test_agreement_figure() -> None:
    table = pd.DataFrame(
        {
            "n_subclones": [1, 2, 3],
            "n_clusters": [1, 2, 5],
            "ari_start": [0.1, 0.2, 0.3],
            "ari_raw": [0.2, 0.3, 0.4],
            "ari": [0.5, 0.6, 0.9],
        }
    )
    words = texts(draw_agreement(table, "variant full"))
    assert "0.60" in words
    assert "variant full" in words
    assert "No slide with a known truth" in texts(draw_agreement(table.iloc[:0], "x"))
