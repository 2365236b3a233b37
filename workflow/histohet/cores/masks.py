"""Which part of a core is tissue: its mask, a picture of the same pixels, and the table of both.

What it takes the place of keeps the grey class that has the majority of a picture, so a core with a
margin is left out in favour of its glass (docs/cores.md). Here tissue is what absorbs more than the
glass of its own slide, whatever the margin; the lumina that it encloses are part of the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage

from histohet.common.arrays import Bools, UInt8
from histohet.common.outcome import Outcome, SlideLost, Status
from histohet.slides.reader import Pixels, Slide
from histohet.slides.sampling import read_overview
from histohet.tissue.segmentation import Tissue, centred_disc, segmentation_downsample
from histohet.tissue.stain import StainModel, stained

MASK_MPP = 2.0
"""Scale of mask and picture, µm per pixel: a core of 1 mm has 500 px."""

CLEFT_UM = 60.0
"""Clefts up to this width are bridged, so that a lumen with a gap is enclosed; what is no wider, as
dust beside a core, is left out."""

OUTLINE_PX = 2.0
"""Outlines of tissue are found on a coarser picture, and shifted by up to one of its pixels."""

COLUMNS = (
    *("slide", "core", "path", "mask_path", "patient", "id", "mpp", "tissue_mm2"),
    *("status", "reason"),
)
"""Of the table of masks. The first four are those of the code of arXiv 2505.05689."""


@dataclass(frozen=True)
class CoreMask:
    """A core with its mask.

    Attributes
    ----------
    picture
        uint8 (H, W, 3).
    mask
        bool (H, W), the same pixels.
    mpp
        Micrometres per pixel.
    """

    picture: Pixels
    mask: Bools
    mpp: float

    @property
    def tissue_mm2(self) -> float:
        """Area of the mask."""
        return float(np.count_nonzero(self.mask)) * self.mpp**2 / 1e6


@dataclass(frozen=True)
class MaskRow:
    """What became of the mask of a core.

    Attributes
    ----------
    slide, patient
        Ids.
    picture, mask
        Their files.
    mpp, tissue_mm2
        See `CoreMask`; None where there is no mask.
    outcome
        How far the core came.
    """

    slide: str
    patient: str
    picture: str
    mask: str
    mpp: float | None
    tissue_mm2: float | None
    outcome: Outcome


def mask_core(
    slide: Slide, tissue: Tissue, mpp: float, core_diameter_um: float | None = None
) -> CoreMask:
    """Return the tissue of a core, with the lumina in it and without the glass around it.

    Parameters
    ----------
    slide
        The core, whatever its margin.
    tissue
        Its tissue, and its glass.
    mpp
        Micrometres per level-0 px.
    core_diameter_um
        See `tissue.segmentation.segment_tissue`.

    Raises
    ------
    SlideLost
        If nothing in it absorbs more than its glass.
    """
    picture = read_overview(slide, max(1.0, MASK_MPP / mpp))
    scale = (slide.info.width / picture.shape[1], slide.info.height / picture.shape[0])
    mask_mpp = mpp * (scale[0] + scale[1]) / 2
    red, green, blue = map(float, tissue.white)
    mask = stained(picture, StainModel(white=(red, green, blue)))
    reach_px = OUTLINE_PX * segmentation_downsample(slide.info, mpp) * mpp / mask_mpp
    mask &= _within(tissue, mask.shape, scale, reach_px)
    mask = _smoothed(mask, CLEFT_UM / mask_mpp)
    if core_diameter_um is not None:
        mask &= centred_disc(mask.shape, scale, core_diameter_um / mpp)
    if not mask.any():
        reason = "nothing in the core absorbs more light than its glass"
        raise SlideLost(reason, Status.NO_TISSUE)
    return CoreMask(picture, mask, mask_mpp)


def _within(
    tissue: Tissue, shape: tuple[int, ...], scale: tuple[float, float], reach_px: float
) -> Bools:
    """Return which pixels lie within the outlines of tissue, its holes included, or near them."""
    inside = np.zeros(shape, np.uint8)
    for piece in tissue.pieces:
        outline = np.rint(np.asarray(piece.exterior.coords) / scale).astype(np.int32)
        cv2.fillPoly(inside, [outline], 1)
    return cv2.dilate(inside, _disc(reach_px)).astype(np.bool_)


def _smoothed(mask: Bools, width_px: float) -> Bools:
    """Return a mask with its clefts closed, its holes filled, and without spurs and specks."""
    disc = _disc(width_px / 2)
    # Beyond the edge there is nothing to close to: what touches it stays as it is.
    room = np.pad(mask.astype(np.uint8), len(disc))
    closed = cv2.morphologyEx(room, cv2.MORPH_CLOSE, disc)
    inner = slice(len(disc), -len(disc))
    filled = ndimage.binary_fill_holes(closed[inner, inner]).astype(np.uint8)
    smooth: Bools = cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc).astype(np.bool_)
    return smooth


def _disc(radius: float) -> UInt8:
    """Return a disc for morphology."""
    side = 2 * round(radius) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def as_picture(mask: Bools) -> UInt8:
    """Return a mask as it is written: 255 is tissue, 0 is not."""
    return np.where(mask, 255, 0).astype(np.uint8)


def mask_table(rows: Iterable[MaskRow]) -> pd.DataFrame:
    """Return one row per core.

    Returns
    -------
    DataFrame
        `COLUMNS`. ``slide`` and ``core`` are what stands before and after the last ``_`` of the
        ``id`` of a slide here: ``array_A-1`` and ``slide001_core059`` alike. Cores without a mask
        name no files, and why.
    """
    table = []
    for row in rows:
        array, _, core = row.slide.rpartition("_")
        lost = not row.outcome.ok
        table.append(
            {
                "slide": array or row.slide,
                "core": core if array else "",
                "path": "" if lost else row.picture,
                "mask_path": "" if lost else row.mask,
                "patient": row.patient,
                "id": row.slide,
                "mpp": None if lost else row.mpp,
                "tissue_mm2": None if lost else row.tissue_mm2,
                "status": str(row.outcome.status),
                "reason": row.outcome.reason,
            }
        )
    return pd.DataFrame(table, columns=list(COLUMNS))
