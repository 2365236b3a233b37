"""What the atlas paints over a slide: layers of its tiles, of kinds or of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from histohet.agreement.truth import Truth, subclone_of_tiles
from histohet.atlas.data import packed_codes, packed_numbers
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, Labels
from histohet.common.arrays import Float32, Floats, Ints
from histohet.drawing.palette import NEUTRAL, cluster_colour
from histohet.drawing.panels import colour_limits
from histohet.measures.traits import TraitMap, combination_name
from histohet.tiles.file import TileTable
from histohet.tiles.lattice import Coords
from histohet.tiles.neighbours import nearest
from histohet.traits.figures import combination_codes, combination_colour, combination_words

UNKNOWN = -1
"""Code of a tile of which a layer knows nothing."""

SHARE = (0.0, 1.0)


@dataclass(frozen=True)
class Lattice:
    """The tiles of a slide that the atlas shows.

    Attributes
    ----------
    coords
        int64 (N, 2) corners, level-0 px.
    rows
        int64 (N,), their rows of the tile file, by which columns of it are read.
    side_px, pitch_px
        Side of a tile, and distance to the next, level-0 px.
    """

    coords: Coords
    rows: Ints
    side_px: float
    pitch_px: float

    @property
    def is_whole(self) -> bool:
        """Whether these are all tiles of the tile file, in their order."""
        return np.array_equal(self.rows, np.arange(len(self.rows)))

    @property
    def cell_px(self) -> float:
        """Side of the square, in the middle of a tile, that stands for it where tiles overlap."""
        return min(self.side_px, self.pitch_px)


@dataclass(frozen=True)
class Kind:
    """One value of a layer: what it is called, and its colour, ``#RRGGBB``."""

    label: str
    colour: str


