"""One slide, or the pooled slides of a patient, as the atlas shows it: a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histohet.agreement.truth import read_truth
from histohet.atlas.data import call_text, packed_codes
from histohet.atlas.exemplars import Exemplar, typical_tiles, write_exemplars
from histohet.atlas.layers import (
    Lattice,
    Layer,
    cluster_layers,
    column_layers,
    lattice_of,
    trait_layers,
    truth_layer,
)
from histohet.clustering.file import ClusteredTiles, read_clusters
from histohet.common.arrays import Ints
from histohet.common.outcome import Outcome, SlideLost
from histohet.features.file import open_features
from histohet.measures.traits import maps_of
from histohet.slides.record import SlideRecord, read_record
from histohet.tiles.file import TileTable, read_column, read_tiles

DATA = "slide.js"
PICTURE = "picture.webp"

PICTURE_QUALITY = 70

FINEST = 2**16 - 2
"""Positions are told in so many steps over the slide: of 1 px, or 2 of a slide of 120,000 px."""


@dataclass(frozen=True)
class SlideFiles:
    """Files that a page is made from; None where there is none.

    Of pooled slides there are no `tiles`, `record`, `slide`, `features`, `truth` and `traits`.
    """

    clusters: str
    coverage: str
    tiles: str | None = None
    record: str | None = None
    slide: str | None = None
    features: str | None = None
    tumour: str | None = None
    truth: str | None = None
    traits: str | None = None


@dataclass(frozen=True)
class SlidePage:
    """What the page shows of a slide.

    Attributes
    ----------
    slide
        Its id, or that of the patient whose slides are pooled.
    outcome
        How far it came.
    size_px, mpp
        Width and height of level 0, and its µm per pixel; None of slides that were never opened.
    lattice, layers
        Its tiles, and what is painted over them.
    exemplars
        Typical tiles of clusters, by row of the tile file, and their files in the folder.
    notes
        What is missing, and why.
    """

    slide: str
    outcome: Outcome
    size_px: tuple[int, int] | None
    mpp: float | None
    lattice: Lattice
    layers: Sequence[Layer]
    exemplars: Sequence[tuple[Exemplar, str]] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def as_dict(self, picture: str, scans: Mapping[str, str]) -> dict[str, Any]:
        """Return what the page takes; pictures are named as the folder sees them."""
        unit_px, columns = position_codes(self.lattice.coords)
        x, y = (packed_codes(column) for column in columns)
        return {
            "slide": self.slide,
            "status": str(self.outcome.status),
            "reason": self.outcome.reason,
            "picture": picture,
            "size_px": self.size_px,
            "mpp": self.mpp,
            "n_tiles": len(self.lattice.coords),
            "side_px": self.lattice.side_px,
            "cell_px": self.lattice.cell_px,
            "unit_px": unit_px,
            "x": x,
            "y": y,
            # Of slides all tiles are shown, in their order: only of pools they need a number.
            "rows": None if self.lattice.is_whole else self.lattice.rows.tolist(),
            "layers": [layer.as_dict() for layer in self.layers],
            "exemplars": [
                {"cluster": one.cluster, "tile": one.row, "file": file}
                for one, file in self.exemplars
            ],
            "scans": [{"scan": scan, "file": file} for scan, file in scans.items()],
            "notes": list(self.notes),
        }


def position_codes(coords: Ints) -> tuple[int, tuple[Ints, Ints]]:
    """Return corners (N, 2) as whole numbers of a unit, of which at most `FINEST` span a slide.

    Returns
    -------
    unit, (x, y)
        Level-0 px per unit, and int64 (N,) each.
    """
    unit = max(1, -(-int(coords.max(initial=0)) // FINEST))
    codes = np.rint(coords / unit).astype(np.int64)
    return unit, (codes[:, 0], codes[:, 1])


def write_page(
    folder: Path, place: str, page: SlidePage, picture: str, scans: Mapping[str, str] | None = None
) -> None:
    """Write the data of a slide into its folder.

    Parameters
    ----------
    place
        Where the page finds the folder, below ``slides``: what the data are called.
    picture
        As the folder names it.
    scans
        Pictures of the CT scans of the patient, by scan, as the folder names them.
    """
    text = call_text(f"slide {place}", page.as_dict(picture, scans or {}))
    (folder / DATA).write_text(text, encoding="ascii")


def copy_picture(picture: str | Path, folder: Path, name: str = PICTURE) -> str:
    """Write a picture into a folder, without what it says of where it is from; its name there."""
    with Image.open(picture) as image:
        image.convert("RGB").save(folder / name, quality=PICTURE_QUALITY)
    return name


def make_page(
    slide: str, files: SlideFiles, combinations: Sequence[Sequence[str]], exemplars: int, to: Path
) -> SlidePage:
    """Read what there is of a slide, and write typical tiles of its clusters into a folder.

    Parameters
    ----------
    slide
        Its id.
    files
        Where everything is.
    combinations
        Traits that are looked at together.
    exemplars
        Typical tiles wanted of each cluster.
    to
        The folder.
    """
    clustered = read_clusters(files.clusters)
    record = read_record(files.record) if files.record else None
    tiles = read_tiles(files.tiles) if files.tiles else clustered.tiles
    lattice = lattice_of(tiles, None if files.tiles else clustered.tile_index)
    notes: list[str] = []
    coverage, _ = read_column(files.coverage, "coverage")
    tumour = read_column(files.tumour, "tumour_score")[0] if files.tumour else None
    layers = [
        *cluster_layers(lattice, clustered),
        *column_layers(lattice, coverage, tumour),
        *_layers_of_files(files, lattice, combinations, notes),
    ]
    shown = _write_exemplars(files, record, clustered, exemplars, to, notes) if exemplars else []
    size, mpp = _scale(tiles, record)
    return SlidePage(slide, clustered.outcome, size, mpp, lattice, layers, shown, notes)


def _scale(
    tiles: TileTable, record: SlideRecord | None
) -> tuple[tuple[int, int] | None, float | None]:
    """Return the size of level 0 and its scale, by the tiles or, without any, by preflight."""
    about = tiles.attributes
    if "level0_width" in about:
        return (int(about["level0_width"]), int(about["level0_height"])), tiles.mpp
    return (None, None) if record is None else (record.known_size, record.mpp)


def _layers_of_files(
    files: SlideFiles, lattice: Lattice, combinations: Sequence[Sequence[str]], notes: list[str]
) -> Iterator[Layer]:
    """Yield truth and traits; why there are none goes to the notes."""
    if files.truth:
        try:
            yield from truth_layer(lattice, read_truth(files.truth))
        except ValueError as error:
            notes.append(f"no truth: {error}")
    if files.traits:
        try:
            yield from trait_layers(lattice, maps_of(files.traits), combinations)
        except SlideLost as lost:
            notes.append(f"no trait maps: {lost}")


def _write_exemplars(
    files: SlideFiles,
    record: SlideRecord | None,
    clustered: ClusteredTiles,
    wanted: int,
    to: Path,
    notes: list[str],
) -> list[tuple[Exemplar, str]]:
    """Write typical tiles; those that there are, by row of the tile file, and their files."""
    if not len(clustered.tile_index):
        return []
    if not files.slide or not files.features or record is None:
        notes.append("no typical tiles: slides are pooled, or bring features without pixels")
        return []
    with open_features(files.features) as table:
        rows = np.searchsorted(table.tile_index, clustered.tile_index)
        chosen = typical_tiles(table.features.only(rows), clustered.clustering.labels, wanted)
    tiles, found = clustered.tiles, []
    for one, name, problem in write_exemplars(
        to, files.slide, record.region, tiles.coords, tiles.side_px, chosen
    ):
        if name is None:
            notes.append(f"no typical tile: {problem}")
        else:
            found.append((Exemplar(one.cluster, int(clustered.tile_index[one.row])), name))
    return found
