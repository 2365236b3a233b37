from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.qupath import tile_objects
from histohet.clustering.result import OUTLIER, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.common.qupath import write_tile_objects
from histohet.drawing.palette import CLUSTER_COLOURS, OUTLIERS, cluster_rgb, rgb
from histohet.tiles.file import TileTable


def test_tiles_have_the_number_that_is_shown_and_the_row_of_their_file() -> None:
    found = replace(
        at_most_one_cluster(ClusteringSettings(), 2),
        labels=np.array([1, 0], np.int32),
        raw=np.array([2, 0], np.int32),
    )
    tiles = TileTable(np.array([[10, 20], [30, 40]]), {}, OK)
    clustered = ClusteredTiles(tiles, np.array([7, 9]), found)
    first, second = tile_objects(clustered, {"epithelium": np.array([0.123456, 1.0])})
    assert (first.index, first.x, first.y, first.class_name) == (7, 10, 20, "Cluster 2")
    assert first.colour == cluster_rgb(1)
    assert first.measurements == {
        "cluster": 2,
        "cluster before smoothing": 3,
        "epithelium": 0.1235,
    }
    assert (second.index, second.class_name) == (9, "Cluster 1")


def test_outliers_are_a_class_of_their_own_in_the_file(tmp_path: Path) -> None:
    labels = np.array([OUTLIER, 0], np.int32)
    found = replace(at_most_one_cluster(ClusteringSettings(), 2), labels=labels, raw=labels)
    tiles = TileTable(np.array([[10, 20], [30, 40]]), {}, OK)
    clustered = ClusteredTiles(tiles, np.array([7, 9]), found)
    scores = {"tumour score": np.array([0.5, 1.0]), "of cluster": np.array([np.nan, 1.0])}
    objects = tile_objects(clustered, scores)
    write_tile_objects(tmp_path / "a.geojson", "a", 20, objects, (0, 0), Provenance())
    first, second = (
        feature["properties"]
        for feature in json.loads((tmp_path / "a.geojson").read_text())["features"]
    )
    assert first["classification"] == {"name": "Outlier", "color": list(rgb(OUTLIERS))}
    assert first["measurements"] == {"tumour score": 0.5}
    assert second["classification"] == {"name": "Cluster 1", "color": list(cluster_rgb(0))}
    assert second["measurements"]["cluster"] == second["measurements"]["of cluster"] == 1
    assert OUTLIERS not in CLUSTER_COLOURS
