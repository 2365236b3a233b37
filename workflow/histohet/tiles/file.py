"""Files of tiles, and of one value per tile (coverage, tumour scores).

The tile file fixes the order of the tiles of a slide; later files hold a column of all of them in
that order, or of some of them with their row numbers, ``tile_index``. It has the layout of TRIDENT
0.3 (names of datasets, dtypes, attributes of ``coords``), so its readers and Patho-Bench open it;
chunks are larger than TRIDENT's one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from shapely import Polygon

from histohet.common.arrays import Bools, Float32, Ints
from histohet.common.hdf5 import CHUNK_ROWS, new_file, open_file, outcome_of
from histohet.common.outcome import OK, Outcome, SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.tiles.lattice import Coords, by_block, in_tissue, lattice
from histohet.tiles.settings import SINGLE, Block, TileSpec

# Magnification that TRIDENT gives to a scale: the first bound (µm per pixel) above it.
MAGNIFICATIONS = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5))

TISSUE_SHARE, GLASS = "tissue_share", "glass_coords"
"""Datasets of a tile file: tissue of each tile, corners of the tiles left out for too little."""

AT_RIM = "at_rim"
"""Dataset of a tile or feature file: which tiles are at the rim and partly glass."""

BLOCK, MARGIN = "block_side", "block_margin"
"""Attributes of ``coords``, see `settings.Block`; without them, each tile is encoded alone."""

N_GLASS = "n_glass_tiles"
"""Attribute of ``coords``: how many tiles were left out as glass."""

TileAttributes = Mapping[str, Any]


def nominal_magnification(mpp: float) -> int:
    """Return the magnification bucket TRIDENT assigns to a scale; 0 if it is coarser than 5x."""
    return next((power for bound, power in MAGNIFICATIONS if mpp < bound), 0)


def tile_attributes(
    slide: str, spec: TileSpec, mpp: float, size: tuple[int, int], folder: str
) -> dict[str, Any]:
    """Return the attributes of ``coords``: TRIDENT's own, then ours with the exact scale.

    Parameters
    ----------
    slide
        Slide id.
    mpp
        Micrometres per level-0 px.
    size
        (width, height) of level 0.
    folder
        Where the file is kept, as TRIDENT records it.
    """
    return {
        "patch_size": spec.tile_px,
        "patch_size_level0": round(spec.side_px(mpp)),
        "level0_magnification": nominal_magnification(mpp),
        "target_magnification": nominal_magnification(spec.mpp),
        "overlap": round(spec.overlap_um / spec.mpp),
        "name": slide,
        "savetodir": folder,
        "level0_width": size[0],
        "level0_height": size[1],
        "mpp": mpp,
        "tile_um": spec.tile_um,
        "overlap_um": spec.overlap_um,
        "side_level0_px": spec.side_px(mpp),
    }


@dataclass(frozen=True)
class TileTable:
    """Tiles of a slide.

    Attributes
    ----------
    coords
        int64 (N, 2) corners, level-0 px.
    attributes
        Those of ``coords``.
    outcome
        How far the slide came.
    at_rim
        (N,) bool, tiles at the rim that are partly glass; None where nobody looked, or where
        embeddings do not see the glass.
    """

    coords: Coords
    attributes: TileAttributes
    outcome: Outcome
    at_rim: Bools | None = None

    def only(self, rows: Ints) -> TileTable:
        """Return some of the tiles, by row numbers."""
        at_rim = None if self.at_rim is None else self.at_rim[rows]
        return replace(self, coords=self.coords[rows], at_rim=at_rim)

    @property
    def mpp(self) -> float:
        """Micrometres per level-0 px."""
        return float(self.attributes["mpp"])

    @property
    def side_px(self) -> float:
        """Exact side of a tile, level-0 px."""
        return float(self.attributes["side_level0_px"])

    @property
    def spec(self) -> TileSpec:
        """Size of the tiles."""
        return TileSpec(
            tile_um=float(self.attributes["tile_um"]),
            tile_px=int(self.attributes["patch_size"]),
            overlap_um=float(self.attributes["overlap_um"]),
        )

    @property
    def block(self) -> Block:
        """What is encoded at once."""
        return Block(int(self.attributes.get(BLOCK, 1)), int(self.attributes.get(MARGIN, 0)))

    @property
    def n_glass(self) -> int | None:
        """Tiles that were left out because they are mostly glass; None where nobody looked."""
        number = self.attributes.get(N_GLASS)
        return None if number is None else int(number)

    @property
    def pitch_px(self) -> float:
        """Exact distance between neighbouring tiles, level-0 px."""
        return self.spec.step_px(self.mpp)


def no_tiles(slide: str, outcome: Outcome, attributes: TileAttributes | None = None) -> TileTable:
    """Return the tiles of a slide that has none, and why."""
    return TileTable(np.empty((0, 2), np.int64), {"name": slide, **(attributes or {})}, outcome)


def lay_tiles(
    slide: str,
    spec: TileSpec,
    mpp: float,
    size: tuple[int, int],
    pieces: list[Polygon],
    folder: str,
    block: Block = SINGLE,
) -> TileTable:
    """Return the tiles of a lattice that lie on tissue.

    Parameters
    ----------
    slide, mpp, size, folder
        See `tile_attributes`.
    pieces
        Outlines of the tissue, level-0 px.
    block
        What is encoded at once; the tiles that it gives follow one another.
    """
    coords = by_block(lattice(*size, spec, mpp), spec.step_px(mpp), block.kept)
    coords = coords[in_tissue(coords, spec.side_px(mpp), pieces)]
    outcome = OK
    if len(coords) == 0:
        outcome = Outcome(Status.NO_TILES, f"no tile of {spec.tile_um:g} µm lies on tissue")
    attributes = tile_attributes(slide, spec, mpp, size, folder)
    attributes |= {BLOCK: block.side, MARGIN: block.margin}
    return TileTable(coords, attributes, outcome)


def write_coords(file: h5py.File, coords: Coords, attributes: TileAttributes) -> None:
    """Write the tiles that the rows of a new file stand for."""
    dataset = file.create_dataset(
        "coords",
        data=np.asarray(coords, np.int64).reshape(-1, 2),
        maxshape=(None, 2),
        chunks=(CHUNK_ROWS, 2),
    )
    dataset.attrs.update(attributes)


def tiles_of(file: h5py.File) -> TileTable:
    """Return the tiles that the rows of an open file stand for."""
    dataset = file["coords"]
    at_rim = file[AT_RIM][:] if AT_RIM in file else None
    return TileTable(dataset[:], dict(dataset.attrs), outcome_of(file), at_rim)


def write_tiles(
    path: str | Path,
    tiles: TileTable,
    provenance: Provenance,
    shares: Float32 | None = None,
    glass: Coords | None = None,
) -> None:
    """Write the tiles of a slide; an outcome other than ok gives a file without rows.

    Parameters
    ----------
    shares
        (N,) share of each tile that is tissue, if it was measured.
    glass
        int64 (M, 2), tiles that were left out because they are mostly glass.
    """
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords, tiles.attributes)
        if tiles.at_rim is not None:
            file.create_dataset(AT_RIM, data=tiles.at_rim)
        if shares is not None:
            file.create_dataset(TISSUE_SHARE, data=np.asarray(shares, np.float32))
        if glass is not None:
            file.create_dataset(GLASS, data=np.asarray(glass, np.int64).reshape(-1, 2))


def read_tiles(path: str | Path) -> TileTable:
    """Read the tiles of a slide."""
    with open_file(path) as file:
        return tiles_of(file)


def read_glass(path: str | Path) -> Coords:
    """Read the corners of the tiles that were left out as glass, (M, 2); of imported tiles none."""
    with open_file(path) as file:
        return file[GLASS][:] if GLASS in file else np.empty((0, 2), np.int64)


def write_column(
    path: str | Path,
    name: str,
    values: Float32,
    outcome: Outcome,
    provenance: Provenance,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write one float32 value per tile, in the order of the tile file, and what is `about` them."""
    with new_file(path, outcome, provenance) as file:
        column = file.create_dataset(name, data=np.asarray(values, np.float32))
        column.attrs.update(about or {})


def covered_tiles(path: str | Path, least: float) -> Ints:
    """Return the rows of the tiles with more than `least` epithelium, from a file of coverage.

    Raises
    ------
    SlideLost
        If there is none, or the slide has no mask.
    """
    coverage, outcome = read_column(path, "coverage")
    outcome.raise_if_lost()
    rows = np.flatnonzero(coverage > least)
    if len(rows) == 0:
        raise SlideLost(f"no tile is more than {least:.0%} epithelium", Status.NO_EPITHELIUM)
    return rows


def read_column(path: str | Path, name: str) -> tuple[Float32, Outcome]:
    """Read what `write_column` wrote."""
    with open_file(path) as file:
        return file[name][:], outcome_of(file)
