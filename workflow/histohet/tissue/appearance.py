"""Whether the pieces of tissue look like a section stained with hematoxylin and eosin.

Whatever has colours passes for tissue: a section of another stain, fluorescence, a photograph. What
speaks against hematoxylin and eosin is physics more than a taste of colours: a stained section
absorbs light that comes through from behind, so it is darker than the glass around it, lets some
light of every colour pass, and absorbs green most.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import shapely

from histohet.common.arrays import Int32, UInt8
from histohet.tissue.stain import MAX_WHITE_SPREAD, MIN_WHITE, StainModel, ink, optical_density

LIGHTEST_OD, HEAVIEST_OD = 0.5, 1.5
"""Optical density of the colour absorbed least, and most, above which a section of an overview lets
too little light pass; 3 % of the pixels of a section are denser, if any."""

STAINED_OD = 0.3
"""Summed over the channels: what is paler has no hue to speak of."""

JUDGED_PX = 1500
"""About the longer side of the overview that is judged: shares of pixels need no more."""

RING_PX = 5
"""Width of the surroundings of a piece that are looked at, px of that overview."""

MIN_RING = 0.01
"""Surroundings that a piece needs, as a share of its pixels; else it fills the picture."""

LIT = 10
"""Grey levels by which a piece that gives light is brighter than its surroundings."""

DARK, MAX_DARK = 80, 0.005
"""Brightest channel of a dark pixel, and the share of them in a section that fills the picture."""

BROWN, MAX_BROWN = 0.9, 0.4
"""Blue absorbed as a share of green above which a pixel is brown, and share of brown pixels among
the stained ones. Sections of hematoxylin and eosin have 0.005 at most, blood and pigment more;
immunostaining with diaminobenzidine half and more."""


TAKE_IT = "if it is such a section, set max_ink in tissue.overrides to 1"


@dataclass(frozen=True)
class Appearance:
    """What speaks against hematoxylin and eosin.

    Attributes
    ----------
    ink
        Share of pixels that both stains together cannot have coloured, in the piece with the least
        of them; 1 where every piece gives light.
    brown
        Share of brown pixels among the stained ones, in all pieces.
    emits
        Whether every piece is light on a dark ground.
    """

    ink: float = 0.0
    brown: float = 0.0
    emits: bool = False

    def problem(self, max_ink: float) -> str | None:
        """Say why no piece can be a section, or return None; see `TissueParameters.max_ink`."""
        if max_ink == 1 or (self.ink <= max_ink and self.brown <= MAX_BROWN):
            return None
        if self.emits:
            seen = (
                "the coloured pieces are light on a dark ground, but hematoxylin and eosin are "
                "dark on bright glass: fluorescence, a photograph, or a ground made black"
            )
        elif self.brown > MAX_BROWN:
            seen = (
                f"{self.brown:.0%} of what is stained is brown and not pink or violet: "
                "immunostaining (DAB), or no slide at all"
            )
        else:
            seen = (
                f"{self.ink:.0%} or more of every coloured piece is too blue, green, grey or dark "
                "for hematoxylin and eosin: pen, fluorescence, another stain, or no slide at all"
            )
        return f"{seen}; {TAKE_IT}"


UNSUSPECTED = Appearance()
"""Of a slide that was not looked at, or has no tissue."""


def judge_appearance(
    image: UInt8,
    scale: tuple[float, float],
    pieces: list[shapely.Polygon],
    white: tuple[int, int, int],
) -> Appearance:
    """Judge the colours of an overview.

    Parameters
    ----------
    image
        uint8 (H, W, 3), RGB.
    scale
        Level-0 px per image px, along x and y.
    pieces
        Tissue, level-0 px.
    white
        RGB of the empty glass.
    """
    if not pieces:
        return UNSUSPECTED
    step = max(1, round(max(image.shape) / JUDGED_PX))
    image = np.ascontiguousarray(image[::step, ::step])
    outlines = [
        np.rint(np.asarray(piece.exterior.coords) / (np.array(scale) * step)).astype(np.int32)
        for piece in pieces
    ]
    number = _numbered(image, outlines)
    red, green, blue = map(float, white)
    model = StainModel(white=(red, green, blue))
    red_od, green_od, blue_od = density = np.stack(optical_density(image, model))
    opaque = (density.min(axis=0) > LIGHTEST_OD) | (density.max(axis=0) > HEAVIEST_OD)
    inked = np.bincount(number[ink(image, model) | opaque], minlength=len(pieces) + 1)[1:]
    sizes = np.bincount(number.ravel(), minlength=len(pieces) + 1)[1:]
    lit = np.array(_give_light(image, number, outlines))
    stained = (density.sum(axis=0) > STAINED_OD) & (number > 0)
    brown = stained & (blue_od > BROWN * green_od) & (red_od < green_od)
    return Appearance(
        ink=float(np.where(lit, 1.0, inked / np.maximum(sizes, 1)).min()),
        brown=float(brown.sum() / max(stained.sum(), 1)),
        emits=bool(lit.all()),
    )


def _numbered(image: UInt8, outlines: list[Int32]) -> Int32:
    """Piece of every pixel of an overview, counted from 1, its holes included; 0 outside."""
    number = np.zeros(image.shape[:2], np.int32)
    for index, outline in enumerate(outlines, start=1):
        cv2.fillPoly(number, [outline], index)
    return number


def _give_light(image: UInt8, number: Int32, outlines: list[Int32]) -> list[bool]:
    """Tell of every piece whether it is brighter than what surrounds it.

    Noise in the dark is coloured too, so that a piece may take the ground in and fill the picture:
    then its own pixels tell, of which more are dark than look like glass.
    """
    brightest, darkest = image.max(axis=2), image.min(axis=2)
    kernel = np.ones((2 * RING_PX + 1,) * 2, np.uint8)
    found = []
    for piece, outline in enumerate(outlines, start=1):
        left, top, width, height = cv2.boundingRect(outline)
        around = (
            slice(max(top - RING_PX, 0), max(top + height + RING_PX, 0)),
            slice(max(left - RING_PX, 0), max(left + width + RING_PX, 0)),
        )
        inside = number[around] == piece
        if not inside.any():
            found.append(False)
            continue
        ring = (cv2.dilate(inside.astype(np.uint8), kernel) > 0) & (number[around] == 0)
        levels = brightest[around]
        if ring.sum() > MIN_RING * inside.sum():
            found.append(bool(np.median(levels[inside]) > np.median(levels[ring]) + LIT))
            continue
        low, high = darkest[around][inside], levels[inside]
        dark, glass = high < DARK, (low >= MIN_WHITE) & (high - low <= MAX_WHITE_SPREAD)
        found.append(bool(dark.mean() > MAX_DARK and dark.sum() > glass.sum()))
    return found
