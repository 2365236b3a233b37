"""How much of every tile is epithelium, and whether a mask can be the slide's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from histohet.common.arrays import Float32
from histohet.common.hdf5 import open_file
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.epithelium.base import EpitheliumMask, MaskError, MaskRules
from histohet.epithelium.labels import LabelImage
from histohet.epithelium.masks import frame_of_mask, open_mask
from histohet.epithelium.polygons import Polygons
from histohet.slides.frame import Frame
from histohet.slides.record import SlideRecord
from histohet.slides.settings import Origin
from histohet.tiles.file import TileTable, write_column
from histohet.tiles.lattice import lattice

COVERAGE, ON_TISSUE = "coverage", "mask_on_tissue"
"""Dataset of a coverage file, and its attribute."""

NAMED_CLASSES = 12
"""So many classes of a mask are named in a message."""

LISTED_BELOW, LEAST_ON_TISSUE = 0.9, 0.5
"""Shares of a mask on tissue below which it is listed, and refused."""

CLEARLY_MORE = 0.1
"""A mask whose share on tissue is higher by that with the other origin was measured from there."""

WHERE: dict[Origin, str] = {
    "bounds": "the corner of the slide's bounds, as in QuPath",
    "plane": "the corner of the whole slide, as OpenSlide does",
    "region": "the corner of the slide's region",
}


def check_mask(path: str, rules: MaskRules, record: SlideRecord, side_px: float) -> tuple[str, ...]:
    """Read a mask as far as it goes without the pixels of its slide.

    Parameters
    ----------
    side_px
        Side of a tile, level-0 px.

    Returns
    -------
    tuple of str
        What is unusual about it, but no reason to refuse it.

    Raises
    ------
    MaskError
        If the mask cannot be read, has another shape than the slide, is coarser than tiles, or is
        GeoJSON without an annotation of `rules`.
    """
    mask = open_given_mask(path, rules, record, side_px)
    return tuple(f"mask {path}: {note}" for note in mask.notes)


def open_given_mask(
    path: str, rules: MaskRules, record: SlideRecord, side_px: float
) -> EpitheliumMask:
    """Open the mask that a slide brings; see `check_mask`."""
    mask = open_mask(path, rules, frame_of_mask(path, rules.origin, record.frames))
    if isinstance(mask, LabelImage) and mask.scale > side_px:
        raise MaskError(
            f"mask {path} is too coarse: one of its pixels is {mask.scale:.4g} px of the slide, a "
            f"tile {side_px:.4g}"
        )
    return mask


def tile_coverage(
    mask: EpitheliumMask, corners: Iterable[tuple[int, int]], side_px: float
) -> Float32:
    """Return the share of each tile that is epithelium, (N,).

    Raises
    ------
    MaskError
        If a part of the mask cannot be read.
    """
    return np.array([mask.coverage(x, y, side_px) for x, y in corners], np.float32)


def epithelium_off_tissue(mask: EpitheliumMask, tiles: TileTable, size: tuple[int, int]) -> float:
    """Return the epithelium, in tiles, on the tiles of a slide's lattice that are not on tissue.

    Parameters
    ----------
    mask
        Epithelium of the slide.
    tiles
        Those on tissue.
    size
        (width, height) of level 0.

    Raises
    ------
    MaskError
        If a part of the mask cannot be read.
    """
    on_tissue = set(map(tuple, tiles.coords.tolist()))
    everywhere = map(tuple, lattice(*size, tiles.spec, tiles.mpp).tolist())
    around = (corner for corner in everywhere if corner not in on_tissue)
    return sum(mask.coverage(x, y, tiles.side_px) for x, y in around)


def check_overlap(
    path: str,
    rules: MaskRules,
    mask: EpitheliumMask,
    record: SlideRecord,
    tiles: TileTable,
    coverage: Float32,
) -> float | None:
    """Check that a mask can be the slide's, by how much of its epithelium lies on tissue.

    Where a slide has bounds, the mask is also measured from the other origin.

    Parameters
    ----------
    path, rules, mask
        The mask, opened.
    tiles
        Those of the slide on tissue.
    coverage
        Epithelium of each of them, (N,).

    Returns
    -------
    float or None
        The share; None if tiles come with finished features: others may be tissue too.

    Raises
    ------
    MaskError
        If the mask is empty, lies mostly beside the tissue, or lies clearly better on it when it is
        measured from the other origin; or a part of it cannot be read.
    """
    share = _share(mask, record, tiles, coverage)
    if (share or 0.0) < LISTED_BELOW:
        _check_origin(path, rules, record, tiles, share or 0.0)
    if share is None:
        raise _nothing_on_tiles(path, mask)
    if share < LEAST_ON_TISSUE:
        raise MaskError(
            f"only {share:.0%} of the epithelium of mask {path} lies on tissue: it is "
            "shifted or of another slide, or tissue.preset leaves out what it marks"
        )
    return None if record.imported else share


def _share(
    mask: EpitheliumMask, record: SlideRecord, tiles: TileTable, coverage: Float32
) -> float | None:
    """Return the share of the epithelium that lies on tissue, None where no tile has any."""
    on_tissue = float(coverage.sum())
    elsewhere = 0.0 if record.imported else epithelium_off_tissue(mask, tiles, record.size)
    return on_tissue / (on_tissue + elsewhere) if on_tissue + elsewhere > 0 else None


def _check_origin(
    path: str, rules: MaskRules, record: SlideRecord, tiles: TileTable, share: float
) -> None:
    """Refuse a mask that lies better on the tissue when it is measured from the other origin."""
    frame, seen = frame_of_mask(path, rules.origin, record.frames), set[Frame]()
    for origin, other in record.frames.items():
        if other == frame or other in seen:
            continue
        seen.add(other)
        try:
            mask = open_mask(path, rules, other)
        except MaskError:
            continue
        coverage = tile_coverage(mask, tiles.coords.tolist(), tiles.side_px)
        there = _share(mask, record, tiles, coverage) or 0.0
        if there > share + CLEARLY_MORE:
            raise MaskError(
                f"{share:.0%} of the epithelium of mask {path} lies on tissue, {there:.0%} if it "
                f"is measured from {WHERE[origin]}: set epithelium.mask_origin to {origin}"
            )


def _nothing_on_tiles(path: str, mask: EpitheliumMask) -> MaskError:
    """Say why no tile has any epithelium."""
    if isinstance(mask, Polygons) and mask.is_taken_out():
        return MaskError(
            f"classes of epithelium.excluded_names take all epithelium of mask {path} out",
            Status.NO_EPITHELIUM,
        )
    if not isinstance(mask, LabelImage):
        return MaskError(
            f"no annotation of mask {path} lies on a tile: coordinates of another slide or scale"
        )
    classes = mask.classes()
    if list(classes) == [0]:
        return MaskError(f"mask {path} is empty", Status.NO_EPITHELIUM)
    if any(classes.values()):
        return MaskError(
            f"the epithelium of mask {path} lies on no whole tile", Status.NO_EPITHELIUM
        )
    held = ", ".join(map(str, list(classes)[:NAMED_CLASSES]))
    return MaskError(f"mask {path} has no class of epithelium.classes; it has {held}")


def write_coverage(
    path: str | Path,
    coverage: Float32,
    on_tissue: float | None,
    outcome: Outcome,
    provenance: Provenance,
) -> None:
    """Write the epithelium of each tile, and the share of the mask that lies on tissue if known."""
    about = {} if on_tissue is None else {ON_TISSUE: on_tissue}
    write_column(path, COVERAGE, coverage, outcome, provenance, about)


def read_share_on_tissue(path: str | Path) -> float | None:
    """Read the share of a mask that `write_coverage` wrote."""
    with open_file(path) as file:
        share = file[COVERAGE].attrs.get(ON_TISSUE)
    return None if share is None else float(share)
