from __future__ import annotations

import re
from colorsys import hsv_to_rgb
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.pictures import (
    fluorescence,
    immunostaining,
    light,
    pen_marks,
    photo,
    plain,
    section,
)
from helpers.slidefiles import tissue_like, write_plain
from histohet.common.arrays import UInt8
from histohet.common.outcome import OK, Outcome, Status
from histohet.slides.reader import SlideInfo, open_slide
from histohet.tissue.appearance import judge_appearance
from histohet.tissue.segmentation import (
    Tissue,
    background_colour,
    outcome_of_tissue,
    segment_image,
    segment_tissue,
    segmentation_downsample,
)
from histohet.tissue.settings import (
    TISSUE_PRESETS,
    TissueParameters,
)

# One image pixel is 64 level-0 px: a 512 × 512 patch is 64 of them.
SCALE = (64.0, 64.0)
BIOPSY = TISSUE_PRESETS["bwh_biopsy"]
LOOSE = TissueParameters(mthresh=1, close=0, a_t=0, a_h=0)


def loose(**changes: float) -> TissueParameters:
    """Return `LOOSE` with changes."""
    return TissueParameters(**(LOOSE.canonical() | changes))


def test_outside_of_a_core_is_glass(tmp_path: Path) -> None:
    """Two cores of 400 µm, one in the middle and a part of its neighbour, at 1 µm per pixel."""
    y, x = np.mgrid[0:600, 0:600]
    image = tissue_like(600, 600, [])
    for centre in (300, 740):
        image[np.hypot(x - centre, y - 300) < 200] = (200, 80, 150)
    path, params = write_plain(tmp_path / "a.png", image), loose(min_tissue_mm2=0.005)
    with open_slide(path) as slide:
        both = segment_tissue(slide, 1.0, params)
        one = segment_tissue(slide, 1.0, params, 420.0)
    assert len(both.pieces) == 2
    assert len(one.pieces) == 1
    assert one.area_mm2 == pytest.approx(np.pi * 0.2**2, rel=0.08)
    assert one.white == both.white == (245, 245, 245)
    # All of the disc is tissue, if not all of the picture.
    with open_slide(path) as slide:
        full = segment_tissue(slide, 1.0, params, 380.0)
    assert "of the picture is taken for tissue" in full.note


def areas(pieces: list) -> list[float]:
    return [piece.area / (SCALE[0] * SCALE[1]) for piece in pieces]


def test_piece_with_hole_has_the_area_of_its_contour() -> None:
    image = tissue_like(100, 80, [(10, 20, 60, 60)])
    image[30:40, 20:35] = 245
    (piece,) = segment_image(image, SCALE, 0.5, LOOSE)
    # Contours run through pixel centres: 49 × 39 around the piece; OpenCV puts the contour of a
    # hole on the tissue pixels around it, so a hole of 15 × 10 px is 16 × 11.
    assert piece.bounds == (10 * 64, 20 * 64, 59 * 64, 59 * 64)
    assert len(piece.interiors) == 1
    corner = 4 * 0.5  # The contour cuts the corners of a hole.
    assert areas([piece])[0] == pytest.approx(49 * 39 - (16 * 11 - corner), abs=0.01)


def test_area_limits_are_strict_and_count_reference_patches() -> None:
    # Contour area 8 × 8 = 64 px: exactly one patch of 512 × 512 level-0 px.
    image = tissue_like(60, 40, [(10, 10, 19, 19)])
    assert len(segment_image(image, SCALE, 0.5, loose(a_t=0.99))) == 1
    assert len(segment_image(image, SCALE, 0.5, loose(a_t=1))) == 0


