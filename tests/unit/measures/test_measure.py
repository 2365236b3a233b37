"""One slide measured: what each of its files does to the outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, UNKNOWN, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.features.file import FeatureTable, feature_file, open_features
from histohet.features.patients import PooledPart, pool_slides
from histohet.measures.measure import measure_slide, tile_measurements
from histohet.measures.settings import MeasuresSettings
from histohet.measures.slide import SlideMeasures
from histohet.measures.traits import TraitMap, trait_measures, write_trait_map
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

COVERAGE = np.full(9, 0.5, np.float32)


class Rows(np.ndarray):
    """Embeddings in memory that give some of their rows as a file does."""

    def only(self, rows: np.ndarray) -> np.ndarray:
        return self[rows]


# The first tile, which is not clustered, has nothing in common with the others.
FEATURES = np.stack([[9.0, *np.ones(8)], [7.0, *np.linspace(0, 1, 8)]], axis=1)


TUMOUR = np.arange(9, dtype=np.float32)


LOST = Outcome(Status.TOO_FEW_TILES, "8 tiles")


@pytest.fixture
def clustered() -> ClusteredTiles:
    """Eight of nine tiles in two clusters."""
    coords = np.stack([np.arange(8) * 448, np.zeros(8, np.int64)], axis=1)
    attributes = tile_attributes("a", TileSpec(), 0.25, (9 * 448, 448), "tiles")
    labels = np.repeat([0, 1], [5, 3]).astype(np.int32)
    found = replace(at_most_one_cluster(ClusteringSettings(), 8, smoothed=True), labels=labels)
    return ClusteredTiles(TileTable(coords, attributes, OK), np.arange(1, 9), found)


def table_of(features: np.ndarray, tiles: TileTable) -> FeatureTable:
    return FeatureTable(features.view(Rows), np.arange(len(features)), tiles, np.arange(0))


def measure(
    clustered: ClusteredTiles, tumour=None, traits=None, coverage=OK, shares=COVERAGE
) -> SlideMeasures:
    settings = MeasuresSettings()
    embedded = table_of(FEATURES, clustered.tiles)
    return measure_slide("a", clustered, embedded, (shares, coverage), tumour, traits, settings, 1)


def test_without_attention_all_clusters_are_measured(clustered: ClusteredTiles) -> None:
    found = measure(clustered)
    assert (found.outcome, found.has_attention, found.tumour_scores) == (OK, False, [])
    assert [row.n_tiles for row in found.clusters] == [5, 3]
    assert found.sets[-1].n_clusters == 2
    assert (found.n_tissue_tiles, found.n_clustered_tiles) == (9, 8)
    assert found.epithelium_mm2 == pytest.approx(4.5 * 112**2 / 1e6)
    assert found.certainty == clustered.clustering.certainty


def test_clusters_have_the_mean_score_of_their_own_tiles(clustered: ClusteredTiles) -> None:
    found = measure(clustered, tumour=(TUMOUR, OK))
    assert found.tumour_scores == [3.0, 7.0]
    assert len(found.sets) == 3


def test_what_loses_a_slide_is_told_in_the_order_of_the_steps(
    clustered: ClusteredTiles, tmp_path: Path
) -> None:
    refused = Outcome(Status.REFUSED, "attention: empty")
    traits = tmp_path / "traits.tsv"
    traits.write_text("x\ty\tA\n0\t0\t7\n")
    lost = replace(clustered, tiles=replace(clustered.tiles, outcome=LOST))
    for slide, tumour, expected in (
        (lost, (TUMOUR, refused), LOST),
        (clustered, (TUMOUR, refused), refused),
    ):
        found = measure(slide, tumour, str(traits))
        assert (found.outcome, found.has_attention, found.clusters) == (expected, False, ())
        assert (found.certainty, found.epithelium_mm2) == (UNKNOWN, None)
    found = measure(clustered, (TUMOUR, OK), str(traits))
    assert found.outcome.status is Status.REFUSED
    assert found.outcome.reason.startswith("traits: ")
    assert found.has_attention


def test_traits_are_measured_whatever_becomes_of_the_clusters(
    clustered: ClusteredTiles, tmp_path: Path
) -> None:
    traits = tmp_path / "traits.tsv"
    traits.write_text("x\ty\tA\tB\n0\t0\t1\t0\n448\t0\t0\t1\n")
    lost = replace(clustered, tiles=replace(clustered.tiles, outcome=LOST))
    for slide in (clustered, lost):
        found = measure(slide, traits=str(traits))
        assert found.traits["trait_hti_possible"] == pytest.approx(np.log(2) / np.log(3))
        assert found.traits["trait_hti_observed"] == 1.0
        assert found.traits["trait_status"] == "ok"


def test_our_own_maps_are_measured_with_the_squares_of_the_slide(
    clustered: ClusteredTiles, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(8, 2)).astype(np.float32)
    coords = clustered.tiles.coords
    unseen = {"A": True, "B": True}
    maps = TraitMap(("A", "B"), coords, logits > 0, logits, OK, unseen, {"A": 1.0, "B": 2.0})
    path = tmp_path / "maps.h5"
    write_trait_map(path, maps, clustered.tiles, np.arange(8), {"fold": 1}, Provenance())
    found = measure(clustered, traits=str(path)).traits
    region_px = MeasuresSettings().hta_region_um / clustered.tiles.mpp
    assert found == trait_measures(maps, [], region_px, 1)
    assert found["trait_unseen"]
    assert found["expression_B"] == 2


def test_embeddings_that_follow_the_coverage_of_their_tiles_are_told(
    clustered: ClusteredTiles,
) -> None:
    assert measure(clustered).coverage_explains == pytest.approx(0, abs=1e-9)
    shares = np.array([0.9, *np.linspace(0.3, 1, 8)], np.float32)
    noted = replace(clustered.tiles, outcome=Outcome(Status.OK, "a note"))
    found = measure(replace(clustered, tiles=noted), shares=shares)
    assert found.coverage_explains == pytest.approx(1, abs=0.02)
    assert found.outcome.status is Status.OK
    assert found.outcome.reason.startswith("a note; the share of epithelium explains")
    assert measure(clustered, coverage=LOST, shares=shares).coverage_explains is None


def test_without_coverage_there_is_no_area(clustered: ClusteredTiles) -> None:
    found = measure(clustered, coverage=Outcome(Status.REFUSED, "no mask"))
    assert (found.outcome, found.epithelium_mm2) == (OK, None)


def test_what_is_said_of_the_epithelium_is_said_of_the_slide(clustered: ClusteredTiles) -> None:
    note = Outcome(Status.OK, "the stain hardly tells epithelium")
    found = measure(clustered, coverage=note)
    assert found.outcome == note
    assert found.epithelium_mm2 is not None


@pytest.mark.parametrize("tumour", [None, (TUMOUR, OK)])
def test_a_note_on_tiles_left_out_goes_on_with_the_slide(
    clustered: ClusteredTiles, tumour: tuple[np.ndarray, Outcome] | None
) -> None:
    note = Outcome(Status.OK, "1 of 9 tiles cannot be decoded and are left out")
    noted = replace(clustered, tiles=replace(clustered.tiles, outcome=note))
    found = measure(noted, tumour)
    assert (found.outcome, len(found.clusters)) == (note, 2)


def with_outliers(clustered: ClusteredTiles, places: list[int]) -> ClusteredTiles:
    """Put outliers before these of the tiles, on the lattice where the tiles are."""
    rest, n = clustered.tiles.coords, len(clustered.tiles.coords) + len(places)
    odd = np.insert(np.zeros(len(rest), bool), places, True)
    coords = np.stack([np.arange(n) * 448, np.full(n, 448)], axis=1)
    coords[~odd] = rest
    labels = np.insert(clustered.clustering.labels, places, OUTLIER).astype(np.int32)
    index = np.empty(n, np.int64)
    index[~odd], index[odd] = clustered.tile_index, 9 + np.arange(len(places))
    found = replace(at_most_one_cluster(ClusteringSettings(), n), start=labels, raw=labels)
    found = replace(found, labels=labels, certainty=clustered.clustering.certainty)
    return ClusteredTiles(replace(clustered.tiles, coords=coords), index, found)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("places", [[0], [3, 3, 8], [8]])
def test_outliers_change_nothing_but_their_number(
    clustered: ClusteredTiles, places: list[int], attention: bool
) -> None:
    """Their tumour score is far above all others, and they touch tiles of both clusters."""
    more = with_outliers(clustered, places)
    scores = np.append(TUMOUR, np.full(len(places), 1e6, np.float32))
    found = measure(more, (scores, OK) if attention else None)
    expected = measure(clustered, (TUMOUR, OK) if attention else None)
    assert expected.n_outlier_tiles == 0
    assert found == replace(expected, n_outlier_tiles=len(places))


def test_a_slide_of_outliers_alone_has_no_clusters_and_says_why(clustered: ClusteredTiles) -> None:
    alone = replace(clustered.clustering, labels=np.full(8, OUTLIER, np.int32))
    for tumour in (None, (TUMOUR, OK)):
        found = measure(replace(clustered, clustering=alone), tumour)
        assert found.outcome.status is Status.TOO_FEW_TILES
        assert "all 8 tiles are outliers" in found.outcome.reason
        assert (found.clusters, found.sets, found.certainty) == ((), (), UNKNOWN)
        assert (found.n_clustered_tiles, found.n_outlier_tiles) == (0, 8)
        row = found.slide_row(0.5)
        assert (row["n_all_clusters"], row["n_clusters"], row["n_tiles"]) == (0, None, None)


def test_an_outlier_has_its_own_score_and_none_of_a_cluster(clustered: ClusteredTiles) -> None:
    more = with_outliers(clustered, [2])
    scores, coverage = np.append(TUMOUR, np.float32(50)), np.append(COVERAGE, np.float32(0.25))
    found = tile_measurements(more, (coverage, OK), (scores, OK))
    assert found["epithelium"][2] == 0.25
    assert found["tumour score"][2] == 50
    of_cluster = found["tumour score of cluster"]
    np.testing.assert_array_equal(of_cluster, [3, 3, np.nan, 3, 3, 3, 7, 7, 7])
    alone = replace(clustered.clustering, labels=np.full(8, OUTLIER, np.int32))
    found = tile_measurements(replace(clustered, clustering=alone), (COVERAGE, OK), (TUMOUR, OK))
    assert np.isnan(found["tumour score of cluster"]).all()


def test_outliers_of_a_patient_are_those_of_its_slides_together(
    clustered: ClusteredTiles, tmp_path: Path
) -> None:
    """Two slides side by side, with an outlier each, are the same two slides without them."""
    parts = []
    for slide in ("a", "b"):
        tiles = replace(clustered.tiles, coords=np.stack([np.arange(9) * 448, np.zeros(9, int)], 1))
        with feature_file(tmp_path / slide, tiles, np.arange(9), 1, "e", Provenance()) as file:
            file.append(np.zeros((9, 1), np.float32))
        with open_features(tmp_path / slide) as table:
            parts.append(PooledPart(slide, table, COVERAGE, TUMOUR))
    pool = pool_slides("p", parts, gap_um=2000)
    labels = np.tile([OUTLIER, 0, 0, 0, 0, 0, 1, 1, 1], 2).astype(np.int32)
    found = replace(at_most_one_cluster(ClusteringSettings(), 18), labels=labels)
    patient = ClusteredTiles(pool.tiles, pool.tile_index, found)
    kept = np.flatnonzero(labels != OUTLIER)
    rest = ClusteredTiles(
        replace(pool.tiles, coords=pool.tiles.coords[kept]), kept, found.of_tiles(kept)
    )
    columns = (pool.coverage, OK), (pool.tumour, OK)
    embedded = table_of(np.stack([np.ones(18), np.arange(18)], axis=1), pool.tiles)
    measures = [
        measure_slide("p", one, embedded, *columns, None, MeasuresSettings(), 1)
        for one in (patient, rest)
    ]
    assert measures[0] == replace(measures[1], n_outlier_tiles=2)
    assert [row.n_tiles for row in measures[0].clusters] == [10, 6]
    assert [row.components for row in measures[0].clusters] == [2, 2]
    assert measures[0].tumour_scores == [3.0, 7.0]
