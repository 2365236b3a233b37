"""HDF5 files of clustered tiles: labels, how they came about, and how certain they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histohet.clustering.result import Certainty, Clustering, Step
from histohet.clustering.settings import ClusteringSettings
from histohet.common.arrays import Ints
from histohet.common.hdf5 import new_file, open_file
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.tiles.file import TileTable, tiles_of, write_coords

LABELS = ("start", "raw", "labels")


@dataclass(frozen=True)
class ClusteredTiles:
    """The tiles of a slide that were clustered, and their clusters.

    Attributes
    ----------
    tiles, tile_index
        The tiles, and their rows in the tile file, int64 (M,); none where the outcome of `tiles`
        says why there are no clusters.
    clustering
        Their clusters.
    """

    tiles: TileTable
    tile_index: Ints
    clustering: Clustering

    @property
    def outcome(self) -> Outcome:
        """How far the slide came; one of outliers alone has no result."""
        found = self.clustering
        if found.n_clusters or not found.n_outliers:
            return self.tiles.outcome
        return Outcome(
            Status.TOO_FEW_TILES,
            f"all {found.n_outliers} tiles are outliers, so that there is none to cluster",
        )

    def without_outliers(self) -> ClusteredTiles:
        """Return the tiles that are in clusters."""
        rows = np.flatnonzero(~self.clustering.is_outlier)
        return ClusteredTiles(
            self.tiles.only(rows), self.tile_index[rows], self.clustering.of_tiles(rows)
        )


def write_clusters(path: str | Path, clustered: ClusteredTiles, provenance: Provenance) -> None:
    """Write the clusters of a slide."""
    tiles, found = clustered.tiles, clustered.clustering
    history = {
        "settings": found.settings.canonical(),
        "notes": found.notes,
        "steps": [asdict(step) for step in found.steps],
        "certainty": asdict(found.certainty),
    }
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords, tiles.attributes)
        file.create_dataset("tile_index", data=np.asarray(clustered.tile_index, np.int64))
        for name in LABELS:
            file.create_dataset(name, data=np.asarray(getattr(found, name), np.int32))
        file.create_dataset("agreement", data=np.asarray(found.agreement, np.float32))
        file.attrs["history"] = json.dumps(history, allow_nan=False)


def read_clusters(path: str | Path) -> ClusteredTiles:
    """Read what `write_clusters` wrote."""
    with open_file(path) as file:
        history = json.loads(file.attrs["history"])
        found = Clustering(
            settings=ClusteringSettings(**history["settings"]),
            **{name: file[name][:] for name in LABELS},
            agreement=file["agreement"][:],
            steps=tuple(map(_step, history["steps"])),
            certainty=Certainty(**history["certainty"]),
            notes=tuple(history["notes"]),
        )
        return ClusteredTiles(tiles_of(file), file["tile_index"][:], found)


def _step(stored: dict[str, Any]) -> Step:
    merged = stored["merged_sizes"]
    return Step(**{**stored, "merged_sizes": merged and tuple(merged)})
