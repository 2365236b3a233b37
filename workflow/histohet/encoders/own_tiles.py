"""Tiles of a network that has a scale and a lattice of its own, whatever section `tiles` says."""

from __future__ import annotations

from pathlib import Path

from histohet.common.outcome import Outcome, Status
from histohet.slides.record import SlideRecord
from histohet.tiles.file import TileTable, lay_tiles, no_tiles, tile_attributes
from histohet.tiles.settings import TileSpec
from histohet.tissue.file import read_tissue


def own_tiles(
    network: str,
    spec: TileSpec,
    record: SlideRecord,
    tissue: str | Path,
    tolerance: float,
    folder: str,
) -> TileTable:
    """Return the tiles of a slide on tissue; none, and why, of a slide that is too coarse.

    Parameters
    ----------
    network
        What it is called in the reason.
    tissue
        File of the outlines.
    tolerance
        Share by which a pixel of the slide may be larger than one of the tiles.
    folder
        Where the file is kept, see `histohet.tiles.file.tile_attributes`.

    Raises
    ------
    SlideLost
        If the slide has no tissue.
    ValueError
        If its scale is not known.
    """
    pieces = read_tissue(tissue).pieces
    mpp = record.mpp
    if mpp is None:
        raise ValueError(f"slide '{record.slide}' has no known scale: {record.reason}")
    about = (record.slide, spec, mpp, record.size)
    if mpp > spec.mpp * (1 + tolerance):
        reason = f"{network} needs {spec.mpp:.3g} µm per pixel, the slide has {mpp:.4g}"
        refused = Outcome(Status.REFUSED, f"{reason}: too coarse")
        return no_tiles(record.slide, refused, tile_attributes(*about, folder))
    return lay_tiles(*about, pieces, folder)
