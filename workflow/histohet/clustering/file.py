"""HDF5 files of clustered tiles: labels, how they came about, and how certain they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from histohet.clustering.certainty import Certainty
from histohet.common.hdf5 import new_file, open_file
from histohet.common.provenance import Provenance
from histohet.tiles.file import TileTable, tiles_of, write_coords

if TYPE_CHECKING:
    # Readers need none of what clustering loads.
    from histohet.clustering.result import Clustering
    from histohet.clustering.settings import ClusteringParams

NO_LABELS = np.empty(0, np.int32)


@dataclass(frozen=True)
class ClusterTable:
    """Clusters of the tiles of a slide, and how they came about.

    Attributes
    ----------
    tiles, tile_index
        The tiles that were clustered, and their rows in the tile file, int64 (M,).
    start, raw, labels
        int32 (M,) k-means start, labels before the last smoothing, final labels; see
        `histohet.clustering.result.Clustering`.
    agreement
        float32 (M,) share of the restarts in which a tile kept its cluster; NaN where unknown.
    q
        The most clusters there could be.
    model_choice
        What the number of clusters was chosen by.
    numbers, criterion
        Number of clusters at every step, and its criterion; (S,) each.
    certainty
        Figures on the clusters.
    """

    tiles: TileTable
    tile_index: npt.NDArray[np.int64]
    start: npt.NDArray[np.int32]
    raw: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    agreement: npt.NDArray[np.float32]
    q: int
    model_choice: str
    numbers: tuple[int, ...]
    criterion: tuple[float, ...]
    certainty: Certainty


def write_clusters(
    path: str | Path,
    tiles: TileTable,
    tile_index: npt.NDArray[np.int64],
    params: ClusteringParams,
    found: Clustering | None,
    provenance: Provenance,
) -> None:
    """Write the clusters of a slide.

    Parameters
    ----------
    tiles, tile_index
        The tiles that were clustered, and their rows in the tile file; none without clusters.
    params
        How they were clustered.
    found
        Their clusters; None where the outcome of `tiles` says why there are none.
    """
    with new_file(path, tiles.outcome, provenance) as file:
        write_coords(file, tiles.coords, tiles.attributes)
        file.create_dataset("tile_index", data=np.asarray(tile_index, np.int64))
        for name in ("start", "raw", "labels"):
            values = NO_LABELS if found is None else getattr(found, name)
            file.create_dataset(name, data=np.asarray(values, np.int32))
        file.create_dataset("agreement", data=_agreement(found))
        file.attrs["history"] = json.dumps(_history(params, found), allow_nan=False)


def _agreement(found: Clustering | None) -> npt.NDArray[np.float32]:
    if found is not None and found.stability is not None:
        return found.stability.agreement
    return np.full(0 if found is None else len(found.labels), np.nan, np.float32)


def _history(params: ClusteringParams, found: Clustering | None) -> dict[str, Any]:
    history: dict[str, Any] = {
        "q": params.q,
        "model_choice": params.model_choice,
        "notes": [],
        "steps": [],
        "certificate": None,
        "stability": None,
    }
    if found is None:
        return history
    stability = found.stability
    return history | {
        "notes": found.notes,
        "steps": [asdict(step) for step in found.steps],
        "certificate": found.certificate and asdict(found.certificate),
        "stability": stability
        and {
            "n_restarts": stability.n_restarts,
            "mean_ari": stability.mean_ari,
            "fewest": stability.fewest,
            "most": stability.most,
        },
    }


def read_clusters(path: str | Path) -> ClusterTable:
    """Read what `write_clusters` wrote."""
    with open_file(path) as file:
        history = json.loads(file.attrs["history"])
        return ClusterTable(
            tiles=tiles_of(file),
            tile_index=file["tile_index"][:],
            start=file["start"][:],
            raw=file["raw"][:],
            labels=file["labels"][:],
            agreement=file["agreement"][:],
            q=history["q"],
            model_choice=history["model_choice"],
            numbers=tuple(step["n_clusters"] for step in history["steps"]),
            criterion=tuple(step["criterion"] for step in history["steps"]),
            certainty=_certainty(history),
        )


def _certainty(history: dict[str, Any]) -> Certainty:
    stability = history["stability"] or {}
    return Certainty(
        **(history["certificate"] or {}),
        stability_ari=stability.get("mean_ari"),
        n_all_clusters_low=stability.get("fewest"),
        n_all_clusters_high=stability.get("most"),
    )
