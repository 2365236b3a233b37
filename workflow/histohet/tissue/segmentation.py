"""Where the tissue is: CLAM's segmentation by saturation, with its exact defaults and presets.

Source: Lu et al., Nature Biomedical Engineering 2021 (CLAM); parameter values as published with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import shapely

from histohet.common.arrays import Bools, Floats, Int32, UInt8
from histohet.common.otsu import otsu_split
from histohet.common.outcome import Outcome, Status, joined
from histohet.slides.reader import Pixels, Slide, SlideInfo
from histohet.slides.sampling import read_overview
from histohet.tissue.appearance import UNSUSPECTED, Appearance, judge_appearance
from histohet.tissue.settings import TissueParameters
from histohet.tissue.stain import MIN_WHITE

Contour = Int32

CLAM_DOWNSAMPLE = 64
"""CLAM segments the coarsest level whose downsample is at most this."""

SHALLOW_UM = 8.0
"""Scale at which a slide without a coarse pyramid level is segmented, µm per pixel. CLAM would take
level 0 there, where its filters (7 and 4 px) are smaller than a nucleus."""

MIN_DOWNSAMPLE = 8
"""A pyramid whose coarsest usable level is finer than this counts as shallow."""

TOLD_IF_LEFT_OUT = 0.25
"""Share of all that is coloured above which it is told that pieces are too small."""

NEARLY_ALL = 0.9
"""Share of a picture that is taken for tissue above which glass may be."""

REFERENCE_PATCH_PX = 512
"""CLAM's area limits are multiples of a 512 × 512 px patch at level 0."""


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
    appearance
        What speaks against hematoxylin and eosin. It is not kept in the file.
    note
        Why there is no piece, or what is unusual about them.
    """

    pieces: list[shapely.Polygon]
    area_mm2: float
    white: tuple[int, int, int]
    appearance: Appearance = UNSUSPECTED
    note: str = ""


NOTHING = Tissue(pieces=[], area_mm2=0.0, white=(255, 255, 255))
"""Of a slide that was not looked at."""


def segment_tissue(
    slide: Slide, mpp: float, params: TissueParameters, core_diameter_um: float | None = None
) -> Tissue:
    """Segment a slide of `mpp` micrometres per level-0 px.

    Parameters
    ----------
    core_diameter_um
        Outside of the disc of this diameter around the centre of the slide there is no tissue of
        its own: what lies there, such as the next core, counts as glass.
    """
    image = read_overview(slide, segmentation_downsample(slide.info, mpp))
    scale = (slide.info.width / image.shape[1], slide.info.height / image.shape[0])
    _, _, width, height = slide.info.bounds
    looked_at_px2 = float(width * height)
    if core_diameter_um is not None:
        inside = centred_disc(image.shape[:2], scale, core_diameter_um / mpp)
        looked_at_px2 *= float(inside.mean())
        image = np.where(inside[..., None], image, np.array(background_colour(image, params)))
        image = image.astype(np.uint8)
    pieces = segment_image(image, scale, mpp, params)
    area_mm2 = float(sum(piece.area for piece in pieces)) * mpp**2 / 1e6
    white = background_colour(image, params)
    notes = [
        _left_out(image, scale, mpp, params),
        _all_over(
            sum(piece.area for piece in pieces) / looked_at_px2,
            saturation_of(image, params),
            params.sthresh,
        ),
    ]
    note = joined(notes)
    return Tissue(pieces, area_mm2, white, judge_appearance(image, scale, pieces, white), note)


def centred_disc(shape: tuple[int, ...], scale: tuple[float, float], diameter: float) -> Bools:
    """Return which pixels of a picture, by their middle, lie in a disc around its centre.

    Parameters
    ----------
    shape
        (H, W) of the picture.
    scale
        Level-0 px per px of it, along x and y.
    diameter
        Level-0 px.

    Returns
    -------
    bool (H, W)
    """
    height, width = shape
    x = (np.arange(width) + 0.5 - width / 2) * scale[0]
    y = (np.arange(height) + 0.5 - height / 2) * scale[1]
    inside: Bools = x**2 + y[:, None] ** 2 <= (diameter / 2) ** 2
    return inside


def _left_out(
    image: Pixels, scale: tuple[float, float], mpp: float, params: TissueParameters
) -> str:
    """Say which pieces the size limit leaves out, if they are a good part of all; else ""."""
    mm2_per_px = _mm2_per_px(scale, mpp)
    areas = np.array([area for area, _, _ in _candidates(image, params)]) * mm2_per_px
    if not areas.any():
        return f"no pixel is more coloured than sthresh {params.sthresh}"
    limit = _smallest_px(params, scale, mpp) * mm2_per_px
    small = areas[areas <= limit]
    if small.sum() <= TOLD_IF_LEFT_OUT * areas.sum():
        return ""
    return (
        f"the size limit of {limit:.3g} mm² leaves out {small.sum() / areas.sum():.0%} of what is "
        f"coloured, in pieces of up to {small.max():.3g} mm²: set min_tissue_mm2 in "
        "tissue.overrides, or a tissue.preset that keeps smaller pieces (bwh_biopsy)"
    )


def _all_over(share: float, saturation: UInt8, sthresh: int) -> str:
    """Say if nearly all of a picture is tissue, and which threshold would tell it from glass."""
    if share <= NEARLY_ALL:
        return ""
    counts = np.bincount(saturation.ravel(), minlength=256)
    split = otsu_split(np.arange(256), counts)
    hint = f" (Otsu's threshold of this slide is {split.last_below})" if split else ""
    return (
        f"{share:.0%} of the picture is taken for tissue: if that is coloured glass, raise sthresh "
        f"in tissue.overrides from {sthresh}{hint}"
    )


def outcome_of_tissue(tissue: Tissue, max_ink: float) -> Outcome:
    """Say whether a slide has tissue to go on with; see `TissueParameters.max_ink`."""
    if not tissue.pieces:
        reason = f"no piece of tissue is large enough: {tissue.note}"
        return Outcome(Status.NO_TISSUE, reason)
    if problem := tissue.appearance.problem(max_ink):
        return Outcome(Status.NO_TISSUE, problem)
    return Outcome(Status.OK, tissue.note)


def segment_image(
    image: Pixels, scale: tuple[float, float], mpp: float, params: TissueParameters
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
    smallest = _smallest_px(params, scale, mpp)
    min_hole = _limit_px(params.min_hole_mm2, params.a_h, scale, mpp)
    pieces = []
    for area, outline, children in _candidates(image, params):
        if area <= smallest or area == 0:
            continue
        largest = sorted(children, key=cv2.contourArea, reverse=True)[: params.max_n_holes]
        holes = [hole for hole in largest if cv2.contourArea(hole) > min_hole]
        pieces.append(_polygon(outline, holes, scale))
    return sorted(pieces, key=lambda piece: piece.area, reverse=True)


def _candidates(
    image: Pixels, params: TissueParameters
) -> Iterator[tuple[float, Contour, list[Contour]]]:
    """Yield the area of each piece of any size without its holes, its outline and its holes, px."""
    contours, hierarchy = cv2.findContours(
        tissue_mask(image, params), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    if not contours:
        return
    parents = hierarchy[0, :, 3].tolist()
    holes_of: dict[int, list[Contour]] = {}
    for contour, parent in zip(contours, parents, strict=True):
        holes_of.setdefault(parent, []).append(np.asarray(contour, np.int32))
    for index, outline in enumerate(contours):
        if parents[index] == -1:
            holes = holes_of.get(index, [])
            area = cv2.contourArea(outline) - sum(map(cv2.contourArea, holes))
            yield area, np.asarray(outline, np.int32), holes


def _smallest_px(params: TissueParameters, scale: tuple[float, float], mpp: float) -> float:
    """Return the size that a piece must exceed, px of the image."""
    return _limit_px(params.min_tissue_mm2, params.a_t, scale, mpp)


def _limit_px(mm2: float | None, patches: float, scale: tuple[float, float], mpp: float) -> float:
    """Return an area limit in px of the image; CLAM truncates the patch to whole pixels."""
    if mm2 is None:
        return patches * int(REFERENCE_PATCH_PX**2 / (scale[0] * scale[1]))
    return mm2 / _mm2_per_px(scale, mpp)


def _mm2_per_px(scale: tuple[float, float], mpp: float) -> float:
    return scale[0] * scale[1] * mpp**2 / 1e6


def tissue_mask(image: Pixels, params: TissueParameters) -> UInt8:
    """Return the binary tissue mask (H, W) of an overview image, before any area limit."""
    blurred = saturation_of(image, params)
    mask = cv2.threshold(blurred, params.sthresh, 255, cv2.THRESH_BINARY)[1]
    if params.close > 0:
        kernel = np.ones((params.close, params.close), np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    return np.asarray(mask, np.uint8)


def saturation_of(image: Pixels, params: TissueParameters) -> UInt8:
    """Return the blurred HSV saturation (H, W) of an overview image."""
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1]
    return np.asarray(cv2.medianBlur(saturation, params.mthresh), np.uint8)


def background_colour(image: Pixels, params: TissueParameters) -> tuple[int, int, int]:
    """Return the slide's white: the median RGB of what is bright and not tissue.

    Pure white if the overview shows no background.
    """
    bright = image.min(axis=2) >= MIN_WHITE
    background = image[bright & (tissue_mask(image, params) == 0)]
    if len(background) == 0:
        return 255, 255, 255
    red, green, blue = np.median(background, axis=0).round().astype(int).tolist()
    return red, green, blue


def _polygon(outline: Contour, holes: list[Contour], scale: tuple[float, float]) -> shapely.Polygon:
    """Turn OpenCV contours into a polygon in whole level-0 px."""

    def to_level0(contour: Contour) -> Floats:
        points: Floats = np.floor(contour[:, 0, :] * np.asarray(scale))
        return points

    return shapely.Polygon(to_level0(outline), [to_level0(hole) for hole in holes])
