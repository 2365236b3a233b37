"""Tiles of finished features: where on the slide they lie, and whether they can be used.

Every tool lays tiles in its own way. TRIDENT: one lattice from the corner of the slide. STAMP: the
same, in squares of several tiles, with positions in µm. CLAM: one lattice per piece of tissue, each
from the corner of the piece, so that tiles of two pieces may overlap where these come close, and
one tile may stand twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from histohet.common.arrays import Ints
from histohet.common.outcome import OK, Outcome, Status
from histohet.features.imported.layouts import (
    FeatureFileError,
    FeatureSource,
    TileFacts,
    TilePositions,
)
from histohet.slides.scale import AGREEMENT_TOLERANCE
from histohet.tiles.file import TileTable, nominal_magnification, tile_attributes
from histohet.tiles.lattice import LARGEST_PX, Coords, outside
from histohet.tiles.settings import TileSpec

SUPERTILE_PX = 1024
"""STAMP reads squares of as many whole tiles as fit into so many level-0 px (its ``extract_``)."""

MAX_SHIFT_PX, MAX_DRIFT = 1.0, 1.5e-4
"""STAMP positions may miss STAMP's own grid by a pixel and this share of their coordinate: it takes
the scale of the x axis, we the mean of both. More is another mpp."""

MAX_OVERLAPPING = 0.1
"""CLAM's lattices, one per contour, may overlap at their borders: at most this share of tiles."""

ENOUGH_STEPS = 20
"""So many steps from tile to tile of a row or column tell the pitch, however scattered they are."""


@dataclass(frozen=True)
class PlacedTiles:
    """Tiles of a feature file in our order: row by row, each position once.

    Attributes
    ----------
    coords
        int64 (M, 2), level-0 px.
    source_row
        int64 (M,), row of the feature file.
    side_px, pitch_px
        Side and distance of neighbours, level-0 px.
    tile_px
        Side as the encoder saw it.
    size
        (width, height) of level 0, if anything says it.
    repeats
        int64 (K, 2), rows of the feature file whose position stands in an earlier row, and that
        row; see `rows.check_repeats`.
    notes
        What is unusual but no reason to refuse the slide.
    """

    coords: Coords
    source_row: Ints
    side_px: float
    pitch_px: float
    tile_px: int
    size: tuple[int, int] | None
    repeats: Ints
    notes: tuple[str, ...] = ()


def place_tiles(
    source: FeatureSource,
    mpp: float,
    *,
    tiles: TilePositions | None = None,
    side_px: float | None = None,
    size: tuple[int, int] | None = None,
) -> PlacedTiles:
    """Turn the positions of a feature file into tiles on the slide.

    Parameters
    ----------
    mpp
        Micrometres per level-0 px.
    tiles
        The matching ``patches`` file, where the feature file has lost the tile size.
    side_px
        Side of a tile in level-0 px, as the slide sheet says.
    size
        (width, height) of level 0, if the slide is there.

    Raises
    ------
    FeatureFileError
        If the tile size is unknown or contradicted, positions do not fit the tile size, each other
        or the slide, or `mpp` is not the one that the positions were made with.
    """
    path = source.path
    if tiles is not None:
        _check_same_tiles(source, tiles)
    sizes = [facts.size for facts in _all_facts(source, tiles) if facts.size is not None]
    for other in sizes:
        if size is not None and other != size:
            raise FeatureFileError(
                f"{path} was made from a slide of {other[0]} × {other[1]} px, this one has "
                f"{size[0]} × {size[1]}: another slide, or another level"
            )
        size = other
    _check_magnification(source, tiles, mpp)
    sides = {
        "feature file": source.facts.side_px,
        "tiles file": None if tiles is None else tiles.facts.side_px,
        "sheet": side_px,
    }
    if source.facts.side_um is not None:
        coords, sides["feature file"] = _stamp_positions(source, mpp)
    else:
        coords = np.rint(source.positions).astype(np.int64)
        if (coords != source.positions).any():
            raise FeatureFileError(
                f"{path}: coords are not whole numbers, so they are not level-0 pixels"
            )
    side = _agreed_side(path, {name: value for name, value in sides.items() if value is not None})
    if problem := outside(coords, size):
        raise FeatureFileError(f"{path}: {problem}")
    # Row by row; of equal positions the one that comes first in the file.
    order = np.lexsort((np.arange(len(coords)), coords[:, 0], coords[:, 1]))
    fresh = np.ones(len(coords), np.bool_)
    fresh[1:] = (coords[order][1:] != coords[order][:-1]).any(axis=1)
    firsts = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    repeats = np.stack([order[~fresh], order[firsts[~fresh]]], axis=1).astype(np.int64)
    order = order[fresh]
    notes = []
    if not fresh.all():
        notes.append(f"{(~fresh).sum()} of {len(coords)} tiles stand twice in {path}: taken once")
    coords = coords[order]
    pitch = _pitch(path, coords, side, _declared_overlap(source, tiles))
    overlapping = _overlapping(coords, pitch)
    if overlapping > MAX_OVERLAPPING * len(coords):
        raise FeatureFileError(
            f"{path}: {overlapping} of {len(coords)} tiles overlap others irregularly: the tiles "
            f"are not on lattices with a pitch of {pitch:g} px; tile the slide again"
        )
    if overlapping:
        notes.append(f"{overlapping} of {len(coords)} tiles overlap tiles of another lattice")
    tile_px = source.facts.tile_px or (tiles.facts.tile_px if tiles else None) or round(side)
    rows = order.astype(np.int64)
    return PlacedTiles(coords, rows, side, pitch, tile_px, size, repeats, tuple(notes))


