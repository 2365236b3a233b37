"""Files of clustered tiles: what is written comes back, and others can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from histohet.clustering.certainty import UNKNOWN, Certainty
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.file import read_clusters, write_clusters
from histohet.clustering.result import Certificate, Clustering, Step
from histohet.clustering.settings import PUBLISHED, ClusteringParams
from histohet.clustering.stability import Stability
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

PROVENANCE = Provenance({"k": 8}, {"slide": "a.svs"})


@pytest.fixture
def tiles() -> TileTable:
    coords = np.array([[0, 0], [443, 0], [0, 443]])
    return TileTable(coords, tile_attributes("a", TileSpec(), 0.2527, (1000, 900), "tiles"), OK)


@pytest.fixture
def found() -> Clustering:
    start, raw, labels = (np.array([0, 1, 0], np.int32) + shift for shift in range(3))
    agreement = np.array([1.0, 0.25, np.nan], np.float32)
    return Clustering(
        start,
        raw,
        labels,
        2,
        (Step(3, -10.5, (1, 2)), Step(2, -9.25, None)),
        Certificate(-5.0, -5.5, 0.125, 1.5),
        Stability(4, 0.75, 2, 3, agreement),
        ("three tiles",),
    )


def test_round_trip(tmp_path: Path, tiles: TileTable, found: Clustering) -> None:
    index = np.array([4, 5, 9])
    params = ClusteringParams(q=7)
    write_clusters(tmp_path / "a.h5", tiles, index, params, found, PROVENANCE)
    table = read_clusters(tmp_path / "a.h5")
    for name in ("start", "raw", "labels"):
        np.testing.assert_array_equal(getattr(table, name), getattr(found, name))
        assert getattr(table, name).dtype == np.int32
    assert found.stability is not None
    np.testing.assert_array_equal(table.agreement, found.stability.agreement)
    assert table.agreement.dtype == np.float32
    np.testing.assert_array_equal(table.tile_index, index)
    np.testing.assert_array_equal(table.tiles.coords, tiles.coords)
    assert (table.q, table.model_choice) == (7, "evidence")
    assert (table.numbers, table.criterion) == ((3, 2), (-10.5, -9.25))
    assert table.certainty == Certainty(-5.0, -5.5, 0.125, 1.5, 0.75, 2, 3)


def test_others_find_the_history_as_json(
    tmp_path: Path, tiles: TileTable, found: Clustering
) -> None:
    write_clusters(tmp_path / "a.h5", tiles, np.arange(3), PUBLISHED, found, PROVENANCE)
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(file.attrs["history"]) == {
            "q": 20,
            "model_choice": "bic_full",
            "notes": ["three tiles"],
            "steps": [
                {"n_clusters": 3, "criterion": -10.5, "merged_sizes": [1, 2]},
                {"n_clusters": 2, "criterion": -9.25, "merged_sizes": None},
            ],
            "certificate": {
                "energy": -5.0,
                "lower_bound": -5.5,
                "gap_percent": 0.125,
                "coupling": 1.5,
            },
            "stability": {"n_restarts": 4, "mean_ari": 0.75, "fewest": 2, "most": 3},
        }


def test_without_smoothing_and_restarts(
    tmp_path: Path, tiles: TileTable, found: Clustering
) -> None:
    plain = replace(found, certificate=None, stability=None)
    write_clusters(tmp_path / "a.h5", tiles, np.arange(3), ClusteringParams(), plain, PROVENANCE)
    table = read_clusters(tmp_path / "a.h5")
    assert table.certainty == UNKNOWN
    assert np.isnan(table.agreement).tolist() == [True] * 3


def test_a_slide_without_clusters_says_why(tmp_path: Path, tiles: TileTable) -> None:
    lost = replace(tiles, coords=tiles.coords[:0], outcome=Outcome(Status.TOO_FEW_TILES, "3 tiles"))
    none = np.empty(0, np.int64)
    write_clusters(tmp_path / "a.h5", lost, none, ClusteringParams(), None, PROVENANCE)
    table = read_clusters(tmp_path / "a.h5")
    assert table.tiles.outcome == lost.outcome
    assert len(table.labels) == len(table.agreement) == len(table.tile_index) == 0
    assert (table.numbers, table.criterion, table.certainty) == ((), (), UNKNOWN)


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed", "paper"])
def test_what_clustering_returns_can_be_written(
    tmp_path: Path, tiles: TileTable, procedure: str
) -> None:
    """JSON takes neither numpy's numbers nor infinity."""
    rng = np.random.default_rng(0)
    coords = np.stack(np.meshgrid(np.arange(10), np.arange(6)), axis=2).reshape(-1, 2) * 443
    features = 9 + rng.normal(size=(60, 5)) + (coords[:, :1] > 2000)
    params = ClusteringParams(q=5, restarts=2)
    found = cluster_tiles(features, coords, 443.2, params, [procedure], 1)[procedure]
    table = replace(tiles, coords=coords)
    write_clusters(tmp_path / "a.h5", table, np.arange(60), params, found, PROVENANCE)
    read = read_clusters(tmp_path / "a.h5")
    assert read.numbers == tuple(step.n_clusters for step in found.steps)
    assert (read.certainty.energy is None) == (procedure == "unsmoothed")
    assert (read.certainty.stability_ari is None) == (procedure == "paper")
