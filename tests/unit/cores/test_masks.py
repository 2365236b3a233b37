"""Masks of cores: phantoms, and three real cores whatever their margin."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from helpers.slidefiles import write_plain
from histohet.common.arrays import Bools, UInt8
from histohet.common.outcome import OK, Outcome, SlideLost, Status
from histohet.cores.masks import COLUMNS, CoreMask, MaskRow, as_picture, mask_core, mask_table
from histohet.slides.reader import open_slide
from histohet.tissue.segmentation import segment_tissue
from histohet.tissue.settings import TISSUE_PRESETS

GLASS = (226, 220, 224)
PINK = (200, 120, 170)

MPP = 1.2
"""Of the real cores, whose files say none: they are some 1,000 px wide, and cores some 1.2 mm."""

OUTLINES = Path(__file__).parent / "core_outlines.tsv"
"""Drawn by eye on the pictures, with the lumina, before anything was computed; px."""

DRAWN_PX = 10
"""How exact they are: so far from them nothing is compared."""

MARGINS = (1.0, 0.8, 0.6, 0.5)
"""Side of the original picture, which the core fills, over that of the picture."""


def disc(side: int, radius: float, x: float, y: float) -> Bools:
    down, across = np.mgrid[:side, :side]
    return np.asarray((across - x) ** 2 + (down - y) ** 2 <= radius**2)


def masked(path: Path, diameter_um: float | None = None, mpp: float = MPP) -> CoreMask:
    with open_slide(path) as slide:
        tissue = segment_tissue(slide, mpp, TISSUE_PRESETS["core"], diameter_um)
        return mask_core(slide, tissue, mpp, diameter_um)


def phantom(mask: Bools, colour: tuple[int, int, int] = PINK) -> UInt8:
    noise = np.random.default_rng(0).integers(-2, 3, (*mask.shape, 3))
    return (np.where(mask[..., None], colour, GLASS) + noise).astype(np.uint8)


def test_lumina_are_part_of_a_core_and_bays_of_glass_are_not(tmp_path: Path) -> None:
    core = disc(800, 300, 400, 400)
    lumen, bay = disc(800, 60, 400, 330), disc(800, 60, 700, 400)
    path = write_plain(tmp_path / "a.png", phantom(core & ~lumen & ~bay))
    found = masked(path, mpp=2.0)
    assert found.mask.shape == found.picture.shape[:2] == (800, 800)
    wanted = core & ~bay
    assert (found.mask == wanted).mean() > 0.995
    assert found.mask[lumen].all()
    assert found.tissue_mm2 == pytest.approx(wanted.sum() * 4e-6, rel=0.01)


def test_a_cleft_is_closed_up_to_its_width(tmp_path: Path) -> None:
    core = disc(800, 300, 400, 400)
    for width_um, kept in ((40, True), (120, False)):
        cleft = np.zeros_like(core)
        half = width_um // 4
        cleft[100:400, 400 - half : 400 + half] = True
        path = write_plain(tmp_path / f"{width_um}.png", phantom(core & ~cleft))
        inside = masked(path, mpp=2.0).mask[200:380, 400]
        assert bool(inside.all()) is kept
        assert bool(inside.any()) is kept


def test_a_neighbour_beyond_the_diameter_is_no_part_of_a_core(tmp_path: Path) -> None:
    core, other = disc(800, 200, 400, 400), disc(800, 200, 820, 400)
    path = write_plain(tmp_path / "a.png", phantom(core | other))
    assert masked(path, mpp=2.0).mask[other].any()
    found = masked(path, 800.0, mpp=2.0)
    assert not found.mask[other].any()
    assert found.mask[core].mean() > 0.99


def test_the_mask_turns_with_the_core(tmp_path: Path) -> None:
    picture = phantom(disc(400, 150, 190, 210) & ~disc(400, 40, 250, 210))
    straight = masked(write_plain(tmp_path / "a.png", picture), mpp=2.0).mask
    turned = masked(write_plain(tmp_path / "b.png", np.rot90(picture).copy()), mpp=2.0).mask
    # The overview that pieces are found on is not made of the same pixels.
    assert (np.rot90(straight) == turned).mean() > 0.999


def test_finer_slides_are_brought_to_the_scale_of_masks(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", phantom(disc(1200, 500, 600, 600)))
    found = masked(path, mpp=0.5)
    assert found.mask.shape == found.picture.shape[:2] == (300, 300)
    assert found.mpp == 2.0
    assert found.tissue_mm2 == pytest.approx(np.pi * 0.25**2, rel=0.02)


def test_glass_has_no_mask(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.png", phantom(disc(400, 0, -9, -9)))
    with pytest.raises(SlideLost, match="nothing in the core absorbs more") as lost:
        masked(path, mpp=2.0)
    assert lost.value.status is Status.NO_TISSUE


def test_the_table_has_the_columns_of_the_original_first() -> None:
    lost = Outcome(Status.NO_TISSUE, "empty")
    table = mask_table(
        [
            MaskRow("slide001_core059", "P1", "a.jpg", "a.png", 2.0, 0.7, OK),
            MaskRow("my_array_A-1", "P2", "b.jpg", "b.png", 2.0, 0.5, OK),
            MaskRow("alone", "P3", "c.jpg", "c.png", None, None, lost),
        ]
    )
    assert list(table) == list(COLUMNS)
    assert table[["slide", "core"]].to_numpy().tolist() == [
        ["slide001", "core059"],
        ["my_array", "A-1"],
        ["alone", ""],
    ]
    assert table["mask_path"].tolist() == ["a.png", "b.png", ""]
    assert table.loc[2, ["path", "status", "reason"]].tolist() == ["", "no_tissue", "empty"]
    assert np.isnan(table.loc[2, "mpp"])
    assert np.unique(as_picture(disc(9, 3, 4, 4))).tolist() == [0, 255]


def truth(core: str) -> Bools:
    """Return what is core by its outline, (1024, 1024)."""
    outlines = pd.read_csv(OUTLINES, sep="\t", index_col="core")["outline"]
    points = [tuple(map(int, point.split(","))) for point in outlines[core].split()]
    picture = Image.new("1", (1024, 1024))
    ImageDraw.Draw(picture).polygon(points, fill=1)
    return np.asarray(picture)


def on_glass(picture: UInt8, inside: Bools, margin: float) -> tuple[UInt8, Bools]:
    """Return a picture and its truth on more glass, of its own colour and noise."""
    side = round(len(picture) / margin)
    glass = picture[~inside].astype(float)
    spread = 1.5 * np.median(np.abs(glass - np.median(glass, axis=0)), axis=0)
    noise = np.random.default_rng(0).normal(np.median(glass, axis=0), spread, (side, side, 3))
    whole, wanted = noise.clip(0, 255).astype(np.uint8), np.zeros((side, side), np.bool_)
    first = (side - len(picture)) // 2
    place = slice(first, first + len(picture))
    whole[place, place], wanted[place, place] = picture, inside
    return whole, wanted


def shares(mask: Bools, wanted: Bools) -> tuple[float, float]:
    """Return how much of the tissue and how much of the glass a mask keeps."""
    drawn = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * DRAWN_PX + 1,) * 2)
    surely = cv2.erode(wanted.astype(np.uint8), drawn) > 0
    perhaps = cv2.dilate(wanted.astype(np.uint8), drawn) > 0
    size = (wanted.shape[1], wanted.shape[0])
    whole = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return float(whole[surely].mean()), float(whole[~perhaps].mean())


def published(picture: UInt8) -> Bools:
    """Return the mask of the original: Otsu of grey, smoothed, the side that has the majority."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    bright = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
    square = np.ones((5, 5), np.uint8)
    for step in (cv2.MORPH_OPEN, cv2.MORPH_CLOSE):
        bright = cv2.morphologyEx(bright, step, square)
    return np.asarray(bright > 0 if (bright > 0).mean() >= 0.5 else bright == 0)


@pytest.mark.real
@pytest.mark.parametrize("core", ["slide001_core059", "slide003_core055", "slide005_core063"])
def test_tissue_of_real_cores_is_kept_and_glass_is_not_whatever_the_margin(
    real_data: Path, tmp_path: Path, core: str
) -> None:
    picture = np.asarray(Image.open(real_data / f"cores/gleason2019/{core}.png").convert("RGB"))
    for margin in MARGINS:
        whole, wanted = on_glass(picture, truth(core), margin)
        path = write_plain(tmp_path / f"{margin}.tif", whole)
        tissue, glass = shares(masked(path, 1300.0).mask, wanted)
        assert tissue > 0.95
        assert glass < 0.05
        # What the majority rule makes of the same picture.
        tissue, glass = shares(published(whole), wanted)
        assert (tissue > 0.8 and glass < 0.06) if margin == 1 else (tissue < 0.2 and glass > 0.98)
