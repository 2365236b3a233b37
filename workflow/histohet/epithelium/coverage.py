"""How much of every tile is epithelium, and whether a mask can be the slide's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from histohet.common.arrays import Float32
from histohet.common.outcome import Status
from histohet.epithelium.masks import EpitheliumMask, LabelImage, MaskError
from histohet.slides.files import is_geojson
from histohet.tiles.file import TileTable
from histohet.tiles.lattice import lattice

NAMED_CLASSES = 12
"""So many classes of a mask are named in a message."""


def check_mask(path: str, size: tuple[int, int], side_px: float) -> None:
    """Check the header of a label image; GeoJSON shows what it is when it is read.

    Raises
    ------
    MaskError
        If the mask cannot be read, has another shape than the slide, or is coarser than tiles.
    """
    if is_geojson(path):
        return
    scale = LabelImage(path, (), size).scale
    if scale > side_px:
        raise MaskError(
            f"mask {path} is too coarse: one of its pixels is {scale:.4g} px of the slide, a tile "
            f"{side_px:.4g}"
        )


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


def check_overlap(mask: EpitheliumMask, path: str, on_tissue: float, elsewhere: float) -> None:
    """Check that a mask can be the slide's, by how much of its epithelium lies on tissue.

    Parameters
    ----------
    mask, path
        The mask, and what a message calls it.
    on_tissue, elsewhere
        Epithelium on the tiles of the slide, and on glass, in tiles.

    Raises
    ------
    MaskError
        If the mask is empty or of another slide, or a part of it cannot be read.
    """
    total = on_tissue + elsewhere
    if on_tissue < total / 2:
        raise MaskError(
            f"only {on_tissue / total:.0%} of the epithelium of mask {path} lies on tissue: it is "
            "shifted or of another slide, or tissue.preset leaves out what it marks"
        )
    if total > 0:
        return
    if not isinstance(mask, LabelImage):
        raise MaskError(
            f"no annotation of mask {path} lies on a tile: coordinates of another slide or scale"
        )
    classes = mask.classes()
    if classes == [0]:
        raise MaskError(f"mask {path} is empty", Status.NO_EPITHELIUM)
    if not mask.is_epithelium[classes].any():
        held = ", ".join(map(str, classes[:NAMED_CLASSES]))
        raise MaskError(f"mask {path} has no class of epithelium.classes; it has {held}")
