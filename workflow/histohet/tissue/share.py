"""How much of every tile is tissue; tiles that are mostly glass are left out.

CLAM keeps a tile if it touches a piece of tissue, and fills the smaller holes of a piece: along the
rim, in clefts, lumina and torn places are tiles of glass, which make clusters of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from histohet.common.arrays import Bools, Float32, UInt8
from histohet.common.logs import track
from histohet.common.outcome import Outcome, Status
from histohet.slides.reader import Slide, SlideError
from histohet.slides.sampling import Resampling, read_tile
from histohet.tiles.file import N_GLASS, TileTable
from histohet.tiles.lattice import Coords, surrounded
from histohet.tissue.stain import StainModel, ink, stained

SHARE_MPP = 4.0
"""Scale at which tissue is told from glass, µm per pixel: two or three pixels to a cell. At 2 and
at 8 µm the default leaves out the same number of tiles of real sections, within 1 % of all."""

MOSTLY_GLASS = 0.25
"""Share of tissue below which a tile is a piece of glass beside its neighbours."""


@dataclass(frozen=True)
class TissueTiles:
    """Tiles of a slide, and which of those that touch tissue were left out.

    Attributes
    ----------
    tiles
        Those that are kept.
    shares
        (N,) share of each of them that is tissue, 0 to 1; NaN where it could not be read.
    glass
        Corners of those that were left out, (M, 2), level-0 px.
    """

    tiles: TileTable
    shares: Float32
    glass: Coords


def tissue_shares(
    slide: Slide, tiles: TileTable, white: tuple[int, int, int], *, with_ink: bool = False
) -> Float32:
    """Return the share of every tile that is tissue, (N,), 0 to 1.

    Tissue is what absorbs more light than glass (`stain.stained`) and is no ink, pigment or dirt
    (`stain.ink`). Of fat only the walls count: a tile has .1 to .5 of them. Tiles are read one by
    one, so memory does not grow with the slide.

    Parameters
    ----------
    white
        RGB of the empty glass.
    with_ink
        Whether colours that are not of hematoxylin and eosin count as tissue too.

    Returns
    -------
    float32 (N,)
        NaN for a tile that cannot be decoded: what becomes of it is decided where it is encoded.
    """
    red, green, blue = map(float, white)
    model = StainModel(white=(red, green, blue))
    out_px = max(1, round(tiles.spec.tile_um / SHARE_MPP))

    def share(x: int, y: int) -> float:
        try:
            rgb = read_tile(slide, x, y, tiles.side_px, out_px, Resampling.BOX)
        except SlideError:
            return float("nan")
        return _tissue_share(rgb, model, with_ink)

    corners = track(tiles.coords.tolist(), len(tiles.coords), "tiles looked at")
    return np.array([share(x, y) for x, y in corners], np.float32)


def _tissue_share(rgb: UInt8, model: StainModel, with_ink: bool) -> float:
    tissue = stained(rgb, model)
    return float((tissue if with_ink else tissue & ~ink(rgb, model)).mean())


def leave_out_glass(
    tiles: TileTable, shares: Float32, least: float, least_at_rim: float = 0
) -> TissueTiles:
    """Leave out tiles with less than a share of tissue, and note those of the rim.

    Parameters
    ----------
    tiles
        All that touch tissue.
    shares
        (N,) share of each that is tissue; one that is not known (NaN) is kept.
    least
        Share that is needed; 0 keeps all tiles, as HETMAP does.
    least_at_rim
        See `at_rim`; 0: none is.
    """
    is_glass = shares < least
    n_glass = int(is_glass.sum())
    outcome = tiles.outcome
    if n_glass and is_glass.all():
        outcome = Outcome(
            Status.NO_TILES,
            f"each of {n_glass} tiles that touch tissue is less than {least:.0%} tissue "
            "(tiles.min_tissue_share)",
        )
    kept = replace(
        tiles.only(np.flatnonzero(~is_glass)),
        attributes={**tiles.attributes, N_GLASS: n_glass},
        outcome=outcome,
        at_rim=at_rim(tiles, shares, least_at_rim)[~is_glass],
    )
    return TissueTiles(kept, shares[~is_glass], tiles.coords[is_glass])


def at_rim(tiles: TileTable, shares: Float32, least: float) -> Bools:
    """Return which tiles (N,) are partly glass, and have glass at a side.

    Glass in holes, such as those of fat, lies within the tissue; here it lies beside a tile: no
    tile touches tissue there, or it is mostly glass, whether or not such tiles are kept.

    Parameters
    ----------
    tiles
        All that touch tissue.
    shares
        (N,) share of each that is tissue; one that is not known (NaN) counts as tissue.
    least
        Share below which a tile is partly glass.
    """
    is_tissue = ~(shares < MOSTLY_GLASS)
    inside = surrounded(tiles.coords, is_tissue, tiles.pitch_px, tiles.side_px)
    return np.asarray((shares < least) & ~inside, np.bool_)
