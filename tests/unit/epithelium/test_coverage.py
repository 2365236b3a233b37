"""How much of the tiles is epithelium, and which masks are of another slide or origin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from helpers.annotations import feature, geojson, square
from helpers.slidefiles import write_plain
from histohet.common.outcome import OK, Outcome, Status, attempt
from histohet.common.provenance import Provenance
from histohet.epithelium.base import MaskError, MaskRules
from histohet.epithelium.coverage import (
    check_mask,
    check_overlap,
    epithelium_off_tissue,
    open_given_mask,
    read_share_on_tissue,
    tile_coverage,
    write_coverage,
)
from histohet.epithelium.polygons import Polygons
from histohet.slides.record import SlideRecord
from histohet.tiles.file import TileTable, lay_tiles
from histohet.tiles.settings import TileSpec

SPEC = TileSpec(tile_um=100)
RULES = MaskRules([3, 12], ["Tumor"])


def slide(width: int = 1000, height: int = 1000, **more: object) -> SlideRecord:
    return SlideRecord("a", "a.svs", mpp=1.0, width=width, height=height, **more)


def tiles_on(record: SlideRecord, *box: float) -> TileTable:
    """Lay tiles on a rectangle of tissue."""
    return lay_tiles("a", SPEC, 1.0, record.size, [shapely.box(*box)], "tiles")


def outcome_of(
    path: Path, record: SlideRecord, tiles: TileTable, rules: MaskRules = RULES
) -> tuple[float | None, Outcome]:
    """Return the share of a mask on tissue, and what becomes of its slide."""

    def check() -> float | None:
        mask = open_given_mask(str(path), rules, record, tiles.side_px)
        coverage = tile_coverage(mask, tiles.coords.tolist(), tiles.side_px)
        return check_overlap(str(path), rules, mask, record, tiles, coverage)

    return attempt(check, None)


def outline(path: Path, *box: float) -> Path:
    return geojson(path, [feature(square(*box), "Tumor")])


def labels(path: Path, size: tuple[int, int], *box: int) -> Path:
    """Write a label image, class 3 in a rectangle."""
    pixels = np.zeros(size[::-1], np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = 3
    return write_plain(path, pixels)


def test_epithelium_is_measured_on_tissue_and_beside_it() -> None:
    tiles = lay_tiles("a", SPEC, 1.0, (400, 200), [shapely.box(0, 0, 100, 200)], "tiles")
    assert tiles.coords.tolist() == [[0, 0], [0, 100]]
    mask = Polygons([shapely.box(50, 0, 250, 100)])
    coverage = tile_coverage(mask, tiles.coords.tolist(), tiles.side_px)
    np.testing.assert_array_equal(coverage, np.float32([0.5, 0]))
    assert epithelium_off_tissue(mask, tiles, (400, 200)) == 1.5


@pytest.mark.parametrize(
    "excluded", [[(100, 100, 700, 700)], [(0, 0, 450, 999), (450, 0, 999, 999)]]
)
def test_epithelium_that_is_all_taken_out_is_not_of_another_slide(
    tmp_path: Path, excluded: list[tuple[int, int, int, int]]
) -> None:
    record = slide()
    epithelium = [square(100, 100, 400, 400), square(500, 500, 700, 700)]
    path = geojson(
        tmp_path / "a.geojson",
        [feature(one, "Tumor") for one in epithelium]
        + [feature(square(*box), "Necrosis") for box in excluded],
    )
    rules = MaskRules([], ["Tumor"], ["Necrosis"])
    _, outcome = outcome_of(path, record, tiles_on(record, 0, 0, 1000, 1000), rules)
    assert outcome.status is Status.NO_EPITHELIUM
    assert "epithelium.excluded_names take all epithelium" in outcome.reason
    # Beside the slide and taken out in part: the place is the cause.
    far = geojson(
        tmp_path / "far.geojson",
        [
            feature(square(2000, 0, 2400, 400), "Tumor"),
            feature(square(2000, 0, 2400, 300), "Necrosis"),
        ],
    )
    _, outcome = outcome_of(far, record, tiles_on(record, 0, 0, 1000, 1000), rules)
    assert "coordinates of another slide" in outcome.reason


@pytest.mark.parametrize(("right", "share"), [(500, 1.0), (625, 0.8), (1000, 0.5)])
def test_the_share_of_a_mask_on_tissue_is_told(tmp_path: Path, right: int, share: float) -> None:
    record = slide()
    tiles = tiles_on(record, 0, 0, 500, 1000)
    found, outcome = outcome_of(outline(tmp_path / "m.json", 0, 0, right, 1000), record, tiles)
    assert outcome.ok
    assert found == pytest.approx(share)
    by_labels = labels(tmp_path / "m.png", (200, 200), 0, 0, right // 5, 200)
    assert outcome_of(by_labels, record, tiles)[0] == pytest.approx(share)


def test_a_mask_that_lies_mostly_beside_the_tissue_is_refused(tmp_path: Path) -> None:
    record = slide()
    tiles = tiles_on(record, 0, 0, 500, 1000)
    _, outcome = outcome_of(outline(tmp_path / "m.json", 100, 0, 1000, 1000), record, tiles)
    assert outcome.status == Status.REFUSED
    assert outcome.reason.startswith("only 44% of the epithelium of mask")


def test_tiles_of_finished_features_may_leave_tissue_out(tmp_path: Path) -> None:
    record = slide(imported="TRIDENT")
    tiles = tiles_on(record, 0, 0, 500, 1000)
    found = outcome_of(outline(tmp_path / "m.json", 400, 0, 1000, 1000), record, tiles)
    assert found == (None, OK)


def test_what_a_mask_without_epithelium_holds_is_told(tmp_path: Path) -> None:
    record = slide(1000, 200)
    tiles = tiles_on(record, 0, 0, 1000, 200)

    def outcome(*classes: int) -> tuple[str, str]:
        pixels = np.array(classes, np.uint8).reshape(1, -1).repeat(20, axis=0)
        pixels = np.repeat(pixels, 100 // len(classes), axis=1)
        # libvips remembers files by their names.
        name = f"{'-'.join(map(str, classes))}.png"
        found = outcome_of(write_plain(tmp_path / name, pixels), record, tiles)[1]
        return found.status, found.reason.replace(str(tmp_path / name), "m.png")

    assert outcome(0, 0) == (Status.NO_EPITHELIUM, "mask m.png is empty")
    assert outcome(0, 2, 7, 0) == (
        Status.REFUSED,
        "mask m.png has no class of epithelium.classes; it has 0, 2, 7",
    )
    assert outcome(*range(20, 40))[1].endswith("28, 29, 30, 31")
    wide = slide(1050, 210)
    edge = labels(tmp_path / "edge.png", (1050, 210), 1005, 0, 1050, 210)
    assert outcome_of(edge, wide, tiles)[1].status == Status.NO_EPITHELIUM


def test_outlines_off_all_tiles_are_of_another_slide(tmp_path: Path) -> None:
    record = slide()
    far = outline(tmp_path / "m.json", 5000, 5000, 6000, 6000)
    _, outcome = outcome_of(far, record, tiles_on(record, 0, 0, 500, 500))
    assert outcome.status == Status.REFUSED
    assert "coordinates of another slide or scale" in outcome.reason


BOUNDS = {"bounds_x": 300, "bounds_y": 200, "bounds_width": 600, "bounds_height": 700}


@pytest.mark.parametrize(
    ("origin", "corner", "problem"),
    [
        (None, (0, 0), None),
        ("bounds", (0, 0), None),
        ("plane", (300, 200), None),
        (None, (300, 200), "100% if it is measured from the corner of the whole slide"),
        ("bounds", (300, 200), "set epithelium.mask_origin to plane"),
        ("plane", (0, 0), "set epithelium.mask_origin to bounds"),
    ],
)
def test_the_origin_of_outlines_is_said_and_checked(
    tmp_path: Path, origin: str | None, corner: tuple[int, int], problem: str | None
) -> None:
    record = slide(**BOUNDS)
    tiles = tiles_on(record, 300, 200, 900, 900)
    x, y = corner
    path = outline(tmp_path / "m.json", x, y, x + 600, y + 700)
    rules = MaskRules([3], ["Tumor"], (), origin)  # type: ignore[arg-type]
    share, outcome = outcome_of(path, record, tiles, rules)
    assert outcome.ok is (problem is None)
    assert problem is None or problem in outcome.reason
    assert share == (1.0 if problem is None else None)


def test_outlines_that_lie_as_well_either_way_are_taken(tmp_path: Path) -> None:
    record = slide(**BOUNDS)
    tiles = tiles_on(record, 0, 0, 1000, 1000)
    share, outcome = outcome_of(outline(tmp_path / "m.json", 0, 0, 300, 300), record, tiles)
    assert (share, outcome) == (1.0, OK)


def test_a_label_image_as_large_as_the_bounds_is_noticed(tmp_path: Path) -> None:
    record = slide(**BOUNDS)
    of_bounds = labels(tmp_path / "b.png", (300, 350), 0, 0, 300, 350)
    with pytest.raises(MaskError, match=r"as large as the bounds .*600 × 700 px at 300, 200"):
        check_mask(str(of_bounds), RULES, record, 100.0)
    rules = MaskRules([3], origin="bounds")
    tiles = tiles_on(record, 300, 200, 900, 900)
    assert outcome_of(of_bounds, record, tiles, rules) == (1.0, OK)
    of_plane = labels(tmp_path / "p.png", (500, 500), 150, 100, 450, 450)
    assert check_mask(str(of_plane), RULES, record, 100.0) == ()
    assert outcome_of(of_plane, record, tiles) == (1.0, OK)
    with pytest.raises(MaskError, match="proportions differ"):
        check_mask(str(of_plane), rules, record, 100.0)


@pytest.mark.parametrize(("side", "noticed"), [(300, True), (301, False)])
def test_of_equal_proportions_the_scale_tells_bounds_from_the_whole(
    tmp_path: Path, side: int, noticed: bool
) -> None:
    """600 / 300 is a whole number and 1000 / 300 is none; 301 fits neither, so the tissue tells."""
    record = slide(bounds_x=300, bounds_y=300, bounds_width=600, bounds_height=600)
    path = labels(tmp_path / "b.png", (side, side), 0, 0, side, side)
    if noticed:
        with pytest.raises(MaskError, match="say which it covers with"):
            check_mask(str(path), RULES, record, 100.0)
        return
    _, outcome = outcome_of(path, record, tiles_on(record, 300, 300, 900, 900))
    assert "set epithelium.mask_origin to bounds" in outcome.reason


IN_FILE = {"region_x": 2000, "region_y": 3000, "file_width": 6000, "file_height": 4000}
"""Where the slide lies in its file."""


def region(**bounds: int) -> SlideRecord:
    """Return a slide that is a region of a file."""
    shown = {"bounds_x": -2000, "bounds_y": -3000, "bounds_width": 6000, "bounds_height": 4000}
    return slide(**IN_FILE, **(shown | bounds))


def test_outlines_of_an_array_serve_each_of_its_cores(tmp_path: Path) -> None:
    """QuPath measures in the file, which has bounds or not."""
    record = region()
    tiles = tiles_on(record, 300, 200, 900, 900)
    path = outline(tmp_path / "m.json", 2300, 3200, 2900, 3900)
    assert outcome_of(path, record, tiles) == (1.0, OK)
    shifted = region(bounds_x=-1900, bounds_y=-2900, bounds_width=5000, bounds_height=3000)
    path = outline(tmp_path / "b.json", 2200, 3100, 2800, 3800)
    assert outcome_of(path, shifted, tiles) == (1.0, OK)


def test_outlines_measured_in_a_region_are_noticed(tmp_path: Path) -> None:
    record = region()
    tiles = tiles_on(record, 300, 200, 900, 900)
    path = outline(tmp_path / "m.json", 300, 200, 900, 900)
    assert "set epithelium.mask_origin to region" in outcome_of(path, record, tiles)[1].reason
    rules = MaskRules([3], ["Tumor"], (), "region")
    assert outcome_of(path, record, tiles, rules) == (1.0, OK)


def test_label_images_cover_a_region_or_its_file(tmp_path: Path) -> None:
    record = region()
    tiles = tiles_on(record, 300, 200, 900, 900)
    of_region = labels(tmp_path / "r.png", (500, 500), 150, 100, 450, 450)
    assert outcome_of(of_region, record, tiles) == (1.0, OK)
    of_file = labels(tmp_path / "f.png", (1500, 1000), 575, 800, 725, 975)
    with pytest.raises(MaskError, match=r"as large as the file of the slide \(6000 × 4000 px at"):
        check_mask(str(of_file), RULES, record, 100.0)
    rules = MaskRules([3], origin="plane")
    assert outcome_of(of_file, record, tiles, rules) == (1.0, OK)


def test_share_on_tissue_is_kept_beside_the_coverage(tmp_path: Path) -> None:
    for share in (0.75, None):
        write_coverage(tmp_path / "a.h5", np.ones(3, np.float32), share, OK, Provenance())
        assert read_share_on_tissue(tmp_path / "a.h5") == share
