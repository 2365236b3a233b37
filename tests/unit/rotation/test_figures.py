from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers.tiletables import tile_table
from histohet.rotation.consistency import as_table
from histohet.rotation.figures import MOVED, draw_by_angle, draw_core, nearest_angle


def rows(encoder: str, ari: float | None, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            **{"slide": slide, "encoder": encoder, "smoothing": smoothing, "angle": angle},
            **{"agreement": 0.9, "ceiling_agreement": 0.95, "chance_agreement": 0.4},
            **{"ari": ari, "ceiling_ari": ari, "chance_ari": ari, "status": "ok"},
            **more,
        }
        for slide in "ab"
        for smoothing in ("none", "potts")
        for angle in (0.0, 45.0, 90.0)
    ]


def test_every_encoder_has_a_line_and_a_ceiling_where_it_has_an_index() -> None:
    lost = {"slide": "c", "encoder": "one", "status": "no_tiles", "reason": "none"}
    figure = draw_by_angle(as_table([*rows("one", 0.5), *rows("constant", None), lost]))
    agreement, smoothed, index, _ = figure.axes
    labels = [line.get_label() for line in agreement.lines]
    assert labels.count("one") == labels.count("constant") == 1
    assert smoothed.get_title(loc="left") == "smoothed (Potts)"
    assert "constant" not in [line.get_label() for line in index.lines]
    assert figure.get_suptitle() == "Clusters of turned tiles: mean of 2 cores"
    assert index.get_ylim()[0] == 0
    negative = draw_by_angle(as_table(rows("one", -0.2)))
    assert negative.axes[2].get_ylim()[0] == pytest.approx(-0.2)


def test_without_any_clusters_the_figure_says_so() -> None:
    lost = {"slide": "c", "encoder": "one", "status": "no_tiles", "reason": "none"}
    figure = draw_by_angle(as_table([lost]))
    assert "no core gives any clusters" in figure.axes[0].texts[0].get_text()


def test_what_moved_is_red() -> None:
    coords = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
    tiles = tile_table(coords, 1.0, (200, 200), tile_um=100)
    thumbnail = np.full((200, 200, 3), 250, np.uint8)
    at_rest, turned = np.array([0, 1, 1]), np.array([0, 1, 0])
    labels = {0.0: at_rest, 45.0: turned, 90.0: at_rest}
    figure = draw_core("core", thumbnail, tiles, {"one": (np.array([0, 1, 3]), labels)})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "one",
        "0°: 2 clusters",
        "45°: 33.3% moved, ARI -0.50",
        "90°: 0.0% moved, ARI 1.00",
    ]
    oblique, right = (
        np.asarray(axes.images[0].get_array()).astype(int) for axes in figure.axes[2:]
    )
    is_red = (oblique[..., 0] - oblique[..., 1]) > 80
    half = len(oblique) // 2
    assert is_red[half + 2 :, half + 2 :].all()
    assert not is_red[:half].any()
    assert np.ptp(right, axis=2).max() < 10
    assert MOVED[0] > 200


@pytest.mark.parametrize(
    ("angles", "wanted", "found"),
    [([0, 30, 60, 90], 45, 30), ([0.0], 45, 0), ([0, 180], 90, 180), ([0, 45, 50], 45, 45)],
)
def test_the_angle_that_is_shown_is_the_nearest(
    angles: list[float], wanted: float, found: float
) -> None:
    assert nearest_angle(angles, wanted) == found