def test_limits_in_mm2_mean_the_same_tissue_at_any_scale() -> None:
    image = tissue_like(60, 40, [(10, 10, 19, 19)])
    for mpp in (0.25, 0.5, 0.78):
        area_mm2 = 64 * (64 * mpp / 1000) ** 2
        just_below = loose(a_t=1e9, min_tissue_mm2=area_mm2 * 0.999)
        just_above = loose(a_t=0, min_tissue_mm2=area_mm2 * 1.001)
        assert len(segment_image(image, SCALE, mpp, just_below)) == 1
        assert len(segment_image(image, SCALE, mpp, just_above)) == 0


def test_small_and_surplus_holes_count_as_tissue() -> None:
    image = tissue_like(120, 60, [(5, 5, 115, 55)])
    for number, side in enumerate((3, 6, 9, 12)):
        left = 10 + 25 * number
        image[20 : 20 + side, left : left + side] = 245
    (all_holes,) = segment_image(image, SCALE, 0.5, LOOSE)
    assert len(all_holes.interiors) == 4
    (two_largest,) = segment_image(image, SCALE, 0.5, loose(max_n_holes=2))
    assert len(two_largest.interiors) == 2
    (large_only,) = segment_image(image, SCALE, 0.5, loose(a_h=1))
    assert len(large_only.interiors) == 2  # 10 × 10 and 13 × 13 px exceed 64 px; 4 and 7 do not.
    in_mm2 = loose(a_h=1e9, min_hole_mm2=64 * (64 * 0.5 / 1000) ** 2)
    (same,) = segment_image(image, SCALE, 0.5, in_mm2)
    assert len(same.interiors) == 2


def test_threshold_is_on_saturation_and_strict() -> None:
    # HSV saturation of (255, 247, 247) is 255·8/255 = 8, of (255, 246, 246) it is 9.
    image = np.full((40, 40, 3), 255, np.uint8)
    image[10:20, 10:20] = (255, 247, 247)
    image[25:35, 25:35] = (255, 246, 246)
    (piece,) = segment_image(image, SCALE, 0.5, LOOSE)
    assert piece.bounds[0] == 25 * 64


def test_pieces_come_largest_first_and_islands_in_holes_are_pieces() -> None:
    image = tissue_like(100, 100, [(5, 5, 20, 20), (30, 30, 95, 95)])
    image[40:80, 40:80] = 245
    image[55:60, 55:60] = (200, 80, 150)
    pieces = segment_image(image, SCALE, 0.5, LOOSE)
    assert len(pieces) == 3
    assert areas(pieces) == sorted(areas(pieces), reverse=True)


def test_no_tissue_is_no_pieces() -> None:
    assert segment_image(np.full((50, 50, 3), 255, np.uint8), SCALE, 0.5, TissueParameters()) == []
    assert segment_image(np.zeros((50, 50, 3), np.uint8), SCALE, 0.5, TissueParameters()) == []


def test_background_colour_is_the_median_of_empty_glass() -> None:
    image = tissue_like(60, 40, [(10, 10, 30, 30)])
    assert background_colour(image, LOOSE) == (245, 245, 245)
    assert background_colour(np.zeros((40, 40, 3), np.uint8), LOOSE) == (255, 255, 255)


@pytest.mark.parametrize(
    ("picture", "stained"),
    [
        (section(1200, 100), True),
        (pen_marks(1700), False),
        (fluorescence(1200), False),
        (photo(1200), False),
        (np.concatenate([section(1700, 100), pen_marks(1700)]), True),
        (plain(1200, 243), True),
    ],
    ids=["section", "pen", "fluorescence", "photo", "section and pen", "glass"],
)
def test_pieces_that_no_stain_can_have_coloured(
    tmp_path: Path, picture: UInt8, stained: bool
) -> None:
    params = BIOPSY
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        tissue = segment_tissue(slide, 0.5, params)
    assert (tissue.appearance.problem(params.max_ink) is None) is stained
    assert outcome_of_tissue(tissue, params.max_ink).ok is (stained and len(tissue.pieces) > 0)


