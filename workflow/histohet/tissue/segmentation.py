"""Where the tissue is: CLAM's segmentation by saturation, with its exact defaults and presets.

Source: Lu et al., Nature Biomedical Engineering 2021 (CLAM); parameter values as published with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from histohet.slides.reader import Pixels, Slide, SlideInfo, read_overview
from histohet.tissue.stain import StainModel, ink

Contour = npt.NDArray[np.int32]

CLAM_DOWNSAMPLE = 64
"""CLAM segments the coarsest level whose downsample is at most this."""

SHALLOW_UM = 8.0
"""Scale at which a slide without a coarse pyramid level is segmented, µm per pixel. CLAM would take
level 0 there, where its filters (7 and 4 px) are smaller than a nucleus."""

MIN_DOWNSAMPLE = 8
"""A pyramid whose coarsest usable level is finer than this counts as shallow."""

MIN_WHITE = 180
"""Darkest channel value of a pixel that may count as empty glass."""

REFERENCE_PATCH_PX = 512
"""CLAM's area limits are multiples of a 512 × 512 px patch at level 0."""


@dataclass(frozen=True)
class TissueParams:
    """Parameters of the segmentation, named as in CLAM where it has a name for them.

    Attributes
    ----------
    sthresh, sthresh_up
        Tissue is where the blurred HSV saturation (0–255) is above `sthresh`; pixels above get the
        value `sthresh_up`.
    use_otsu
        Choose the threshold by Otsu's method instead.
    mthresh
        Side of the median blur, odd, px of the segmentation image.
    close
        Side of the square closing, px of the segmentation image; 0 for none.
    a_t, a_h
        Smallest tissue piece and smallest hole, in 512 × 512 px level-0 patches.
    max_n_holes
        Largest number of holes kept per piece (largest first); the others count as tissue.
    min_tissue_mm2, min_hole_mm2
        The same limits in mm², in place of `a_t` and `a_h` where given: they mean the same tissue
        on 20x and 40x slides.
    max_ink
        Share of ink-coloured pixels above which a piece is no section. Sections have a few per
        cent; pens, fluorescence and photographs more than half.
    """

    sthresh: int = 8
    sthresh_up: int = 255
    use_otsu: bool = False
    mthresh: int = 7
    close: int = 4
    a_t: float = 100
    a_h: float = 16
    max_n_holes: int = 8
    min_tissue_mm2: float | None = None
    min_hole_mm2: float | None = None
    max_ink: float = 0.5


TISSUE_PRESETS: Mapping[str, TissueParams] = {
    "default": TissueParams(),
    "bwh_biopsy": TissueParams(sthresh=15, mthresh=11, close=2, a_t=1, a_h=1, max_n_holes=2),
    "bwh_resection": TissueParams(sthresh=15, mthresh=11, close=4, a_t=100, a_h=16, max_n_holes=8),
    "tcga": TissueParams(sthresh=8, mthresh=7, close=4, a_t=16, a_h=4, max_n_holes=8),
}


def tissue_params(preset: str, overrides: Mapping[str, Any]) -> TissueParams:
    """Return a preset with single values replaced.

    Raises
    ------
    ValueError
        If the preset or a parameter is unknown.
    """
    if preset not in TISSUE_PRESETS:
        raise ValueError(f"unknown tissue preset '{preset}'; there are {', '.join(TISSUE_PRESETS)}")
    try:
        return replace(TISSUE_PRESETS[preset], **overrides)
    except TypeError as error:
        raise ValueError(f"tissue parameters: {error}") from error


def segmentation_downsample(info: SlideInfo, mpp: float) -> float:
    """Level-0 pixels per pixel of the image that is segmented."""
    level = info.best_level(CLAM_DOWNSAMPLE)
    downsample = info.level_downsamples[level]
    if downsample >= MIN_DOWNSAMPLE:
        return downsample
    return max(downsample, SHALLOW_UM / mpp)


@dataclass(frozen=True)
class Tissue:
    """Tissue of a slide.

    Attributes
    ----------
    pieces
        One polygon per piece, with holes, in level-0 px, largest first.
    area_mm2
        Area of the pieces without their holes.
    white
        RGB of the empty glass.
    ink
        Share of pixels that hematoxylin and eosin cannot have coloured, in the piece with the least
        of them.
    """

    pieces: list[shapely.Polygon]
    area_mm2: float
    white: tuple[int, int, int]
    ink: float = 0.0


