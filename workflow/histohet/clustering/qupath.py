"""The clustered tiles of a slide for QuPath."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER
from histohet.common.qupath import TileObject
from histohet.drawing.palette import cluster_rgb


def tile_objects(
    clustered: ClusteredTiles, measurements: Mapping[str, npt.NDArray[np.floating]]
) -> Iterator[TileObject]:
    """Yield the tiles with class and colour of their cluster, and measurements (N,) by name.

    Outliers are a class of their own, and have no measurement of a cluster. What is NaN is left
    out.
    """
    found = clustered.clustering
    for row, (x, y) in enumerate(clustered.tiles.coords.tolist()):
        label = int(found.labels[row])
        yield TileObject(
            index=int(clustered.tile_index[row]),
            x=x,
            y=y,
            class_name="Outlier" if label == OUTLIER else f"Cluster {label + 1}",
            colour=cluster_rgb(label),
            measurements={
                "cluster": _number(label),
                "cluster before smoothing": _number(int(found.raw[row])),
                **{name: _rounded(float(values[row])) for name, values in measurements.items()},
            },
        )


def _number(label: int) -> int | None:
    """Return the number that is shown of a cluster, from 1 on."""
    return None if label == OUTLIER else label + 1


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
