"""Looks that all figures share: colours that everyone can tell apart, files that repeat."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from histohet.common.provenance import Provenance
from histohet.drawing.palette import CLUSTER_COLOURS, NEUTRAL, OUTLIERS, cluster_colour, cluster_rgb
from histohet.drawing.style import message_figure, save_figure

PROVENANCE = Provenance({"k": 8}, {"clinical": "c.tsv"})


def test_a_dollar_in_a_path_or_name_begins_no_formula(tmp_path: Path) -> None:
    figure = message_figure("$\\alpha$", r"path: D:\$\q$\a.svs does not exist")
    assert any(r"D:\$\q$\a.svs" in text.get_text() for text in figure.findobj(Text))
    save_figure(figure, [tmp_path / "a.png"], PROVENANCE)


def test_the_last_digits_of_the_layout_do_not_show(tmp_path: Path) -> None:
    """An SVG names its clip paths after the layout, whose solver is not exact to the last digit."""
    files = []
    for shift in (0.0, 1e-12):
        figure = Figure()
        figure.add_axes((0.1 + shift, 0.1, 0.8, 0.8)).plot([0, 1], [0, 1])
        files.append(tmp_path / f"{shift}.svg")
        save_figure(figure, files[-1:], PROVENANCE)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"km\.pdf: a figure is written as \.svg or \.png"):
        save_figure(message_figure("", ""), [tmp_path / "km.pdf"], PROVENANCE)
    assert list(tmp_path.iterdir()) == []


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ_D65 = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]


def cielab(colour: str, vision: str) -> Any:
    encoded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = XYZ_D65 @ np.clip(VISION[vision] @ linear, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lab_of_known_colours() -> None:
    np.testing.assert_allclose(cielab("#FFFFFF", "normal"), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(cielab("#FF0000", "normal"), [53.24, 80.09, 67.20], atol=0.02)


@pytest.mark.parametrize("vision", VISION)
def test_cluster_colours_can_be_told_apart_by_everyone(vision: str) -> None:
    assert len(set(CLUSTER_COLOURS)) == 20
    colours = [*CLUSTER_COLOURS, NEUTRAL, "#FFFFFF", OUTLIERS]
    for one, other in itertools.combinations(colours, 2):
        distance = np.linalg.norm(cielab(one, vision) - cielab(other, vision))
        assert distance >= 12, (one, other)


def test_colours_repeat_after_the_twentieth_cluster() -> None:
    assert cluster_colour(0) == cluster_colour(20) == "#0072B2"
    assert cluster_rgb(0) == (0x00, 0x72, 0xB2)
