"""Figures of agreement: a section with its tiles and spots, and clusters beside a known truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from helpers.figures import texts
from histohet.agreement.expression import agree_with_spots
from histohet.agreement.figures import Section, draw_agreement, draw_section
from histohet.agreement.spots import Spots
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.drawing.palette import cluster_colour
from histohet.drawing.style import save_figure
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.lattice import lattice
from histohet.tiles.settings import TileSpec


def section() -> Section:
    spec, mpp = TileSpec(), 0.5
    coords = lattice(4500, 3200, spec, mpp)[:120]
    labels = (coords[:, 0] > 2000).astype(np.int32) + 2 * (coords[:, 1] > 2000)
    tiles = TileTable(coords, tile_attributes("s", spec, mpp, (4500, 3200), ""), OK)
    found = replace(
        at_most_one_cluster(ClusteringSettings(), len(coords)), labels=labels.astype(np.int32)
    )
    clusters = ClusteredTiles(tiles, np.arange(len(coords)), found)
    x, y = np.meshgrid(np.arange(150, 4300, 400.0), np.arange(150, 2900, 400.0))
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    kinds = np.where(centres[:, 0] > 2100, "right", "left").astype("U8")
    kinds[centres[:, 1] > 2600] = "outside"
    kinds[0] = ""
    kinds[3] = "rare"
    spots = Spots(centres, kinds)
    thumbnail = np.full((320, 450, 3), 230, np.uint8)
    return Section("s", thumbnail, clusters, spots, agree_with_spots(clusters, spots, 1))


def test_paired_clusters_share_a_colour_and_counts_are_shown(tmp_path: Path) -> None:
    data = section()
    found = data.agreement
    assert found.labels == ["left", "rare", "right"]
    figure = draw_section(data)
    _, middle, right = figure.axes[:3]
    faces = middle.collections[0].get_facecolor()
    of_kind = {
        kind: {
            to_hex(face) for face, has in zip(faces, data.spots.labels == kind, strict=True) if has
        }
        for kind in ("left", "right", "rare")
    }
    best = {
        name: found.numbers[int(found.counts[row].argmax())]
        for row, name in enumerate(found.labels)
    }
    assert best["left"] != best["right"]
    for kind in ("left", "right"):
        assert of_kind[kind] == {cluster_colour(best[kind]).lower()}
    # Without a pair, a colour that no cluster of the map has.
    used = {
        cluster_colour(number).lower()
        for number in np.unique(data.clusters.clustering.labels).tolist()
    }
    assert len(of_kind["rare"]) == 1
    assert not of_kind["rare"] & used
    hollow = np.isin(data.spots.labels, ["", "outside"])
    assert (faces[hollow, 3] == 0).all()
    shown = [text.get_text() for text in right.texts]
    assert sorted(map(int, shown[: found.counts.size])) == sorted(found.counts.ravel().tolist())
    result = found.result
    assert f"{result.n_compared} of {result.n_spots} spots compared" in shown[-1]
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        save_figure(draw_section(data), [path], Provenance())
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_outliers_are_drawn_in_their_colour_and_counted() -> None:
    data = section()
    labels = data.clusters.clustering.labels.copy()
    labels[data.clusters.tiles.coords[:, 0] < 700] = OUTLIER
    clustering = replace(data.clusters.clustering, start=labels, raw=labels, labels=labels)
    clusters = replace(data.clusters, clustering=clustering)
    agreement = agree_with_spots(clusters, data.spots, 1)
    figure = draw_section(replace(data, clusters=clusters, agreement=agreement))
    words = texts(figure)
    assert f"Tiles: 2 clusters; outliers: {(labels == OUTLIER).sum()}" in words
    assert agreement.result.n_on_outliers > 0
    assert f"{agreement.result.n_on_outliers} on outliers" in words
    assert OUTLIER not in agreement.numbers
    pixels = figure.axes[0].images[0].get_array()
    # 0.72 of the tile's colour over a nearly white backdrop.
    assert (pixels == np.rint(0.28 * pixels.max())).all(axis=2).mean() > 0.05
    assert "outliers" not in texts(draw_section(data))


# Agreement with a known truth ---------------------------------------------------------------------


def test_agreement_figure() -> None:
    table = pd.DataFrame(
        {
            "n_subclones": [1, 2, 3],
            "n_clusters": [1, 2, 5],
            "ari_start": [0.1, 0.2, 0.3],
            "ari_raw": [0.2, 0.3, 0.4],
            "ari": [0.5, 0.6, 0.9],
        }
    )
    words = texts(draw_agreement(table, "variant full"))
    assert "0.60" in words
    assert "variant full" in words
    assert "No slide with a known truth" in texts(draw_agreement(table.iloc[:0], "x"))
