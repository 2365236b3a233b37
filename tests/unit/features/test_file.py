from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.lattices import lattice
from helpers.tiletables import three_tiles
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringSettings
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file, open_features
from histohet.tiles.file import (
    TileTable,
)

PROVENANCE = Provenance({"k": 8}, {"slide": "a.svs"})


@pytest.fixture
def tiles() -> TileTable:
    return three_tiles()


def test_features_are_appended_and_readable_by_tridents_rules(
    tmp_path: Path, tiles: TileTable
) -> None:
    index = np.array([0, 2])
    vectors = np.arange(10, dtype=np.float32).reshape(2, 5)
    with feature_file(tmp_path / "a.h5", tiles, index, 5, "enc", PROVENANCE) as features:
        features.append(vectors[:1])
        features.append(vectors[1:])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["features"].dtype == np.float32
        assert file["features"].attrs["encoder"] == "enc"
        assert file["coords"].attrs["patch_size_level0"] == 443
        assert len(file["coords"]) == len(file["features"])
    with open_features(tmp_path / "a.h5") as found:
        np.testing.assert_array_equal(found.features[np.arange(2)], vectors)
        np.testing.assert_array_equal(found.tile_index, index)
        np.testing.assert_array_equal(found.tiles.coords, tiles.coords[index])
        assert len(found.unreadable_index) == 0


def test_tiles_at_the_rim_are_known_by_the_rows_encoded(tmp_path: Path, tiles: TileTable) -> None:
    rim = replace(tiles, at_rim=np.array([True, False, False]))
    for table, expected in ((tiles, None), (rim, [True, False])):
        with feature_file(
            tmp_path / "a.h5", table, np.array([0, 2]), 5, "enc", PROVENANCE
        ) as features:
            features.append(np.zeros((2, 5), np.float32))
        with open_features(tmp_path / "a.h5") as found:
            at_rim = found.tiles.at_rim
            assert (at_rim if at_rim is None else at_rim.tolist()) == expected
            last = found.only(np.array([1])).tiles.at_rim
            assert (last if last is None else last.tolist()) == (expected and expected[1:])


def test_tiles_that_could_not_be_decoded_are_named(tmp_path: Path, tiles: TileTable) -> None:
    path, lost = tmp_path / "a.h5", np.array([1])
    with feature_file(path, tiles, np.array([0, 2]), 5, "enc", PROVENANCE, lost) as features:
        features.append(np.zeros((2, 5), np.float32))
    with open_features(path) as found:
        np.testing.assert_array_equal(found.unreadable_index, [1])
    with h5py.File(path, "r+") as file:
        del file["unreadable_index"]  # As in files of other programs.
    with open_features(path) as found:
        assert found.unreadable_index.dtype == np.int64
        assert len(found.unreadable_index) == 0


@pytest.fixture
def many(tmp_path: Path, tiles: TileTable) -> tuple[Path, np.ndarray]:
    """A feature file of several blocks, and what is in it."""
    vectors = np.random.default_rng(1).normal(size=(2 * CHUNK_ROWS + 77, 3)).astype(np.float32)
    coords = np.arange(2 * len(vectors)).reshape(-1, 2)
    table = TileTable(coords, tiles.attributes, OK)
    index = np.arange(len(vectors))
    with feature_file(tmp_path / "m.h5", table, index, 3, "enc", PROVENANCE) as features:
        features.append(vectors)
    return tmp_path / "m.h5", vectors


@pytest.mark.parametrize(
    "rows",
    [
        np.empty(0, np.int64),
        np.array([5]),
        np.arange(CHUNK_ROWS, CHUNK_ROWS + 9),
        np.array([0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, 2 * CHUNK_ROWS, 2 * CHUNK_ROWS + 76]),
        np.arange(0, 2 * CHUNK_ROWS + 77, 3),
        np.arange(2 * CHUNK_ROWS + 77),
    ],
)
def test_rows_are_read_as_they_are_asked_for(
    many: tuple[Path, np.ndarray], rows: np.ndarray
) -> None:
    path, vectors = many
    with open_features(path) as table:
        found = table.features[rows]
        assert (table.features.shape, len(table.features)) == (vectors.shape, len(vectors))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors[rows])


def test_columns_and_slices_are_left_to_hdf5(many: tuple[Path, np.ndarray]) -> None:
    path, vectors = many
    with open_features(path) as table:
        np.testing.assert_array_equal(table.features[:, 0], vectors[:, 0])
        np.testing.assert_array_equal(table.features[4:9], vectors[4:9])


def test_some_rows_of_a_table_are_a_table(many: tuple[Path, np.ndarray]) -> None:
    path, vectors = many
    rows = np.arange(7, len(vectors), 5)
    with open_features(path) as whole:
        table = whole.only(rows)
        np.testing.assert_array_equal(table.tile_index, whole.tile_index[rows])
        np.testing.assert_array_equal(table.tiles.coords, whole.tiles.coords[rows])
        assert table.features.shape == (len(rows), vectors.shape[1])
        np.testing.assert_array_equal(table.features[:], vectors[rows])
        np.testing.assert_array_equal(table.features[3:9], vectors[rows[3:9]])
        np.testing.assert_array_equal(table.features[2], vectors[rows[2]])
        np.testing.assert_array_equal(table.features[:, 1], vectors[rows, 1])
        some = np.array([0, 4, len(rows) - 1])
        np.testing.assert_array_equal(table.features[some], vectors[rows[some]])
        np.testing.assert_array_equal(table.only(some).features[:], vectors[rows[some]])


@pytest.mark.parametrize("shared_place", [False, True])
def test_clusters_are_the_same_from_a_file_and_from_memory(
    tmp_path: Path, tiles: TileTable, shared_place: bool
) -> None:
    """Whatever the order of the tiles in the file, and if two of them share a place."""
    rng = np.random.default_rng(2)
    places = lattice(30, 20, 224)
    if shared_place:
        places[1] = places[0]
    shuffled = rng.permutation(len(places))
    places = places[shuffled]
    means = rng.normal(size=(3, 12))[places[:, 0] // (10 * 224)]
    vectors = (means + 0.4 * rng.normal(size=means.shape)).astype(np.float32)
    table = TileTable(places, tiles.attributes, OK)
    index = np.arange(len(places))
    with feature_file(tmp_path / "s.h5", table, index, 12, "enc", PROVENANCE) as features:
        features.append(vectors)
    for procedure in ("histohet", "paper"):
        settings = ClusteringSettings(procedure=procedure, restarts=2)
        eager = cluster_tiles(vectors, places, 224.0, settings, 3)
        with open_features(tmp_path / "s.h5") as lazy:
            found = cluster_tiles(lazy.features, lazy.tiles.coords, 224.0, settings, 3)
        for labels in ("start", "raw", "labels"):
            np.testing.assert_array_equal(getattr(found, labels), getattr(eager, labels))
        assert (found.steps, found.certainty) == (eager.steps, eager.certainty)
        assert found.n_clusters == 3 or procedure == "paper"


def test_unfinished_features_leave_no_file(tmp_path: Path, tiles: TileTable) -> None:
    path = tmp_path / "a.h5"
    with (
        pytest.raises(ValueError, match="1 of 3 tiles were encoded"),
        feature_file(path, tiles, np.arange(3), 2, "enc", PROVENANCE) as features,
    ):
        features.append(np.zeros((1, 2), np.float32))
    assert list(tmp_path.iterdir()) == []
