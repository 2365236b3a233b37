"""One slide measured: what each of its files does to the outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import UNKNOWN, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import OK, Outcome, Status
from histohet.measures.measure import measure_slide
from histohet.measures.settings import MeasuresSettings
from histohet.measures.slide import SlideMeasures
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

COVERAGE = np.full(9, 0.5, np.float32)


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


def measure(clustered: ClusteredTiles, tumour=None, traits=None, coverage=OK) -> SlideMeasures:
    settings = MeasuresSettings()
    return measure_slide("a", clustered, (COVERAGE, coverage), tumour, traits, settings, 1)


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
        assert found.traits == {"possible": pytest.approx(np.log(2) / np.log(3)), "observed": 1.0}


def test_without_coverage_there_is_no_area(clustered: ClusteredTiles) -> None:
    found = measure(clustered, coverage=Outcome(Status.REFUSED, "no mask"))
    assert (found.outcome, found.epithelium_mm2) == (OK, None)


@pytest.mark.parametrize("tumour", [None, (TUMOUR, OK)])
def test_a_note_on_tiles_left_out_goes_on_with_the_slide(
    clustered: ClusteredTiles, tumour: tuple[np.ndarray, Outcome] | None
) -> None:
    note = Outcome(Status.OK, "1 of 9 tiles cannot be decoded and are left out")
    noted = replace(clustered, tiles=replace(clustered.tiles, outcome=note))
    found = measure(noted, tumour)
    assert (found.outcome, len(found.clusters)) == (note, 2)
