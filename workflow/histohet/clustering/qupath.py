"""The clustered tiles of a slide for QuPath."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.common.qupath import TileObject
from histohet.drawing.palette import cluster_rgb


def tile_objects(
    clustered: ClusteredTiles, measurements: Mapping[str, npt.NDArray[np.floating]]
) -> Iterator[TileObject]:
    """Yield the tiles with class and colour of their cluster, and measurements (N,) by name."""
    found = clustered.clustering
    for row, (x, y) in enumerate(clustered.tiles.coords.tolist()):
        number = int(found.labels[row]) + 1
        yield TileObject(
            index=int(clustered.tile_index[row]),
            x=x,
            y=y,
            class_name=f"Cluster {number}",
            colour=cluster_rgb(number - 1),
            measurements={
                "cluster": number,
                "cluster before smoothing": int(found.raw[row]) + 1,
                **{name: round(float(values[row]), 4) for name, values in measurements.items()},
            },
        )
