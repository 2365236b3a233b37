"""Files of clustered tiles: what is written comes back, and others can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.lattices import lattice
from helpers.tiletables import three_tiles
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.file import ClusteredTiles, read_clusters, write_clusters
from histohet.clustering.result import (
    OUTLIER,
    UNKNOWN,
    Certainty,
    Clustering,
    Step,
    at_most_one_cluster,
)
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.tiles.file import TileTable

PROVENANCE = Provenance({"k": 8}, {"slide": "a.svs"})


@pytest.fixture
def tiles() -> TileTable:
    return three_tiles()


@pytest.fixture
def found() -> Clustering:
    start, raw, labels = (np.array([0, 1, 0], np.int32) + shift for shift in range(3))
    agreement = np.array([1.0, 0.25, np.nan], np.float32)
    return Clustering(
        ClusteringSettings(q=7, reach=2),
        *(start, raw, labels, agreement),
        (Step(3, -10.5, (1, 2)), Step(2, -9.25, None)),
        Certainty(-5.0, -5.5, 0.125, 1.5, 0.75, 2, 3),
        ("three tiles",),
    )


def test_round_trip(tmp_path: Path, tiles: TileTable, found: Clustering) -> None:
    index = np.array([4, 5, 9])
    write_clusters(tmp_path / "a.h5", ClusteredTiles(tiles, index, found), PROVENANCE)
    read = read_clusters(tmp_path / "a.h5")
    for name in ("start", "raw", "labels", "agreement"):
        np.testing.assert_array_equal(getattr(read.clustering, name), getattr(found, name))
        assert getattr(read.clustering, name).dtype == getattr(found, name).dtype
    np.testing.assert_array_equal(read.tile_index, index)
    np.testing.assert_array_equal(read.tiles.coords, tiles.coords)
    for name in ("settings", "steps", "certainty", "notes"):
        assert getattr(read.clustering, name) == getattr(found, name)


def test_others_find_the_history_as_json(
    tmp_path: Path, tiles: TileTable, found: Clustering
) -> None:
    write_clusters(tmp_path / "a.h5", ClusteredTiles(tiles, np.arange(3), found), PROVENANCE)
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(file.attrs["history"]) == {
            "settings": {
                "procedure": "histohet",
                "q": 7,
                "k": 8,
                "reach": 2.0,
                "restarts": 12,
                "min_tiles": 20,
            },
            "notes": ["three tiles"],
            "steps": [
                {"n_clusters": 3, "criterion": -10.5, "merged_sizes": [1, 2]},
                {"n_clusters": 2, "criterion": -9.25, "merged_sizes": None},
            ],
            "certainty": {
                "energy": -5.0,
                "lower_bound": -5.5,
                "gap_percent": 0.125,
                "coupling": 1.5,
                "stability_ari": 0.75,
                "n_all_clusters_low": 2,
                "n_all_clusters_high": 3,
            },
        }


def test_a_slide_without_clusters_says_why(tmp_path: Path, tiles: TileTable) -> None:
    lost = replace(tiles, coords=tiles.coords[:0], outcome=Outcome(Status.TOO_FEW_TILES, "3 tiles"))
    nothing = at_most_one_cluster(ClusteringSettings(), 0)
    lost_tiles = ClusteredTiles(lost, np.empty(0, np.int64), nothing)
    write_clusters(tmp_path / "a.h5", lost_tiles, PROVENANCE)
    read = read_clusters(tmp_path / "a.h5")
    found = read.clustering
    assert read.tiles.outcome == lost.outcome
    assert len(found.labels) == len(found.agreement) == len(read.tile_index) == 0
    assert (found.n_clusters, found.steps, found.certainty) == (0, (), UNKNOWN)


def test_outliers_come_back_and_can_be_left_out(
    tmp_path: Path, tiles: TileTable, found: Clustering
) -> None:
    one = np.array([0, OUTLIER, 1], np.int32)
    with_outlier = replace(found, start=one, raw=one, labels=one)
    clustered = ClusteredTiles(tiles, np.array([4, 5, 9]), with_outlier)
    write_clusters(tmp_path / "a.h5", clustered, PROVENANCE)
    read = read_clusters(tmp_path / "a.h5")
    for name in ("start", "raw", "labels"):
        np.testing.assert_array_equal(getattr(read.clustering, name), one)
    assert read.outcome.ok
    rest = read.without_outliers()
    assert rest.tile_index.tolist() == [4, 9]
    assert rest.clustering.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(rest.tiles.coords, tiles.coords[[0, 2]])
    np.testing.assert_array_equal(rest.clustering.agreement, found.agreement[[0, 2]])
    assert rest.tiles.attributes == read.tiles.attributes


def test_a_slide_of_outliers_alone_has_no_result(tiles: TileTable, found: Clustering) -> None:
    nothing = np.full(3, OUTLIER, np.int32)
    clustered = ClusteredTiles(tiles, np.arange(3), replace(found, labels=nothing))
    assert clustered.tiles.outcome.ok
    assert clustered.outcome.status is Status.TOO_FEW_TILES
    assert "all 3 tiles are outliers" in clustered.outcome.reason
    note = replace(tiles, outcome=Outcome(Status.OK, "1 of 4 tiles cannot be decoded"))
    assert ClusteredTiles(note, np.arange(3), found).outcome == note.outcome


@pytest.mark.parametrize("smoothed", [True, False])
@pytest.mark.parametrize("procedure", ["histohet", "paper"])
def test_what_clustering_returns_can_be_written(
    tmp_path: Path, tiles: TileTable, procedure: str, smoothed: bool
) -> None:
    """JSON takes neither numpy's numbers nor infinity."""
    rng = np.random.default_rng(0)
    coords = lattice(10, 6, 443)
    features = 9 + rng.normal(size=(60, 5)) + (coords[:, :1] > 2000)
    settings = ClusteringSettings(procedure=procedure, q=5, restarts=2)
    found = cluster_tiles(features, coords, 443.2, settings, 1, smoothed)
    clustered = ClusteredTiles(replace(tiles, coords=coords), np.arange(60), found)
    write_clusters(tmp_path / "a.h5", clustered, PROVENANCE)
    read = read_clusters(tmp_path / "a.h5").clustering
    assert (read.steps, read.certainty) == (found.steps, found.certainty)
    assert (read.certainty.energy is None) == (not smoothed)
