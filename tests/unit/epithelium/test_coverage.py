"""How much of the tiles is epithelium, and which masks are of another slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from helpers.slidefiles import write_plain
from histohet.common.outcome import OK, Outcome, Status, attempt
from histohet.epithelium.coverage import check_overlap, epithelium_off_tissue, tile_coverage
from histohet.epithelium.masks import EpitheliumMask, LabelImage, Polygons
from histohet.tiles.file import lay_tiles
from histohet.tiles.settings import TileSpec


def label_image(tmp_path: Path, *classes: int) -> LabelImage:
    pixels = np.array(classes, np.uint8).reshape(1, -1).repeat(2, axis=0)
    path = tmp_path / f"{'-'.join(map(str, classes))}.tif"
    return LabelImage(write_plain(path, pixels), [3, 12], (len(classes), 2))


def outcome_of(mask: EpitheliumMask, on_tissue: float = 0.0, elsewhere: float = 0.0) -> Outcome:
    return attempt(lambda: check_overlap(mask, "m.tif", on_tissue, elsewhere), None)[1]


def test_epithelium_is_measured_on_tissue_and_beside_it() -> None:
    spec, size = TileSpec(tile_um=100), (400, 200)
    tiles = lay_tiles("a", spec, 1.0, size, [shapely.box(0, 0, 100, 200)], "tiles")
    assert tiles.coords.tolist() == [[0, 0], [0, 100]]
    mask = Polygons([shapely.box(50, 0, 250, 100)])
    coverage = tile_coverage(mask, tiles.coords.tolist(), tiles.side_px)
    np.testing.assert_array_equal(coverage, np.float32([0.5, 0]))
    assert epithelium_off_tissue(mask, tiles, size) == 1.5


@pytest.mark.parametrize(
    ("on_tissue", "elsewhere", "status", "reason"),
    [
        (10.0, 0.0, "ok", ""),
        (10.0, 10.0, "ok", ""),
        (10.0, 10.1, "refused", "only 50% of the epithelium of mask m.tif lies on tissue"),
        (0.0, 1.0, "refused", "only 0%"),
    ],
)
def test_most_of_a_mask_must_lie_on_tissue(
    tmp_path: Path, on_tissue: float, elsewhere: float, status: str, reason: str
) -> None:
    outcome = outcome_of(label_image(tmp_path, 3, 0), on_tissue, elsewhere)
    assert outcome.status == status
    assert reason in outcome.reason


def test_what_a_mask_without_epithelium_holds_is_told(tmp_path: Path) -> None:
    def outcome(*classes: int) -> tuple[str, str]:
        found = outcome_of(label_image(tmp_path, *classes))
        return found.status, found.reason

    assert outcome(0, 0) == (Status.NO_EPITHELIUM, "mask m.tif is empty")
    assert outcome(0, 2, 7) == (
        Status.REFUSED,
        "mask m.tif has no class of epithelium.classes; it has 0, 2, 7",
    )
    assert outcome(*range(20, 40))[1].endswith("28, 29, 30, 31")
    # At the edge, where no tile is whole: a later step says that no tile has enough.
    assert outcome(0, 12) == (OK.status, OK.reason)


def test_outlines_off_all_tiles_are_of_another_slide() -> None:
    outcome = outcome_of(Polygons([]))
    assert outcome.status == Status.REFUSED
    assert "coordinates of another slide or scale" in outcome.reason