def check_tile_size(
    path: str, tiles: PlacedTiles, mpp: float, spec: TileSpec, tolerance: float
) -> None:
    """Check that tiles are as large and as far apart as the configuration wants them.

    Parameters
    ----------
    tolerance
        How far size and distance may be off, as a fraction: tools that cut tiles by magnification
        vary that much from slide to slide.

    Raises
    ------
    FeatureFileError
        If they are not; both are named.
    """
    if not len(tiles.coords):
        return
    found = (tiles.side_px * mpp, tiles.pitch_px * mpp)
    wanted = (spec.tile_um, spec.step_um)
    if any(abs(f / w - 1) > tolerance for f, w in zip(found, wanted, strict=True)):
        raise FeatureFileError(
            f"{path}: tiles are {found[0]:.4g} µm wide and {found[1]:.4g} µm apart, the "
            f"configuration wants {wanted[0]:.4g} and {wanted[1]:.4g} (tiles.tile_um, "
            f"tiles.overlap_um; scale.tolerance {tolerance:.0%})"
        )


def _all_facts(source: FeatureSource, tiles: TilePositions | None) -> list[TileFacts]:
    return [source.facts] if tiles is None else [source.facts, tiles.facts]


def _check_same_tiles(source: FeatureSource, tiles: TilePositions) -> None:
    if source.facts.side_um is not None:
        raise FeatureFileError(
            f"{source.path} is a STAMP file and says itself how large its tiles are: "
            "leave the column `tiles` empty"
        )
    if len(tiles.positions) != len(source.positions):
        raise FeatureFileError(
            f"{source.path} has {len(source.positions)} tiles, {tiles.path} has "
            f"{len(tiles.positions)}: they are not from the same run"
        )
    if (tiles.positions != source.positions).any():
        row = int(np.flatnonzero((tiles.positions != source.positions).any(axis=1))[0])
        raise FeatureFileError(
            f"{source.path} and {tiles.path} differ from tile {row} on: not from the same run"
        )


def _check_magnification(source: FeatureSource, tiles: TilePositions | None, mpp: float) -> None:
    """TRIDENT's magnification is a bucket of the mpp it saw; it must be a bucket of ours."""
    margins = (1 - AGREEMENT_TOLERANCE, 1, 1 + AGREEMENT_TOLERANCE)
    possible = {nominal_magnification(mpp * margin) for margin in margins}
    for facts in _all_facts(source, tiles):
        if facts.magnification and round(facts.magnification) not in possible:
            raise FeatureFileError(
                f"{source.path}: level 0 is {facts.magnification:g}x for the tool that made it, "
                f"which contradicts {mpp:g} µm per pixel"
            )


def _agreed_side(path: str, sides: Mapping[str, float]) -> float:
    if not sides:
        raise FeatureFileError(
            f"{path} does not say how large its tiles are (CLAM's feature files do not): give "
            "CLAM's patches/<slide>.h5 in the column `tiles`, or their side in `tile_px_level0`"
        )
    if max(sides.values()) - min(sides.values()) >= 1:
        each = ", ".join(f"{side:g} px in the {name}" for name, side in sides.items())
        raise FeatureFileError(f"{path}: the side of a tile is {each}")
    return next(iter(sides.values()))


def _declared_overlap(source: FeatureSource, tiles: TilePositions | None) -> float | None:
    overlaps = [f.overlap for f in _all_facts(source, tiles) if f.overlap is not None]
    if source.facts.side_um is not None:
        return 0.0
    return overlaps[0] if overlaps else None


