"""What is painted over a slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.atlases import Cohort
from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.agreement.truth import Truth
from histohet.atlas.layers import (
    UNKNOWN,
    Kinds,
    Numbers,
    cluster_layers,
    column_layers,
    lattice_of,
    trait_layers,
    truth_layer,
)
from histohet.clustering.file import read_clusters
from histohet.drawing.palette import NEUTRAL, OUTLIERS, cluster_colour
from histohet.measures.traits import TraitMap
from histohet.tiles.file import read_tiles
from histohet.traits.figures import combination_colour

TILES = tile_table(lattice(4, 3, 224), 0.5, (1000, 800))
LATTICE = lattice_of(TILES)


def test_clusters_stand_at_their_rows_of_the_tile_file(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=5, rows=4, n_clusters=3)
    clustered = read_clusters(cohort.file("clusters", "a"))
    place = lattice_of(read_tiles(cohort.file("tiles", "a")))
    layers = {layer.name: layer for layer in cluster_layers(place, clustered)}
    assert list(layers) == ["labels", "raw", "start", "stability"]
    found, result = clustered.clustering, layers["labels"]
    assert isinstance(result, Kinds)
    wanted = np.full(20, UNKNOWN)
    wanted[clustered.tile_index] = np.where(found.labels < 0, 3, found.labels)
    assert result.codes.tolist() == wanted.tolist()
    assert [kind.label for kind in result.kinds] == ["1", "2", "3", "outliers"]
    assert [kind.colour for kind in result.kinds] == [
        *map(cluster_colour, range(3)),
        OUTLIERS,
    ]
    counts = [kind["n"] for kind in result.as_dict()["kinds"]]
    assert counts == [*np.bincount(found.labels[found.labels >= 0]).tolist(), 1]
    stability = layers["stability"]
    assert isinstance(stability, Numbers)
    np.testing.assert_array_equal(stability.values[clustered.tile_index], found.agreement)
    assert np.isnan(np.delete(stability.values, clustered.tile_index)).all()


def test_of_a_pool_only_clustered_tiles_are_shown(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=5, rows=4)
    clustered = read_clusters(cohort.file("clusters", "a"))
    pooled = lattice_of(clustered.tiles, clustered.tile_index)
    assert not pooled.is_whole
    (result, *_) = cluster_layers(pooled, clustered)
    assert isinstance(result, Kinds)
    assert (result.codes != UNKNOWN).all()
    coverage = np.linspace(0, 1, 20, dtype=np.float32)
    (shown,) = column_layers(pooled, coverage, None)
    assert isinstance(shown, Numbers)
    np.testing.assert_array_equal(shown.values, coverage[clustered.tile_index])


def test_columns_of_tiles_are_layers_where_there_are_any() -> None:
    nothing = np.empty(0, np.float32)
    assert list(column_layers(LATTICE, nothing, nothing)) == []
    scores = np.arange(12, dtype=np.float32)
    scores[3] = np.nan
    coverage, attention = column_layers(LATTICE, np.ones(12, np.float32), scores)
    assert isinstance(coverage, Numbers)
    assert isinstance(attention, Numbers)
    assert coverage.limits == (0, 1)
    known = np.delete(scores, 3)
    assert attention.limits == pytest.approx(np.percentile(known, (1, 99)))


def test_truth_is_known_of_near_tiles_alone() -> None:
    truth = Truth(TILES.coords[:6] + 50, np.array([0, 1, 1, 4, 4, -1]))
    (layer,) = truth_layer(LATTICE, truth)
    assert isinstance(layer, Kinds)
    assert [kind.label for kind in layer.kinds] == ["no tumour", "subclone 1", "subclone 4"]
    assert [kind.colour for kind in layer.kinds] == [NEUTRAL, cluster_colour(0), cluster_colour(3)]
    assert layer.codes[:6].tolist() == [0, 1, 1, 2, 2, 0]


def test_traits_are_those_of_the_nearest_tile_of_the_map() -> None:
    votes = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.bool_)
    logits = np.array([[-3, -3], [2, -1], [4, 4], [-2, 0]], np.float32)
    found = TraitMap(("A", "B"), TILES.coords[:4] + 60, votes, logits)
    both, of_a, of_b = trait_layers(LATTICE, found, [["A", "B"]])
    assert isinstance(both, Kinds)
    assert isinstance(of_a, Numbers)
    assert both.name == "traits_A_B"
    assert [kind.label for kind in both.kinds] == ["no trait", "A", "B", "A + B"]
    assert both.codes.tolist() == [0, 1, 3, 2] + [UNKNOWN] * 8
    red, green, blue = combination_colour(3, 2)
    assert both.kinds[3].colour == f"#{red:02X}{green:02X}{blue:02X}"
    np.testing.assert_allclose(of_a.values[:4], 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-6)
    assert np.isnan(of_a.values[4:]).all()
    assert isinstance(of_b, Numbers)


def test_maps_of_other_traits_are_shown_as_they_are() -> None:
    found = TraitMap(("C",), TILES.coords, np.ones((12, 1), np.bool_))
    (only,) = trait_layers(LATTICE, found, [["A", "B"]])
    assert only.name == "traits_C"
    assert list(trait_layers(LATTICE, TraitMap((), TILES.coords[:0], votes_of_none()), [])) == []


def votes_of_none() -> np.ndarray:
    return np.empty((0, 0), np.bool_)


def test_overlapping_tiles_have_a_cell_of_one_pitch() -> None:
    spec = {"side_level0_px": 224.0, "overlap_um": 56.0}
    tiles = tile_table(lattice(4, 3, 112), 0.5, (1000, 800))
    overlapping = lattice_of(type(tiles)(tiles.coords, {**tiles.attributes, **spec}, tiles.outcome))
    assert overlapping.cell_px == 112
    assert LATTICE.cell_px == 224