def segment_tissue(slide: Slide, mpp: float, params: TissueParams) -> Tissue:
    """Segment a slide of `mpp` micrometres per level-0 px."""
    image = read_overview(slide, segmentation_downsample(slide.info, mpp))
    scale = (slide.info.width / image.shape[1], slide.info.height / image.shape[0])
    pieces = segment_image(image, scale, mpp, params)
    area_mm2 = float(sum(piece.area for piece in pieces)) * mpp**2 / 1e6
    white = background_colour(image, params)
    return Tissue(pieces, area_mm2, white, _least_ink(image, scale, pieces, white))


def segment_image(
    image: Pixels, scale: tuple[float, float], mpp: float, params: TissueParams
) -> list[shapely.Polygon]:
    """Segment an overview image.

    Parameters
    ----------
    image
        uint8 (H, W, 3), RGB.
    scale
        Level-0 px per image px, along x and y.
    mpp
        Micrometres per level-0 px.

    Returns
    -------
    list of polygons
        One per piece of tissue, with holes, in level-0 px, largest first.
    """
    contours, hierarchy = cv2.findContours(
        tissue_mask(image, params), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    if not contours:
        return []
    # Area limits in px of this image; CLAM truncates the reference patch to whole pixels.
    reference = int(REFERENCE_PATCH_PX**2 / (scale[0] * scale[1]))
    mm2_per_px = scale[0] * scale[1] * mpp**2 / 1e6
    min_tissue = (
        params.a_t * reference
        if params.min_tissue_mm2 is None
        else params.min_tissue_mm2 / mm2_per_px
    )
    min_hole = (
        params.a_h * reference if params.min_hole_mm2 is None else params.min_hole_mm2 / mm2_per_px
    )
    parents = hierarchy[0, :, 3].tolist()
    holes_of: dict[int, list[Contour]] = {}
    for contour, parent in zip(contours, parents, strict=True):
        holes_of.setdefault(parent, []).append(np.asarray(contour, np.int32))
    pieces = []
    for index, outline in enumerate(contours):
        if parents[index] != -1:
            continue
        children = holes_of.get(index, [])
        area = cv2.contourArea(outline) - sum(map(cv2.contourArea, children))
        if area <= min_tissue or area == 0:
            continue
        largest = sorted(children, key=cv2.contourArea, reverse=True)[: params.max_n_holes]
        holes = [hole for hole in largest if cv2.contourArea(hole) > min_hole]
        pieces.append(_polygon(np.asarray(outline, np.int32), holes, scale))
    return sorted(pieces, key=lambda piece: piece.area, reverse=True)


def tissue_mask(image: Pixels, params: TissueParams) -> npt.NDArray[np.uint8]:
    """Return the binary tissue mask (H, W) of an overview image, before any area limit."""
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1]
    blurred = cv2.medianBlur(saturation, params.mthresh)
    method = cv2.THRESH_BINARY + (cv2.THRESH_OTSU if params.use_otsu else 0)
    mask = cv2.threshold(blurred, params.sthresh, params.sthresh_up, method)[1]
    if params.close > 0:
        kernel = np.ones((params.close, params.close), np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    return np.asarray(mask, np.uint8)


def background_colour(image: Pixels, params: TissueParams) -> tuple[int, int, int]:
    """Return the slide's white: the median RGB of what is bright and not tissue.

    Pure white if the overview shows no background.
    """
    bright = image.min(axis=2) >= MIN_WHITE
    background = image[bright & (tissue_mask(image, params) == 0)]
    if len(background) == 0:
        return 255, 255, 255
    red, green, blue = np.median(background, axis=0).round().astype(int).tolist()
    return red, green, blue


def _least_ink(
    image: Pixels,
    scale: tuple[float, float],
    pieces: list[shapely.Polygon],
    white: tuple[int, int, int],
) -> float:
    """Return the share of ink-coloured pixels in the piece that has the least of them."""
    if not pieces:
        return 0.0
    red, green, blue = map(float, white)
    is_ink = ink(image, StainModel(white=(red, green, blue)))
    number = np.zeros(image.shape[:2], np.int32)
    for index, piece in enumerate(pieces, start=1):
        outline = np.rint(np.asarray(piece.exterior.coords) / scale).astype(np.int32)
        cv2.fillPoly(number, [outline], index)
    sizes = np.bincount(number.ravel(), minlength=len(pieces) + 1)[1:]
    inked = np.bincount(number[is_ink], minlength=len(pieces) + 1)[1:]
    return float((inked / np.maximum(sizes, 1)).min())


def _polygon(outline: Contour, holes: list[Contour], scale: tuple[float, float]) -> shapely.Polygon:
    """Turn OpenCV contours into a polygon in whole level-0 px."""

    def to_level0(contour: Contour) -> npt.NDArray[np.float64]:
        points: npt.NDArray[np.float64] = np.floor(contour[:, 0, :] * np.asarray(scale))
        return points

    return shapely.Polygon(to_level0(outline), [to_level0(hole) for hole in holes])
