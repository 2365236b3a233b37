from __future__ import annotations

from dataclasses import replace

import numpy as np

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.qupath import tile_objects
from histohet.clustering.result import at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import OK
from histohet.drawing.palette import cluster_rgb
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
