"""A slide as AnnData: read back with anndata itself, and written in little memory."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest

from helpers.tiletables import tile_table
from histohet.clustering.anndata import write_anndata
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.anndata import read_observations
from histohet.common.arrays import Floats, Ints
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.drawing.palette import OUTLIERS, cluster_colour
from histohet.features.file import feature_file, open_features
from histohet.tiles.file import no_tiles

THUMBNAIL = np.full((90, 100, 3), 200, np.uint8)
PROVENANCE = Provenance({"q": 8}, {"features": "a.h5"})


def slide(n: int, labels: Ints) -> ClusteredTiles:
    """Clusters of every second of 2 n tiles in a row."""
    coords = np.column_stack([np.arange(2 * n) * 443, np.full(2 * n, 10)])
    tiles = tile_table(coords, 0.2527, (1000 * n, 900 * n))
    found = replace(
        at_most_one_cluster(ClusteringSettings(), n),
        labels=labels.astype(np.int32),
        raw=(labels * 3).astype(np.int32),
        agreement=np.linspace(0, 1, n, dtype=np.float32),
    )
    index = np.arange(1, 2 * n, 2)
    return ClusteredTiles(replace(tiles, coords=coords[index]), index, found)


def features(path: Path, n: int, width: int) -> Path:
    """Embeddings of all tiles but the first, each a row of its own number."""
    coords = np.column_stack([np.arange(2 * n) * 443, np.full(2 * n, 10)])
    tiles = tile_table(coords, 0.2527, (1000 * n, 900 * n))
    with feature_file(path, tiles, np.arange(1, 2 * n), width, "e", Provenance()) as file:
        for row in range(1, 2 * n, 1000):
            numbers = np.arange(row, min(row + 1000, 2 * n), dtype=np.float32)
            file.append(np.repeat(numbers[:, None], width, axis=1))
    return path


def export(folder: Path, clustered: ClusteredTiles, embeddings: Path, **columns: Floats) -> Path:
    path = folder / "a.h5ad"
    with open_features(embeddings) as opened:
        write_anndata(path, "a", clustered, opened, columns, THUMBNAIL, PROVENANCE)
    return path


def test_anndata_reads_a_slide(tmp_path: Path) -> None:
    clustered = slide(6, np.array([0, 1, 1, 0, 2, 0]))
    embeddings = features(tmp_path / "features.h5", 6, 5)
    scores = np.linspace(0, 1, 6)
    columns = {"epithelium": scores, "tumour score of cluster": scores[::-1]}
    found = anndata.read_h5ad(export(tmp_path, clustered, embeddings, **columns))
    assert found.shape == (6, 5)
    assert found.X.dtype == np.float32
    np.testing.assert_array_equal(found.X[:, 4], clustered.tile_index)
    assert found.obs_names.tolist() == [f"a_{row}" for row in (1, 3, 5, 7, 9, 11)]
    assert found.obs["cluster"].astype(str).tolist() == list("122131")
    assert found.obs["cluster"].cat.categories.tolist() == list("123")
    assert found.obs["cluster_before_smoothing"].astype(str).tolist() == list("144171")
    np.testing.assert_array_equal(found.obs["tile"], clustered.tile_index)
    np.testing.assert_array_equal(found.obs["epithelium"], scores)
    np.testing.assert_array_equal(found.obs["tumour_score_of_cluster"], scores[::-1])
    np.testing.assert_array_equal(found.obs["stability"], clustered.clustering.agreement)
    centres = clustered.tiles.coords + clustered.tiles.side_px / 2
    np.testing.assert_array_equal(found.obsm["spatial"], centres)
    assert found.uns["cluster_colors"].tolist() == [cluster_colour(i) for i in range(3)]
    assert found.uns["cluster_before_smoothing_colors"][2] == cluster_colour(6)
    section = found.uns["spatial"]["a"]
    np.testing.assert_array_equal(section["images"]["hires"], THUMBNAIL)
    assert section["scalefactors"]["tissue_hires_scalef"] == 100 / 6000
    assert section["scalefactors"]["spot_diameter_fullres"] == clustered.tiles.side_px
    about = found.uns["histohet"]
    assert (about["slide"], about["status"], about["mpp"]) == ("a", "ok", 0.2527)
    assert json.loads(about["provenance"])["parameters"] == {"q": 8}
    # As any other file from outside.
    names, positions, labels = read_observations(tmp_path / "a.h5ad", "cluster")
    assert names.tolist() == found.obs_names.tolist()
    np.testing.assert_array_equal(positions, centres)
    assert labels.tolist() == list("122131")


def test_what_anndata_writes_of_it_is_read(tmp_path: Path) -> None:
    clustered = slide(6, np.array([0, 1, 1, 0, 2, 0]))
    found = anndata.read_h5ad(export(tmp_path, clustered, features(tmp_path / "f.h5", 6, 5)))
    found.write_h5ad(tmp_path / "again.h5ad")
    again = read_observations(tmp_path / "again.h5ad", "cluster")
    for one, other in zip(again, read_observations(tmp_path / "a.h5ad", "cluster"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_outliers_are_a_category_after_those_of_the_clusters(tmp_path: Path) -> None:
    clustered = slide(6, np.array([0, OUTLIER, 1, 0, OUTLIER, 0]))
    raw = np.array([0, OUTLIER, 2, 0, OUTLIER, 0], np.int32)
    clustered = replace(clustered, clustering=replace(clustered.clustering, raw=raw))
    found = anndata.read_h5ad(export(tmp_path, clustered, features(tmp_path / "f.h5", 6, 5)))
    assert found.obs["cluster"].tolist() == ["1", "outlier", "2", "1", "outlier", "1"]
    assert found.obs["cluster"].cat.categories.tolist() == ["1", "2", "outlier"]
    assert found.uns["cluster_colors"].tolist() == [cluster_colour(0), cluster_colour(1), OUTLIERS]
    assert found.obs["cluster_before_smoothing"].cat.categories.tolist() == ["1", "3", "outlier"]
    assert found.uns["histohet"]["status"] == "ok"


def test_a_slide_of_outliers_alone_shows_them_and_says_why(tmp_path: Path) -> None:
    clustered = slide(6, np.full(6, OUTLIER))
    found = anndata.read_h5ad(export(tmp_path, clustered, features(tmp_path / "f.h5", 6, 5)))
    assert found.obs["cluster"].tolist() == ["outlier"] * 6
    assert found.uns["histohet"]["status"] == "too_few_tiles"
    assert "all 6 tiles are outliers" in found.uns["histohet"]["reason"]


def test_a_slide_without_result_says_why(tmp_path: Path) -> None:
    lost = no_tiles("a", Outcome(Status.NO_TISSUE, "no piece above 1 mm²"))
    nothing = at_most_one_cluster(ClusteringSettings(), 0)
    with feature_file(tmp_path / "f.h5", lost, np.empty(0, np.int64), 1, "e", Provenance()):
        pass
    clustered = ClusteredTiles(lost, np.empty(0, np.int64), nothing)
    found = anndata.read_h5ad(
        export(tmp_path, clustered, tmp_path / "f.h5", epithelium=np.empty(0))
    )
    assert found.shape == (0, 1)
    assert found.obsm["spatial"].shape == (0, 2)
    assert found.uns["histohet"]["status"] == "no_tissue"
    assert found.uns["histohet"]["reason"] == "no piece above 1 mm²"


def test_clusters_without_embedding_are_an_error(tmp_path: Path) -> None:
    clustered = slide(6, np.zeros(6, int))
    other = replace(clustered, tile_index=clustered.tile_index - 1)
    with pytest.raises(ValueError, match="lack tiles that were clustered"):
        export(tmp_path, other, features(tmp_path / "f.h5", 6, 5))
    assert not (tmp_path / "a.h5ad").exists()


def test_embeddings_are_never_all_in_memory(tmp_path: Path) -> None:
    n, width = 5 * CHUNK_ROWS, 256
    clustered = slide(n, np.arange(n) % 7)
    embeddings = features(tmp_path / "f.h5", n, width)
    tracemalloc.start()
    path = export(tmp_path, clustered, embeddings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * width * 4
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["X"][:, 0], clustered.tile_index)


def test_the_same_slide_gives_the_same_bytes(tmp_path: Path) -> None:
    clustered = slide(6, np.array([0, 1, 1, 0, 2, 0]))
    embeddings = features(tmp_path / "f.h5", 6, 5)
    first = export(tmp_path, clustered, embeddings).read_bytes()
    assert export(tmp_path, clustered, embeddings).read_bytes() == first
