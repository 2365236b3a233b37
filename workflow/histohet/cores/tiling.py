"""Tiles that fit a core: so large that a core has enough of them to be clustered."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

from histohet.tiles.settings import TileSpec

SIDES_UM = (112.0, 56.0, 28.0)
"""Sides that are tried: HETMAP's, halved and halved again."""

ENOUGH = 200
"""Tiles that a whole core should have. With 190, 23 of 24 generated cores ended with one cluster,
whatever was planted (docs/demo.md): the number of clusters needs evidence."""

FEWEST = 20
"""Tiles of a core that gives a result, where half of a whole one has so many: the default of
`clustering.min_tiles`."""


class CoreSize(NamedTuple):
    """Cores of an array.

    Attributes
    ----------
    diameter_um
        Their diameter.
    mpp
        Micrometres per level-0 px of their slide.
    """

    diameter_um: float
    mpp: float


class Tiling(NamedTuple):
    """Tiles that fit a core.

    Attributes
    ----------
    tile_um, min_tiles
        For the keys of the same names.
    expected
        Tiles of a whole core.
    """

    tile_um: float
    min_tiles: int
    expected: int


def expected_tiles(diameter_um: float, tile_um: float) -> int:
    """Return how many tiles lie side by side on a disc, by their areas."""
    return int(pi / 4 * (diameter_um / tile_um) ** 2)


def fitting_tiles(cores: Sequence[CoreSize], tile_px: int, tolerance: float) -> Tiling:
    """Return tiles of which the smallest core has enough, as large as may be.

    Parameters
    ----------
    cores
        Of every array, at least one: a cohort has tiles of one size.
    tile_px, tolerance
        Of the configuration: tiles may not be so small that the coarsest slide lacks their pixels.
    """
    diameter_um = min(core.diameter_um for core in cores)
    finest_um = tile_px * max(core.mpp for core in cores) / (1 + tolerance)
    sides = [side for side in SIDES_UM if side >= finest_um] or list(SIDES_UM[:1])
    fits = [side for side in sides if expected_tiles(diameter_um, side) >= ENOUGH]
    tile_um = fits[0] if fits else sides[-1]
    expected = expected_tiles(diameter_um, tile_um)
    return Tiling(tile_um, max(1, min(FEWEST, expected // 2)), expected)


def settings_text(cores: Sequence[CoreSize], tile_px: int, tolerance: float, preset: str) -> str:
    """Return the keys of a configuration that fit the cores, as YAML that says why.

    Parameters
    ----------
    cores, tile_px, tolerance
        See `fitting_tiles`.
    preset
        Of `tissue`.
    """
    tiling = fitting_tiles(cores, tile_px, tolerance)
    smallest = min(core.diameter_um for core in cores)
    others = ", ".join(
        f"{expected_tiles(smallest, side)} of {side:g} µm"
        for side in SIDES_UM
        if side != tiling.tile_um
    )
    return f"""\
# What fits cores of {smallest:g} µm, the smallest of these arrays, and slides of up to \
{max(core.mpp for core in cores):.4g} µm per pixel.
# Merge it into config.yaml, or copy it and give the copy with --configfile (docs/cores.md).
tissue:
  preset: {preset}
tiles:
  # Such a core has some {tiling.expected} tiles; it would have {others}.
  tile_um: {tiling.tile_um:g}
clustering:
  # A core with fewer tiles gives no result.
  min_tiles: {tiling.min_tiles}
"""


def misfit(core: CoreSize, tiles: TileSpec, min_tiles: int, tolerance: float) -> str:
    """Say which settings a whole core needs, if by those in force it has too few tiles; else "".

    Parameters
    ----------
    tiles, min_tiles, tolerance
        Of the configuration, see `fitting_tiles`.
    """
    expected = expected_tiles(core.diameter_um, tiles.step_um)
    if expected >= min_tiles:
        return ""
    fits = fitting_tiles([core], tiles.tile_px, tolerance)
    smaller = f"tiles.tile_um to {fits.tile_um:g}, or " if fits.tile_um < tiles.tile_um else ""
    return (
        f"a whole core of {core.diameter_um:g} µm has some {expected} tiles of {tiles.tile_um:g} "
        f"µm: set {smaller}clustering.min_tiles to {max(1, expected // 2)}"
    )
