"""The map of a slide shows what its clusters are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures import texts
from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.clustering.figures import SlideMap, draw_slide_map
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, UNKNOWN, Certainty, Clustering, Step
from histohet.clustering.settings import ClusteringSettings
from histohet.common.provenance import Provenance
from histohet.drawing.palette import NEUTRAL, OUTLIERS, cluster_rgb, rgb
from histohet.drawing.style import save_figure

PROVENANCE = Provenance({"k": 8})


def slide_map(
    scores: dict[int, float] | None = None,
    procedure: str = "histohet",
    numbers: tuple[int, ...] = (4, 3, 2, 1),
    criterion: tuple[float, ...] = (-90.0, -70.0, -55.0, -300.0),
    **changes: Any,
) -> SlideMap:
    coords = lattice(10, 8, 224)
    labels = (coords[:, 0] > 1000).astype(np.int32)
    tiles = tile_table(coords, 0.5, (2500, 2000))
    criteria = dict(zip(numbers, criterion, strict=True))
    values = {
        "settings": ClusteringSettings(procedure=procedure),
        "start": np.arange(len(labels), dtype=np.int32) % 7,
        "raw": labels[::-1].copy(),
        "labels": labels,
        "agreement": np.where(labels == 0, 1.0, 0.25).astype(np.float32),
        "steps": tuple(Step(number, value, None) for number, value in criteria.items()),
        "certainty": Certainty(-7.0, -7.1, 0.0123, 1.25, 0.875, 2, 3),
        "notes": (),
    }
    found = Clustering(**(values | changes))
    clusters = ClusteredTiles(tiles, np.arange(len(labels)), found)
    return SlideMap(
        slide="phantom",
        thumbnail=np.full((400, 500, 3), 255, np.uint8),
        clusters=clusters,
        counted={number: number != 1 for number in range(found.n_clusters)},
        scores=scores,
        tumour_filter="score > 3",
    )


def panels(figure: Figure) -> dict[str, Axes]:
    """Axes by the first words of their title."""
    axes = [inset for place in figure.axes for inset in (place, *place.child_axes)]
    titles = {one.get_title(loc="left").split(":")[0]: one for one in axes}
    return {title: one for title, one in titles.items() if title}


def test_map_shows_all_stages_at_one_scale() -> None:
    figure = draw_slide_map(slide_map(scores={0: 4.2, 1: 1.1}))
    found = panels(figure)
    assert list(found) == [
        "H&E",
        "k-means",
        "Before smoothing",
        "Smoothed",
        "Tumour",
        "Stability",
        "Number of clusters",
    ]
    *maps, _ = found.values()
    assert len({axes.images[0].get_array().shape for axes in maps}) == 1
    bars = [axes.patches[0].get_width() for axes in maps]
    # The thumbnail has 2.5 µm per px; the panel is cropped to the tiles and a margin.
    assert len(set(bars)) == 1
    assert bars[0] * 2.5 in (100, 200, 500, 1000)
    words = texts(figure)
    for expected in (
        "k-means: 7 clusters",
        "Smoothed: 2 clusters",
        "Tumour: 1 cluster",
        "Stability: ARI 0.88, 2–3 clusters",
        "share of restarts that agree",
        "Number of clusters: 2",
        "Energy at most 0.012 % above its minimum, coupling 1.25",
        "score 4.2",
        "(not counted)",
        "score > 3",
    ):
        assert expected in words


def blended(colour: tuple[int, int, int]) -> list[float]:
    """A colour of `OPACITY` over white."""
    return [0.72 * c + 0.28 * 255 for c in colour]


def test_map_colours_tiles_by_cluster_and_greys_what_does_not_count() -> None:
    found = panels(draw_slide_map(slide_map()))
    smoothed, tumour = (found[name].images[0].get_array() for name in ("Smoothed", "Tumour"))
    np.testing.assert_allclose(smoothed[20, 20], blended(cluster_rgb(0)), atol=1.5)
    np.testing.assert_allclose(tumour[20, 20], blended(cluster_rgb(0)), atol=1.5)
    np.testing.assert_allclose(smoothed[20, 350], blended(cluster_rgb(1)), atol=1.5)
    np.testing.assert_allclose(tumour[20, 350], blended(rgb(NEUTRAL)), atol=1.5)


def test_map_colours_tiles_by_agreement_and_greys_those_never_drawn() -> None:
    data = slide_map()
    agreement = data.clusters.clustering.agreement.copy()
    agreement[data.clusters.tiles.coords[:, 1] > 1000] = np.nan
    image = panels(draw_slide_map(slide_map(agreement=agreement)))["Stability"].images[0]
    shades = matplotlib.colormaps["viridis"]
    pixels = image.get_array()
    np.testing.assert_allclose(pixels[20, 20], blended(shades(1.0, bytes=True)[:3]), atol=1.5)
    np.testing.assert_allclose(pixels[20, 350], blended(shades(0.25, bytes=True)[:3]), atol=1.5)
    np.testing.assert_allclose(pixels[-60, 20], blended(rgb(NEUTRAL)), atol=1.5)


def test_map_shows_outliers_at_every_stage_and_counts_them_as_no_cluster() -> None:
    plain = slide_map().clusters.clustering
    odd = slide_map().clusters.tiles.coords[:, 1] > 1000
    agreement = np.where(odd, np.nan, plain.agreement).astype(np.float32)
    stages = {
        name: np.where(odd, OUTLIER, getattr(plain, name)).astype(np.int32)
        for name in ("start", "raw", "labels")
    }
    figure = draw_slide_map(slide_map(agreement=agreement, **stages))
    found, words = panels(figure), texts(figure)
    for name in ("k-means", "Before smoothing", "Smoothed", "Tumour", "Stability"):
        pixels = found[name].images[0].get_array()
        np.testing.assert_allclose(pixels[-60, 20], blended(rgb(OUTLIERS)), atol=1.5)
        assert not np.allclose(pixels[20, 20], blended(rgb(OUTLIERS)), atol=30)
    shares = np.bincount(plain.labels[~odd]) / (~odd).sum()
    for expected in (
        "k-means: 7 clusters",
        "Smoothed: 2 clusters",
        "Tumour: 1 cluster\n",
        "Number of clusters: 2",
        f"1: {shares[0]:.0%}",
        f"share of {(~odd).sum()} tiles",
        f"outliers, in no cluster: {odd.sum()}",
    ):
        assert expected in words
    assert "outliers" not in texts(draw_slide_map(slide_map()))


@pytest.mark.parametrize(
    ("procedure", "criterion", "expected", "name"),
    [
        ("histohet", (-90.0, -70.0, -55.0, -300.0), (-35, -15, 0, -245), "higher is better"),
        ("paper", (190.0, 170.0, 155.0, 300.0), (35, 15, 0, 145), "lower is better"),
    ],
)
def test_map_draws_the_criterion_and_the_number_chosen(
    procedure: str, criterion: tuple[float, ...], expected: tuple[float, ...], name: str
) -> None:
    figure = draw_slide_map(slide_map(procedure=procedure, criterion=criterion))
    axes = panels(figure)["Number of clusters"]
    curve, chosen = axes.lines
    np.testing.assert_array_equal(curve.get_xdata(), (4, 3, 2, 1))
    np.testing.assert_array_equal(curve.get_ydata(), expected)
    assert set(chosen.get_xdata()) == {2}
    assert name in axes.get_ylabel()


@pytest.mark.parametrize(("numbers", "criterion"), [((), ()), ((2,), (9.5,))])
def test_map_without_smoothing_restarts_and_choice(
    numbers: tuple[int, ...], criterion: tuple[float, ...]
) -> None:
    nothing = np.full(80, np.nan, np.float32)
    figure = draw_slide_map(
        slide_map(agreement=nothing, certainty=UNKNOWN, numbers=numbers, criterion=criterion)
    )
    found, words = panels(figure), texts(figure)
    assert len(found) == 7
    assert "Stability: no restarts" in words
    assert "share of restarts" not in words
    assert "Result: 2 clusters" in words
    assert "no other number was tried" in words
    assert "coupling" not in words
    pixels = found["Stability"].images[0].get_array()
    np.testing.assert_allclose(pixels[20, 20], blended(rgb(NEUTRAL)), atol=1.5)


def test_map_says_it_once_where_all_restarts_have_one_number() -> None:
    words = texts(draw_slide_map(slide_map(certainty=Certainty(-7, -7, 0, 1, 1.0, 1, 1))))
    assert "Stability: ARI 1.00, 1 cluster\n" in words


def test_map_without_attention_and_with_many_clusters() -> None:
    many = np.arange(80, dtype=np.int32)
    words = texts(draw_slide_map(slide_map(labels=many, start=many, raw=many)))
    assert "score 4.2" not in words
    assert "and 60 more" in words


def test_map_bytes_repeat(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        save_figure(draw_slide_map(slide_map()), [tmp_path / name], PROVENANCE)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
