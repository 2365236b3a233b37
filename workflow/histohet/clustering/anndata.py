"""The clustered tiles of a slide as AnnData, for Scanpy and Squidpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER
from histohet.common.anndata import Categories, new_anndata, new_rows, write_element, write_frame
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.provenance import Provenance
from histohet.drawing.palette import cluster_colour
from histohet.features.file import FeatureTable
from histohet.slides.reader import Pixels

CLUSTERS = {"cluster": "labels", "cluster_before_smoothing": "raw"}
"""Columns of categories, and where a clustering has them."""


def write_anndata(
    path: str | Path,
    slide: str,
    clustered: ClusteredTiles,
    features: FeatureTable,
    measurements: Mapping[str, npt.NDArray[np.floating]],
    thumbnail: Pixels,
    provenance: Provenance,
) -> None:
    """Write tiles × embedding, with clusters, measurements and positions.

    Embeddings go from file to file, a few thousand rows at a time.

    Parameters
    ----------
    slide
        Its id.
    clustered
        Its N tiles and their clusters.
    features
        Embeddings of all these tiles, and perhaps of more.
    measurements
        Of the tiles, (N,) by name.
    thumbnail
        uint8 (H, W, 3), the whole slide.

    Raises
    ------
    ValueError
        If a clustered tile has no embedding.
    """
    tiles, found = clustered.tiles, clustered.clustering
    rows = np.flatnonzero(np.isin(features.tile_index, clustered.tile_index))
    if not np.array_equal(features.tile_index[rows], clustered.tile_index):
        raise ValueError(f"{path}: the embeddings lack tiles that were clustered")
    embeddings = features.features.only(rows)
    numbers = {column: getattr(found, name) for column, name in CLUSTERS.items()}
    with new_anndata(path, clustered.outcome, provenance) as file:
        x = new_rows(file, "X", embeddings.shape)
        for first in range(0, len(embeddings), CHUNK_ROWS):
            block = np.arange(first, min(first + CHUNK_ROWS, len(embeddings)))
            x[first : first + CHUNK_ROWS] = embeddings[block]
        write_frame(
            file,
            "obs",
            [f"{slide}_{row}" for row in clustered.tile_index.tolist()],
            {
                **{column: _categories(labels) for column, labels in numbers.items()},
                "stability": found.agreement,
                **{name.replace(" ", "_"): values for name, values in measurements.items()},
                "tile": clustered.tile_index,
            },
        )
        write_frame(file, "var", [f"feature_{i}" for i in range(embeddings.shape[1])], {})
        half = tiles.side_px / 2 if tiles.outcome.ok else 0.0
        write_element(file["obsm"], "spatial", tiles.coords + half)
        colours = {f"{column}_colors": _colours(labels) for column, labels in numbers.items()}
        about = _about(slide, clustered, provenance)
        uns = {**colours, "histohet": about, "spatial": _picture(slide, clustered, thumbnail)}
        for name, value in uns.items():
            write_element(file["uns"], name, value)


def _categories(labels: npt.NDArray[np.integer]) -> Categories:
    """Return clusters under the numbers that are shown, from 1 on, and the outliers."""
    kinds = _kinds(labels)
    code = {label: place for place, label in enumerate(kinds)}
    names = ["outlier" if label == OUTLIER else str(label + 1) for label in kinds]
    return Categories(np.array([code[label] for label in labels.tolist()], np.int64), names)


def _colours(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.str_]:
    return np.array([cluster_colour(label) for label in _kinds(labels)], np.str_)


def _kinds(labels: npt.NDArray[np.integer]) -> list[int]:
    """Return the labels in use, clusters before outliers."""
    present: list[int] = np.unique(labels).tolist()
    return sorted(present, key=lambda label: (label == OUTLIER, label))


def _about(slide: str, clustered: ClusteredTiles, provenance: Provenance) -> dict[str, Any]:
    tiles, outcome = clustered.tiles, clustered.outcome
    about: dict[str, Any] = {
        "slide": slide,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "provenance": provenance.as_json(),
    }
    if tiles.outcome.ok:
        about |= {"mpp": tiles.mpp, "tile_um": tiles.spec.tile_um, "tile_side_px": tiles.side_px}
    return about


def _picture(slide: str, clustered: ClusteredTiles, thumbnail: Pixels) -> dict[str, Any]:
    """Return the picture under the spots, as Scanpy and Squidpy expect it of a Visium section."""
    tiles = clustered.tiles
    if not tiles.outcome.ok:
        return {}
    scale = thumbnail.shape[1] / int(tiles.attributes["level0_width"])
    factors = {"tissue_hires_scalef": scale, "spot_diameter_fullres": tiles.side_px}
    return {slide: {"images": {"hires": thumbnail}, "scalefactors": factors, "metadata": {}}}
