"""Collages: slides of real tiles in planted regions, so that the true number of clusters is known.

A *kind* is a tissue that anybody tells from the others of its pool with the naked eye, or that an
annotation does, and that is the same all over at the size of the tiles. The tiles of a pool come
from one laboratory and one stain:

- ``breast``: HER2ST, frozen sections of two patients, tiles of 112 µm. Muscle and carcinoma of C2;
  carcinoma, loose connective tissue and fat of B4. Outlined by eye on the slide.
- ``tcga``: one diagnostic slide, tiles of 56 µm. A fibrous band, carcinoma, comedo necrosis.
  Outlined by eye. Solid and trabecular carcinoma pass into each other and are not told apart.
- ``colon``: GlaS, tiles of 28 µm. Glands of three images (goblet cells; a red and a pale carcinoma)
  and stroma of three others (fibrous, oedematous, full of lymphocytes), by the annotated glands.

Gleason cores are not used: in tiles small enough for some hundred per core, glands, lumina and
stroma of one pattern are different tissues.

A collage takes kinds of one pool and a few places of each: tiles around a random one, turned or
mirrored as a whole, drawn together if they lie apart. The places are set down beside each other on
a lattice, and every tile goes to the free cell that makes the sum of squared ways least (an
assignment problem): neighbours come from neighbouring places, and the correlation of real tissue is
kept. No tile is used twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from PIL import Image
from scipy.optimize import linear_sum_assignment

from bench.real_tissue import Embedded
from histohet.common.arrays import Bools, Float32, Floats, Ints

PITCH_PX = 100
LEAST_TISSUE_SHARE = 0.5
# Places of a kind, the share of its tiles that they take together, and the most tiles of one.
PLACES = (2, 3)
SHARE_TAKEN = (0.75, 1.0)
MOST_TILES_OF_PLACE = 120
# Share of a tile within the annotated glands.
LEAST_OF_GLAND, MOST_OF_STROMA = 0.8, 0.1

Outline = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Outlined:
    """A kind of tissue within outlines.

    Attributes
    ----------
    section
        Of `real_tissue.REAL_SECTIONS`.
    outlines
        Polygons in level-0 px.
    least_tissue_share
        Tiles with less are glass with something at its edge; not so where tissue is as pale.
    """

    section: str
    outlines: tuple[Outline, ...]
    least_tissue_share: float = LEAST_TISSUE_SHARE

    def holds(self, tiles: Embedded, data: Path) -> Bools:
        """Tell which tiles are of this kind: those with their centre within an outline."""
        polygons = shapely.MultiPolygon([(outline, ()) for outline in self.outlines])
        return shapely.contains_xy(polygons, *(tiles.coords + tiles.pitch_px / 2).T)


@dataclass(frozen=True)
class Glands:
    """Glands of a GlaS image, or what is between them.

    Attributes
    ----------
    section
        Of `real_tissue.REAL_SECTIONS`, and the image's name.
    inside
        Whether the glands are meant.
    """

    section: str
    inside: bool
    least_tissue_share: float = LEAST_TISSUE_SHARE

    def holds(self, tiles: Embedded, data: Path) -> Bools:
        """Tell which tiles are of this kind, by the share of their pixels in glands."""
        glands = np.asarray(Image.open(data / f"epithelium/glas/{self.section}_anno.bmp")) > 0
        side = round(tiles.pitch_px)
        shares = [glands[y : y + side, x : x + side].mean() for x, y in tiles.coords.tolist()]
        shares = np.array(shares)
        return shares >= LEAST_OF_GLAND if self.inside else shares <= MOST_OF_STROMA


Kind = Outlined | Glands

MUSCLE_OF_C2: Outline = (
    *((1820, 6180), (2060, 6100), (2380, 5960), (2580, 5780), (3020, 5590), (3380, 5490)),
    *((3820, 5380), (4180, 5160), (4460, 4900), (4680, 4580), (4860, 4470), (5020, 4360)),
    *((5180, 4200), (5420, 4060), (5600, 4020), (5640, 4100), (5560, 4400), (5420, 4640)),
    *((5220, 4840), (5100, 5040), (5000, 5360), (4840, 5680), (4640, 5920), (4380, 6060)),
    *((3940, 6230), (3460, 6390), (3100, 6550), (2780, 6700), (2620, 6560), (2260, 6360)),
    (1980, 6300),
)
"""The band of muscle of section C2 with its clefts and nests, as seen on the slide."""

CARCINOMA_OF_C2: Outline = (
    *((6120, 5020), (6900, 4760), (7220, 5700), (7480, 6320), (7370, 6740), (6900, 7150)),
    *((6380, 7520), (6120, 6840), (6120, 5910)),
)
CARCINOMA_OF_B4: tuple[Outline, ...] = (
    (
        *((1280, 5760), (1880, 5760), (2060, 6090), (2180, 6630), (2300, 6990), (1460, 7020)),
        (1340, 6690),
    ),
    (
        *((1370, 7230), (2540, 7230), (3310, 7470), (3460, 7820), (3310, 8240), (2600, 8450)),
        *((1460, 8750), (1310, 8840)),
    ),
)
LOOSE_OF_B4: Outline = (
    *((1880, 4420), (2480, 4830), (2540, 5250), (2830, 5490), (2830, 6150), (3430, 6210)),
    *((4090, 6450), (4090, 6870), (3490, 6990), (2650, 6810), (2240, 6450), (2060, 5790)),
    *((1820, 5370), (1940, 4890)),
)
FAT_OF_B4: Outline = (
    *((5290, 5490), (5640, 5610), (6240, 5490), (6480, 5610), (7140, 5730), (7320, 6090)),
    *((7080, 6450), (6840, 6930), (7080, 6930), (7560, 7170), (6840, 7640), (6240, 7230)),
    *((6060, 6990), (5530, 7290), (5290, 6810), (5230, 6090)),
)
FIBROUS_OF_TCGA: Outline = (
    *((540, 2060), (1030, 2430), (1030, 3650), (1590, 3740), (2010, 4680), (2200, 5610)),
    *((2010, 5990), (1540, 5050), (1080, 4120), (560, 2810)),
)
CARCINOMA_OF_TCGA: tuple[Outline, ...] = (
    ((7950, 4580), (9220, 4120), (9220, 5520), (8700, 5520), (7950, 5330)),
    ((8420, 3130), (9220, 3130), (9220, 4120), (8610, 4120)),
    ((1030, 7770), (3560, 7670), (3560, 8700), (3090, 9170), (2060, 9170), (1030, 8980)),
)
NECROSIS_OF_TCGA: Outline = (
    *((5990, 5610), (6550, 5540), (6920, 5800), (7040, 6270), (6690, 6550), (6080, 6130)),
)

POOLS: Mapping[str, Mapping[str, Kind]] = {
    "breast": {
        "muscle": Outlined("C2", (MUSCLE_OF_C2,)),
        "carcinoma in stroma": Outlined("C2", (CARCINOMA_OF_C2,)),
        "solid carcinoma": Outlined("B4", CARCINOMA_OF_B4),
        "loose": Outlined("B4", (LOOSE_OF_B4,), least_tissue_share=0),
        "fat": Outlined("B4", (FAT_OF_B4,), least_tissue_share=0),
    },
    "tcga": {
        "fibrous": Outlined("tcga_56", (FIBROUS_OF_TCGA,)),
        "carcinoma": Outlined("tcga_56", CARCINOMA_OF_TCGA),
        "necrosis": Outlined("tcga_56", (NECROSIS_OF_TCGA,)),
    },
    "colon": {
        "goblet glands": Glands("testB_17", inside=True),
        "red carcinoma": Glands("train_76", inside=True),
        "pale carcinoma": Glands("testB_12", inside=True),
        "fibrous stroma": Glands("testA_13", inside=False),
        "oedematous stroma": Glands("train_80", inside=False),
        "lymphoid stroma": Glands("testA_2", inside=False),
    },
}
"""Kinds by pool and name."""


@dataclass(frozen=True)
class Collage:
    """Tiles of a made-up slide.

    Attributes
    ----------
    features
        (N, D) float32.
    coords
        (N, 2) int64, multiples of `PITCH_PX`.
    kinds
        (N,) int64 in 0..K-1.
    """

    features: Float32
    coords: Ints
    kinds: Ints


def planned(slides: int) -> Iterator[tuple[str, int, int]]:
    """Yield pool, number of kinds and seed of collages, each number of each pool `slides` times."""
    for pool, kinds in POOLS.items():
        for n_kinds in range(1, len(kinds) + 1):
            for seed in range(slides):
                yield pool, n_kinds, seed


def tiles_of_kind(kind: Kind, tiles: Embedded, data: Path) -> Ints:
    """Return the rows of a section's tiles that are of a kind, and tissue."""
    return np.flatnonzero(kind.holds(tiles, data) & (tiles.tissue_share >= kind.least_tissue_share))