def told(tmp_path: Path, picture: UInt8, params: TissueParameters = BIOPSY) -> Outcome:
    """Return what becomes of a slide of 0.5 µm per pixel."""
    # libvips remembers files by their names.
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
    with open_slide(write_plain(path, picture)) as slide:
        return outcome_of_tissue(segment_tissue(slide, 0.5, params), params.max_ink)


def test_pieces_below_the_size_limit_are_told_with_the_limit(tmp_path: Path) -> None:
    small = told(tmp_path, section(900, 300))
    assert small.status == Status.NO_TISSUE
    assert small.reason.startswith(
        "no piece of tissue is large enough: the size limit of 0.0655 mm² leaves out 100% of what "
        "is coloured, in pieces of up to 0.0"
    )
    assert "set min_tissue_mm2 in tissue.overrides" in small.reason
    lower = BIOPSY.model_copy(update={"min_tissue_mm2": 0.001})
    assert told(tmp_path, section(900, 300), lower) == OK


def test_pieces_that_are_left_out_beside_others_are_told(tmp_path: Path) -> None:
    picture = np.full((1200, 3600, 3), 243, np.uint8)
    picture[:1200, :1200] = section(1200, 200)
    for left in (1300, 2100, 2900):
        picture[100:700, left : left + 600] = section(600, 60)
    params = BIOPSY.model_copy(update={"min_tissue_mm2": 0.1})
    found = told(tmp_path, picture, params)
    assert found.ok
    assert found.reason.startswith("the size limit of 0.1 mm² leaves out ")
    assert told(tmp_path, picture, BIOPSY.model_copy(update={"min_tissue_mm2": 0.01})) == OK


def test_a_slide_without_any_colour_is_told_so(tmp_path: Path) -> None:
    found = told(tmp_path, plain(900, 243))
    assert found.reason.endswith("large enough: no pixel is more coloured than sthresh 15")


def test_glass_that_is_taken_for_tissue_is_told_with_a_threshold(tmp_path: Path) -> None:
    """Pink glass, as a scanner without white balance gives."""
    pink = np.minimum(section(1700, 500), np.array([243, 215, 230], np.uint8))
    found = told(tmp_path, pink)
    assert found.ok
    match = re.fullmatch(
        r"9\d% of the picture is taken for tissue: if that is coloured glass, raise sthresh in "
        r"tissue\.overrides from 15 \(Otsu's threshold of this slide is (\d+)\)",
        found.reason,
    )
    assert match
    better = BIOPSY.model_copy(update={"sthresh": int(match[1])})
    with open_slide(tmp_path / "0.png") as slide:
        tissue = segment_tissue(slide, 0.5, better)
    assert tissue.note == ""
    assert tissue.area_mm2 == pytest.approx(0.35**2, rel=0.1)


HUES = [tuple(round(255 * c) for c in hsv_to_rgb(hue / 12, 1, 1)) for hue in range(12)]


@pytest.mark.parametrize("colour", [*HUES, (150, 190, 255), (255, 180, 235)])
@pytest.mark.parametrize(("ground", "noise", "share"), [(0, 0, 0.5), (5, 3, 0.8), (40, 8, 0.4)])
def test_light_of_any_colour_on_a_dark_ground_is_no_section(
    colour: tuple[int, int, int], ground: int, noise: float, share: float
) -> None:
    image = light(220, colour, ground=ground, noise=noise, share=share)
    tissue = judged(image)
    assert tissue.pieces
    refused = outcome_of_tissue(tissue, BIOPSY.max_ink)
    assert refused.status == "no_tissue"
    assert "set max_ink in tissue.overrides to 1" in refused.reason
    assert outcome_of_tissue(tissue, 1).ok


def judged(image: UInt8) -> Tissue:
    """Tissue of an overview of 8 µm per pixel."""
    pieces = segment_image(image, SCALE, 0.125, loose(mthresh=7, close=4))
    white = background_colour(image, LOOSE)
    return Tissue(pieces, 1.0, white, judge_appearance(image, SCALE, pieces, white))


