"""Agreement at spots: scikit-learn as oracle, geometry by brute force, calibration."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.agreement.expression import (
    MAX_TRIES_PER_PLACEMENT,
    OUTSIDE,
    TileMap,
    against_placements,
    agree_with_spots,
    compare_spots,
    confusion,
    contingencies,
    indices,
    no_agreement,
    place,
)
from histohet.agreement.spots import Spots
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings

SIDE = 112 / 0.688


TILES = np.rint(lattice(30, 26) * SIDE).astype(np.int64)
SPOTS = lattice(15, 13) * 290.7 + 300


def spots_of(labels: np.ndarray, centres: np.ndarray = SPOTS) -> Spots:
    return Spots(centres, np.array(labels).astype(str))


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6))
def test_indices_are_those_of_scikit_learn(seed: int, n_labels: int, n_clusters: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    labels = rng.integers(n_labels, size=n)
    found = rng.integers(n_clusters, size=(3, n))
    # From the third spot on some lie on no tile, so that two remain at least.
    found[:, 2:][rng.random((3, n - 2)) < 0.3] = OUTSIDE
    ari, nmi = indices(contingencies(labels, found))
    for row, clusters in enumerate(found):
        inside = clusters != OUTSIDE
        pair = labels[inside], clusters[inside]
        assert ari[row] == pytest.approx(adjusted_rand_score(*pair), abs=1e-12)
        assert nmi[row] == pytest.approx(normalized_mutual_info_score(*pair), abs=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_a_point_has_the_cluster_of_the_tile_that_contains_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kept = rng.random(len(TILES)) < 0.7
    coords, clusters = TILES[kept], rng.integers(9, size=int(kept.sum()))
    points = rng.uniform(-300, TILES.max() + 500, (200, 2))
    expected = np.full(len(points), OUTSIDE)
    border = np.zeros(len(points), bool)
    for corner, cluster in zip(coords, clusters, strict=True):
        inward = np.minimum(points - corner, corner + SIDE - points).min(axis=1)
        expected[inward >= 0] = cluster
        # Corners are whole pixels: within a pixel of an edge the neighbour is as good.
        border |= np.abs(inward) <= 1
    found = TileMap(coords, SIDE, clusters).at(points)
    np.testing.assert_array_equal(found[~border], expected[~border])


def test_of_overlapping_tiles_the_nearest_centre_counts() -> None:
    tiles = TileMap(np.array([[0, 0], [50, 0]]), 100, np.array([3, 4]))
    points = np.array([[60.0, 50], [80, 50], [20, 50], [148, 99], [200, 50]])
    assert tiles.at(points).tolist() == [3, 4, 3, 4, OUTSIDE]


def test_equal_maps_agree_perfectly_and_significantly() -> None:
    stripes = (TILES[:, 0] // 900 + 3 * (TILES[:, 1] // 1200)).astype(np.int64)
    tiles = TileMap(TILES, SIDE, stripes)
    found = compare_spots(spots_of(tiles.at(SPOTS)), tiles, 199, 1)
    assert (found.ari, found.nmi) == (pytest.approx(1), pytest.approx(1))
    assert found.ari_p == found.nmi_p == 1 / 200
    assert found.n_compared == found.n_spots == len(SPOTS)
    assert found.n_placements == 199
    assert found.ari_null is not None
    assert found.ari_null < 0.6
    assert found.reason == ""


def blocks(seed: int) -> tuple[Spots, TileMap]:
    rng = np.random.default_rng(seed)
    of_tile = rng.integers(4, size=(9, 9))[tuple((TILES // 700).T)]
    of_spot = rng.integers(4, size=(9, 9))[tuple((SPOTS // 700).astype(int).T)]
    return spots_of(of_spot), TileMap(TILES, SIDE, of_tile)


def test_same_seed_same_result_and_names_do_not_matter() -> None:
    spots, tiles = blocks(3)
    found = compare_spots(spots, tiles, 99, 5)
    assert compare_spots(spots, tiles, 99, 5) == found
    renamed = Spots(spots.centres, np.array([f"z{9 - int(label)}" for label in spots.labels]))
    assert asdict(compare_spots(renamed, tiles, 99, 5)) == pytest.approx(asdict(found), abs=1e-12)
    assert compare_spots(spots, tiles, 99, 6).ari_null != found.ari_null


def test_spots_on_outliers_are_left_out_as_if_there_were_no_tile_and_counted() -> None:
    """So large that no point lies within the half pixel by which tiles reach over their edges."""
    coords, side = TILES * 1000, SIDE * 1000
    spots = spots_of(blocks(5)[0].labels, SPOTS * 1000)
    clusters = np.arange(len(TILES)) % 4
    odd = (TILES[:, 0] > 1500) & (TILES[:, 0] < 2300)
    found = compare_spots(spots, TileMap(coords, side, np.where(odd, OUTLIER, clusters)), 99, 1)
    without = compare_spots(spots, TileMap(coords[~odd], side, clusters[~odd]), 99, 1)
    assert found.n_on_outliers > 10
    assert without.n_outside == found.n_outside + found.n_on_outliers
    assert found == replace(without, n_outside=found.n_outside, n_on_outliers=found.n_on_outliers)
    assert found.n_spots == found.n_outside + found.n_on_outliers + found.n_compared


def test_a_section_of_outliers_alone_is_not_compared() -> None:
    tiles = tile_table(TILES, 0.688, (5000, 5000))
    nothing = np.full(len(TILES), OUTLIER, np.int32)
    found = replace(at_most_one_cluster(ClusteringSettings(), len(TILES)), labels=nothing)
    spots, _ = blocks(6)
    section = agree_with_spots(ClusteredTiles(tiles, np.arange(len(TILES)), found), spots, 1)
    assert (section.result.n_compared, section.labels) == (0, [])
    assert "outliers" in section.result.reason
    assert (section.clusters == OUTSIDE).all()


def test_labels_and_tiles_are_counted() -> None:
    spots, _ = blocks(4)
    labels = spots.labels.copy()
    labels[:7] = ""
    kept = TILES[:, 0] < 2600
    tiles = TileMap(TILES[kept], SIDE, np.arange(kept.sum()) % 3)
    found = compare_spots(Spots(SPOTS, labels), tiles, 9, 1)
    inside = tiles.at(SPOTS) != OUTSIDE
    assert found.n_unlabelled == 7
    assert found.n_outside == (~inside[7:]).sum() > 0
    assert found.n_compared == inside[7:].sum()
    assert found.n_spots == found.n_unlabelled + found.n_outside + found.n_compared
    names, numbers, counts = confusion(Spots(SPOTS, labels), tiles)
    assert counts.sum() == found.n_compared
    assert (len(names), len(numbers)) == (found.n_labels, found.n_clusters) == counts.shape
    clusters = tiles.at(SPOTS)
    for row, name in enumerate(names):
        for column, number in enumerate(numbers):
            assert counts[row, column] == ((labels == name) & (clusters == number)).sum()


def test_placements_are_rigid_and_keep_enough_spots() -> None:
    # Every tile is its own cluster, so that where a spot came to lie can be read back.
    tiles = TileMap(TILES, SIDE, np.arange(len(TILES)))
    placed = place(SPOTS, tiles, 150, 60, 2)
    assert placed.shape == (60, len(SPOTS))
    assert ((placed != OUTSIDE).sum(axis=1) >= 150).all()
    turned = set()
    for row in placed:
        inside = np.flatnonzero(row != OUTSIDE)
        at = TILES[row[inside]] + SIDE / 2
        first, last = inside[0], inside[-1]
        before = np.linalg.norm(SPOTS[last] - SPOTS[first])
        after = np.linalg.norm(at[-1] - at[0])
        # Both ends are known to half the diagonal of a tile.
        assert abs(before - after) <= SIDE * math.sqrt(2)
        arms = np.diff(at[[0, len(at) // 3, -1]], axis=0)
        original = np.diff(SPOTS[inside[[0, len(at) // 3, -1]]], axis=0)
        turned.add(bool(np.linalg.det(arms) * np.linalg.det(original) > 0))
    assert turned == {True, False}
    assert len(np.unique(placed, axis=0)) == 60


def test_one_map_without_structure_has_no_p_value() -> None:
    _, tiles = blocks(1)
    found = compare_spots(spots_of(np.zeros(len(SPOTS))), tiles, 9, 1)
    assert (found.ari, found.nmi, found.ari_p, found.nmi_p) == (0, 0, None, None)
    assert found.reason == "all compared spots have one label, or lie in one cluster"


def test_positions_in_other_pixels_are_told() -> None:
    spots, tiles = blocks(1)
    found = compare_spots(Spots(SPOTS + 1e5, spots.labels), tiles, 9, 1)
    assert (found.n_outside, found.ari) == (len(SPOTS), None)
    assert "0 of 195 labelled spots" in found.reason
    assert "level 0" in found.reason


def test_too_few_placements_are_told() -> None:
    # A line of tiles: spots turned by more than a few degrees leave it.
    coords = np.stack([np.arange(0, 8000, 10), np.zeros(800, int)], axis=1)
    tiles = TileMap(coords, 10.0, np.arange(800) % 2)
    centres = coords + 5.0
    found = compare_spots(spots_of(np.arange(800) % 3, centres), tiles, 3, 1)
    assert found.ari is not None
    assert found.ari_p is None
    assert f"of {3 * MAX_TRIES_PER_PLACEMENT} random placements keep 80%" in found.reason


def test_a_slide_without_clusters_says_so() -> None:
    found = no_agreement(Spots(SPOTS[:3], np.array(["a", "", "b"])), "too_few_tiles: 3 tiles")
    assert (found.n_spots, found.n_unlabelled, found.n_outside, found.n_compared) == (3, 1, 2, 0)
    assert (found.ari, found.reason) == (None, "too_few_tiles: 3 tiles")


def test_p_is_the_share_of_placements_that_agree_as_well() -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(3, size=40)
    placed = rng.integers(3, size=(50, 40))
    placed[rng.random(placed.shape) < 0.1] = OUTSIDE
    found = against_placements(labels, placed[0], placed[1:])
    sizes, informations = [], []
    for clusters in placed:
        inside = clusters != OUTSIDE
        pair, n = (labels[inside], clusters[inside]), inside.sum()
        sizes.append(n * adjusted_rand_score(*pair))
        informations.append(np.sqrt(n) * normalized_mutual_info_score(*pair))
    assert found.ari_p == np.mean(np.array(sizes) >= sizes[0] - 1e-9)
    assert found.nmi_p == np.mean(np.array(informations) >= informations[0] - 1e-9)
    assert against_placements(labels, placed[0], placed[:1]).ari_p == 1


def test_smooth_independent_maps_are_rarely_significant() -> None:
    """The bench (tests/bench/placements.py) has more maps and repeats; docs/agreement.md."""
    rng = np.random.default_rng(20)
    spots, centres = SPOTS, TILES + SIDE / 2

    def root(points: np.ndarray) -> np.ndarray:
        squared = ((points[:, None] - points) ** 2).sum(axis=2)
        covariance = np.exp(-squared / (2 * (1.5 * 290.7) ** 2))
        return np.linalg.cholesky(covariance + 1e-6 * np.eye(len(points)))

    of_spots, of_tiles = root(spots), root(centres)
    tiles = TileMap(TILES, SIDE, np.arange(len(TILES)))
    at = tiles.at(spots)
    sets = [place(spots, tiles, 0.8 * len(spots), 99, seed) for seed in range(10)]
    rejected = dict.fromkeys(("placed", "placed, nmi", "shuffled", "shuffled, nmi"), 0)
    repeats = 300
    for repeat in range(repeats):
        labels = (of_spots @ rng.standard_normal((len(spots), 6))).argmax(axis=1)
        clusters = (of_tiles @ rng.standard_normal((len(TILES), 4))).argmax(axis=1)
        of_tile = np.append(clusters, OUTSIDE)
        shuffled = rng.permuted(np.tile(of_tile[at], (99, 1)), axis=1)
        placed = of_tile[sets[repeat % len(sets)]]
        for name, null in (("placed", placed), ("shuffled", shuffled)):
            found = against_placements(labels, of_tile[at], null)
            rejected[name] += found.ari_p <= 0.05
            rejected[f"{name}, nmi"] += found.nmi_p <= 0.05
    # 5 % of 300 are 15, with a standard deviation of 3.8.
    assert 4 <= rejected["placed"] <= 30
    assert 1 <= rejected["placed, nmi"] <= 30
    assert min(rejected["shuffled"], rejected["shuffled, nmi"]) > 0.5 * repeats