def make_collage(sources: Sequence[Embedded], seed: int) -> Collage:
    """Lay places of several kinds beside each other.

    Parameters
    ----------
    sources
        The tiles of each kind.
    """
    rng = np.random.default_rng([len(sources), seed])
    drawn = [(kind, rows) for kind, tiles in enumerate(sources) for rows in _places(tiles, rng)]
    order = rng.permutation(len(drawn))
    middles = _middles([len(drawn[i][1]) for i in order], rng)
    features, wanted, kinds = [], [], []
    for i, middle in zip(order, middles, strict=True):
        kind, rows = drawn[i]
        tiles = sources[kind]
        features.append(tiles.features[rows])
        wanted.append(middle + _turned(tiles.coords[rows] / tiles.pitch_px, rng))
        kinds.append(np.full(len(rows), kind))
    cells = _on_lattice(np.concatenate(wanted))
    return Collage(np.concatenate(features), cells * PITCH_PX, np.concatenate(kinds))


def _places(tiles: Embedded, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield rows of tiles around random ones, no row twice."""
    n_places = int(rng.integers(PLACES[0], PLACES[1] + 1))
    size = min(MOST_TILES_OF_PLACE, int(rng.uniform(*SHARE_TAKEN) * len(tiles) / n_places))
    left = np.arange(len(tiles))
    for _ in range(n_places):
        middle = tiles.coords[rng.choice(left)]
        ways = ((tiles.coords[left] - middle) ** 2).sum(axis=1)
        nearest = np.argsort(ways, kind="stable")[:size]
        yield left[nearest]
        left = np.delete(left, nearest)


def _middles(sizes: Sequence[int], rng: np.random.Generator) -> Floats:
    """Return a middle (M, 2) for each place, in tiles: row by row on a loose square."""
    columns = int(np.ceil(np.sqrt(len(sizes))))
    rows, places = np.divmod(np.arange(len(sizes)), columns)
    step = np.sqrt(max(sizes))
    middles: Floats = step * (
        np.stack([places, rows], axis=1) + rng.uniform(-0.2, 0.2, (len(sizes), 2))
    )
    return middles


def _turned(places: Floats, rng: np.random.Generator) -> Floats:
    """Turn and mirror positions (N, 2) around their middle, at random, and gather them.

    Tiles of a kind may lie apart; they are drawn together until they spread as a disc of as many.
    """
    centred = places - places.mean(axis=0)
    of_disc = np.sqrt(len(places) / np.pi) / 2
    centred *= min(1.0, of_disc / np.sqrt((centred**2).mean()))
    turned: Floats = centred[:, :: rng.choice((-1, 1))] * rng.choice((-1, 1), 2)
    return turned


def _on_lattice(wanted: Floats) -> Ints:
    """Give every position (N, 2) a cell of a round piece, with the least sum of squared ways."""
    middle = wanted.mean(axis=0)
    reach = np.arange(-np.ceil(np.sqrt(len(wanted))), np.ceil(np.sqrt(len(wanted))) + 1)
    cells = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    cells = cells[np.argsort((cells**2).sum(axis=1), kind="stable")[: len(wanted)]]
    ways = ((wanted[:, None] - middle - cells) ** 2).sum(axis=2)
    taken = cells[linear_sum_assignment(ways)[1]]
    return (taken - taken.min(axis=0)).astype(np.int64)