def test_immunostaining_is_no_section_of_both_stains() -> None:
    tissue = judged(immunostaining(220))
    assert "is brown and not pink or violet" in outcome_of_tissue(tissue, BIOPSY.max_ink).reason
    assert outcome_of_tissue(tissue, 1).ok


def test_a_section_is_one_on_any_ground_with_glass_around_it_or_without_any() -> None:
    whole = section(220, 0)
    assert outcome_of_tissue(judged(whole), 0.5).ok
    for level, noise in ((0, 0), (0, 5), (255, 0)):
        ground = np.random.default_rng(0).integers(level, level + noise + 1, (900, 900, 3))
        image = ground.clip(0, 255).astype(np.uint8)
        image[100:400, 100:400] = section(300, 40)
        assert outcome_of_tissue(judged(image), 0.5).ok
    cut_out = np.zeros((400, 400, 3), np.uint8)
    cut_out[100:320, 100:320] = whole
    assert "a ground made black" in outcome_of_tissue(judged(cut_out), 0.5).reason


@pytest.mark.real
def test_real_sections_are_taken_and_real_immunostaining_is_not(real_data: Path) -> None:
    def taken(path: Path) -> bool:
        picture = Image.open(path)
        picture.draft("RGB", (1200, 1200))
        small = picture.convert("RGB").reduce(8 if path.suffix == ".bmp" else 1)
        image = np.asarray(small)
        return outcome_of_tissue(judged(image), BIOPSY.max_ink).ok

    sections = [
        *(real_data / "epithelium/glas").glob("*[0-9].bmp"),
        *(real_data / "cores/gleason2019").glob("*core???.png"),
        real_data / "spatial/her2st_C6/HE.jpg",
        *(real_data / "traits").glob("*.jpg"),
        real_data / "cores/he_array/ST221.jpg",
    ]
    assert len(sections) > 15
    assert [path.name for path in sections if not taken(path)] == []
    arrays = list((real_data / "cores/arrays").glob("ABC_*.png"))
    assert arrays
    assert [path.name for path in arrays if taken(path)] == []


def test_segmentation_scale() -> None:
    def info(*widths: int) -> SlideInfo:
        levels = tuple((w, w) for w in widths)
        return SlideInfo("x", levels, None, None, None, (0, 0, widths[0], widths[0]))

    # CLAM: the coarsest level whose downsample is at most 64.
    assert segmentation_downsample(info(64000, 16000, 4000, 2000), 0.25) == 32
    assert segmentation_downsample(info(64000, 16000, 1000, 500), 0.25) == 64
    # Shallow: 8 µm per pixel.
    assert segmentation_downsample(info(4000), 0.5) == 16
    assert segmentation_downsample(info(4000, 1000), 0.25) == 32
    assert segmentation_downsample(info(100), 29.0) == 1


def test_single_level_slide(tmp_path: Path) -> None:
    image = tissue_like(2000, 1600, [(400, 320, 1200, 960)])
    with open_slide(write_plain(tmp_path / "a.png", image)) as slide:
        tissue = segment_tissue(slide, 0.5, loose(mthresh=7, close=4))
    # 50 × 40 px of 8 µm; the contour runs through pixel centres, the median rounds the corners.
    assert tissue.area_mm2 == pytest.approx(49 * 39 * 64 / 1e6, rel=0.02)
    assert tissue.white == (245, 245, 245)
    # Single level: segmented at 8 µm per pixel, so borders are within two of those.
    assert tissue.pieces[0].bounds == pytest.approx((400, 320, 1200, 960), abs=32)


@pytest.mark.real
def test_real_slide(real_data: Path) -> None:
    with open_slide(real_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        tissue = segment_tissue(slide, 0.499, BIOPSY)
        too_small = segment_tissue(slide, 0.499, TissueParameters())
    assert len(tissue.pieces) == 1
    assert 0.4 < tissue.area_mm2 < 0.8
    assert too_small.pieces == []  # CLAM's default wants 26 M px; the whole slide has 6.6 M.