@dataclass(frozen=True)
class Kinds:
    """A layer of which every tile is of one kind.

    Attributes
    ----------
    name, title
        For the address, and for people.
    codes
        int64 (N,), rows of `kinds`; `UNKNOWN` where nothing is known.
    kinds
        What there is.
    """

    name: str
    title: str
    codes: Ints
    kinds: tuple[Kind, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the layer as the page takes it, each kind with its number of tiles."""
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(self.kinds)).tolist()
        kinds = [
            {"label": kind.label, "colour": kind.colour, "n": n}
            for kind, n in zip(self.kinds, sizes, strict=True)
        ]
        about = {"name": self.name, "title": self.title, "kinds": kinds}
        return {**about, **packed_codes(self.codes)}


@dataclass(frozen=True)
class Numbers:
    """A layer with a number for every tile: (N,), NaN where nothing is known.

    `limits` are the values of the first and the last colour.
    """

    name: str
    title: str
    values: Floats
    limits: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the layer as the page takes it."""
        low, high = self.limits
        about = {"name": self.name, "title": self.title, "low": low, "high": high}
        return {**about, **packed_numbers(self.values)}


Layer = Kinds | Numbers


def lattice_of(tiles: TileTable, rows: Ints | None = None) -> Lattice:
    """Return the tiles to show.

    Parameters
    ----------
    tiles
        Those of the tile file, or those of a pool that are clustered: the others have no place.
    rows
        int64 (N,), rows of the tile file that these are; None: all, in their order.
    """
    rows = np.arange(len(tiles.coords)) if rows is None else rows
    if not len(tiles.coords):
        return Lattice(tiles.coords, rows, 1.0, 1.0)
    return Lattice(tiles.coords, rows, tiles.side_px, tiles.pitch_px)


def cluster_layers(lattice: Lattice, clustered: ClusteredTiles) -> Iterator[Layer]:
    """Yield the clusters at every stage, and how stable they are."""
    found = clustered.clustering
    if not len(clustered.tile_index):
        return
    smoothed = found.certainty.energy is not None
    place = np.searchsorted(lattice.rows, clustered.tile_index)
    stages = (
        ("labels", "Clusters", found.labels),
        ("raw", "Before smoothing" if smoothed else "Before the result", found.raw),
        ("start", "First k-means", found.start),
    )
    for name, title, labels in stages:
        codes, kinds = _kinds_of(labels)
        yield Kinds(name, title, _spread(codes, place, len(lattice.rows)), kinds)
    if found.certainty.stability_ari is not None:
        stability = np.full(len(lattice.rows), np.nan)
        stability[place] = found.agreement
        yield Numbers("stability", "Stability (share of restarts that agree)", stability, SHARE)


def _kinds_of(labels: Labels) -> tuple[Ints, tuple[Kind, ...]]:
    """Return codes and kinds of labels; outliers come last."""
    n = int(labels.max(initial=OUTLIER)) + 1
    kinds = [Kind(str(number + 1), cluster_colour(number)) for number in range(n)]
    if (labels == OUTLIER).any():
        kinds.append(Kind("outliers", cluster_colour(OUTLIER)))
    return np.where(labels == OUTLIER, n, labels).astype(np.int64), tuple(kinds)


def _spread(codes: Ints, place: Ints, n: int) -> Ints:
    """Return codes of `n` tiles, of which those at `place` have one."""
    found = np.full(n, UNKNOWN, np.int64)
    found[place] = codes
    return found


def column_layers(lattice: Lattice, coverage: Float32, tumour: Float32 | None) -> Iterator[Layer]:
    """Yield what is known of every tile of the tile file: epithelium, tumour score.

    Parameters
    ----------
    coverage, tumour
        One value per tile of the tile file; empty, or None, where there is nothing.
    """
    if len(coverage):
        values = coverage[lattice.rows].astype(np.float64)
        yield Numbers("coverage", "Epithelium (share of the tile)", values, SHARE)
    if tumour is not None and len(tumour):
        scores = tumour[lattice.rows].astype(np.float64)
        known = scores[np.isfinite(scores)]
        limits = colour_limits(known) if len(known) else SHARE
        yield Numbers("attention", "Tumour score (attention)", scores, limits)


def truth_layer(lattice: Lattice, truth: Truth) -> Iterator[Layer]:
    """Yield the known subclones of tiles."""
    subclones = subclone_of_tiles(truth, lattice.coords, lattice.side_px)
    present = np.unique(subclones[subclones > 0]).tolist()
    kinds = [Kind("no tumour", NEUTRAL)]
    kinds += [Kind(f"subclone {number}", cluster_colour(number - 1)) for number in present]
    codes = np.where(subclones > 0, np.searchsorted(present, subclones) + 1, 0).astype(np.int64)
    yield Kinds("truth", "Planted truth", codes, tuple(kinds))


def trait_layers(
    lattice: Lattice, found: TraitMap, combinations: Sequence[Sequence[str]]
) -> Iterator[Layer]:
    """Yield combinations of traits, and the probability of each trait if models say it.

    Maps of the sheet have tiles of their own: a tile has the traits of the nearest of them, if that
    is less than half a tile away.

    Parameters
    ----------
    combinations
        Those that are looked at together; all traits of maps that lack one of them.
    """
    if not len(found.coords) or not len(lattice.coords):
        return
    near = nearest(found.coords, lattice.coords, 1)[:, 0]
    distance = np.abs(found.coords[near] - lattice.coords).max(axis=1)
    known = distance < lattice.side_px / 2
    if not all(set(one) <= set(found.names) for one in combinations):
        combinations = ()
    for names in combinations or [found.names]:
        columns = [found.names.index(name) for name in names]
        own = combination_codes(found.votes[:, columns])
        present = np.unique(own).tolist()
        kinds = tuple(
            Kind(combination_words(code, names), _hex(combination_colour(code, len(names))))
            for code in present
        )
        codes = np.where(known, np.searchsorted(present, own[near]), UNKNOWN)
        name = f"traits_{combination_name(names)}"
        yield Kinds(name, f"Traits {', '.join(names)}", codes.astype(np.int64), kinds)
    if found.logits is None:
        return
    probabilities = expit(found.logits.astype(np.float64))
    for column, trait in enumerate(found.names):
        values = np.where(known, probabilities[near, column], np.nan)
        yield Numbers(f"trait_{trait}", f"Probability of {trait}", values, SHARE)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)
