"""Pictures of masks: what is epithelium keeps its colour, tiles say what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.tiletables import tile_table
from histohet.common.arrays import Bools, UInt8
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.drawing.palette import rgb
from histohet.drawing.panels import OPACITY, faded
from histohet.drawing.style import PNG_DPI, save_figure
from histohet.preflight.figures import (
    AROUND_INCH,
    GLASS,
    PANEL_INCH,
    TALLEST_INCH,
    TOO_LITTLE,
    USED,
    MaskedSlide,
    draw_mask,
)

SIZE = (4000, 2000)
PINK = (220, 120, 180)


class LeftHalf:
    """Epithelium left of the middle."""

    notes: tuple[str, ...] = ()

    def coverage(self, x: float, y: float, side_px: float) -> float:
        return float(np.clip((SIZE[0] / 2 - x) / side_px, 0, 1))

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        columns = x + (np.arange(out_px) + 0.5) * side_px / out_px
        return np.tile(columns < SIZE[0] / 2, (out_px, 1))


def masked_slide(outcome: Outcome = OK, *, height: int = 400) -> MaskedSlide:
    tiles = tile_table(np.array([[0, 0], [224, 0], [3000, 1000]]), 0.5, SIZE)
    return MaskedSlide(
        slide="a",
        thumbnail=np.full((height, 800, 3), PINK, np.uint8),
        mask=LeftHalf(),
        source="of m.png",
        tiles=tiles,
        is_used=np.array([True, True, False]),
        glass=np.array([[2000, 0]]),
        min_coverage=0.25,
        outcome=outcome,
    )


def images(figure: Figure) -> list[UInt8]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_epithelium_keeps_its_colour_and_the_rest_is_faded() -> None:
    left, _ = images(draw_mask(masked_slide()))
    assert tuple(left[200, 200]) == PINK
    np.testing.assert_array_equal(left[200, 600], faded(np.full((1, 1, 3), PINK, np.uint8))[0, 0])


def test_tiles_are_painted_by_what_becomes_of_them() -> None:
    _, right = images(draw_mask(masked_slide()))
    pale = faded(np.full((1, 1, 3), PINK, np.uint8))[0, 0].astype(float)
    # Level-0 px are 5 to a pixel, so a tile of 224 px begins at its corner / 5 and is 44.8 wide.
    for (x, y), colour in {
        (20, 20): USED,
        (70, 20): USED,
        (620, 220): TOO_LITTLE,
        (420, 20): GLASS,
    }.items():
        expected = OPACITY * np.array(rgb(colour)) + (1 - OPACITY) * pale
        np.testing.assert_allclose(right[y, x], expected, atol=1)
    np.testing.assert_allclose(right[350, 100], pale, atol=1)


def test_the_figure_says_how_many_tiles_become_what() -> None:
    figure = draw_mask(masked_slide())
    said = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert said == ["2 used: more than 25% epithelium", "1 with less", "1 left out as glass"]
    assert figure.axes[0].get_title(loc="left") == "Epithelium of m.png: 50% of the picture"


def test_a_mask_that_is_refused_is_drawn_with_the_reason() -> None:
    lost = Outcome(Status.REFUSED, "only 30% of the epithelium of mask m.png lies on tissue")
    figure = draw_mask(masked_slide(lost))
    assert figure.get_suptitle() == f"a: {lost.reason}"


@pytest.mark.parametrize("height", [1, 400, 1600, 16_000])
def test_a_picture_is_bounded(tmp_path: Path, height: int) -> None:
    save_figure(draw_mask(masked_slide(height=height)), [tmp_path / "a.png"], Provenance())
    width, tall = Image.open(tmp_path / "a.png").size
    assert width == round(2 * PANEL_INCH * PNG_DPI)
    assert tall <= (TALLEST_INCH + AROUND_INCH) * PNG_DPI + 1