def _stamp_positions(source: FeatureSource, mpp: float) -> tuple[Coords, float]:
    """Return the pixels that STAMP read, and the side of its tiles in level-0 px.

    STAMP cuts squares of L × L tiles out of level 0; a tile covers ceil(tile_um / mpp) px of it.
    It writes the corner of the square as pixels × mpp, and adds *tile_um* for every further tile,
    not the whole pixels it read (tiling.py of STAMP 2): so a position is rounded to its node of
    that grid, and how far it is from there tells whether `mpp` can be the one STAMP knew. (Not
    always that it is: the rounding up is all that shows, so twice the mpp may fit as well.)
    """
    side_um = source.facts.side_um or 0.0
    px, exact = source.positions / mpp, side_um / mpp
    if not 1 <= exact < LARGEST_PX:
        raise FeatureFileError(f"{source.path}: tiles of {side_um:g} µm are less than a pixel")
    # Our mpp may differ in the last digit from the one that STAMP rounded with.
    nearly = (1 - 1e-4, 1 + 1e-4)
    sides = {math.ceil(exact * factor) for factor in nearly}
    lengths = {max(1, int(SUPERTILE_PX * factor // exact)) for factor in nearly}
    allowed = MAX_SHIFT_PX + MAX_DRIFT * px
    excess, shift, coords, side = math.inf, 0.0, np.empty((0, 2), np.int64), 0
    for a_side, length in sorted(product(sides, lengths)):
        square = np.floor((px + exact / 2) / (length * a_side))
        tile = np.clip(np.rint((px - square * length * a_side) / exact), 0, length - 1)
        missed = np.abs(px - square * length * a_side - tile * exact)
        if (missed - allowed).max(initial=-1.0) < excess:
            excess, shift = (missed - allowed).max(initial=-1.0), missed.max(initial=0.0)
            side = a_side
            coords = ((square * length + tile) * a_side).astype(np.int64)
    if excess > 0:
        raise FeatureFileError(
            f"{source.path}: with {mpp:g} µm per pixel, positions miss STAMP's grid of tiles by up "
            f"to {shift:.3g} px: give the mpp that STAMP was run with"
        )
    return coords, float(side)


def _pitch(path: str, coords: Coords, side: float, overlap: float | None) -> float:
    """Return the distance of neighbouring tiles: as declared, else as found; both must agree."""
    declared = side * (1 - (overlap or 0.0))
    steps = _steps(coords)
    if not len(steps):
        return declared
    values, counts = np.unique(steps, return_counts=True)
    found = int(values[np.argmax(counts)])
    # Corners are rounded one by one. Tiles that lie scattered are several pitches apart, but not
    # all of them by multiples of one and the same number of pitches.
    times = np.rint(steps / declared).astype(np.int64)
    on_lattice = np.abs(steps - times * declared) <= 1
    scattered = len(steps) < ENOUGH_STEPS or np.gcd.reduce(times[on_lattice & (times > 0)]) == 1
    if scattered and abs(found - max(1, round(found / declared)) * declared) <= 1:
        return declared
    if overlap is None and found < side:
        return float(found)
    raise FeatureFileError(
        f"{path}: tiles lie {found} px apart, {declared:g} are expected of tiles of {side:g} px: "
        "positions and tile size are not of the same level"
    )


def _steps(coords: Coords) -> Ints:
    """Return the distances between consecutive tiles of every row and every column."""
    steps = []
    for along, across in ((0, 1), (1, 0)):
        lines = coords[np.lexsort((coords[:, along], coords[:, across]))]
        step = np.diff(lines, axis=0)
        steps.append(step[step[:, across] == 0, along])
    return np.concatenate(steps)


def _overlapping(coords: Coords, pitch: float) -> int:
    """Count the tiles that are nearer to another than the pitch (less a pixel for rounding)."""
    if len(coords) < 2:
        return 0
    near = cKDTree(coords).query(coords, 2, p=np.inf)[0][:, 1]
    return int((near < pitch - 1).sum())


def imported_tile_table(
    slide: str, source: FeatureSource, tiles: PlacedTiles, mpp: float, folder: str
) -> TileTable:
    """Return placed tiles as our tile file holds them.

    Without a known size of the slide, its tiles say how far it reaches at least.
    """
    size = tiles.size
    spec = TileSpec(
        tile_um=round(tiles.side_px * mpp, 6),
        tile_px=tiles.tile_px,
        overlap_um=round(max(0.0, tiles.side_px - tiles.pitch_px) * mpp, 6),
    )
    if size is None:
        reach = np.ceil(tiles.coords.max(axis=0, initial=0) + tiles.side_px).astype(int)
        size = (int(reach[0]), int(reach[1]))
    attributes = tile_attributes(slide, spec, mpp, size, folder)
    attributes["tiles_from"] = f"features of {source.layout}"
    if not len(tiles.coords):
        outcome = Outcome(Status.NO_TILES, f"{source.path} holds no tile")
        return TileTable(tiles.coords, {"name": slide}, outcome)
    return TileTable(tiles.coords, attributes, OK)
