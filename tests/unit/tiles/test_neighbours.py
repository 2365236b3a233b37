from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.lattices import lattice
from histohet.tiles.neighbours import adjacent_edges, edges_within_reach, knn_edges, nearest

POSITIONS = hnp.arrays(
    np.int64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(-4, 4)
)
DISTINCT = POSITIONS.map(lambda coords: np.unique(coords, axis=0))


def brute_force_nearest(points: np.ndarray, query: np.ndarray) -> list[tuple[int, int, int, int]]:
    """All points by squared distance, y, x, row, in plain Python integers."""
    qx, qy = map(int, query)
    return sorted(
        ((int(x) - qx) ** 2 + (int(y) - qy) ** 2, int(y), int(x), row)
        for row, (x, y) in enumerate(points)
    )


def brute_force_edges(coords: np.ndarray, k: int, reach: float = np.inf) -> list[list[int]]:
    edges = set()
    for tile, position in enumerate(coords):
        others = [at for at in brute_force_nearest(coords, position) if at[-1] != tile][:k]
        near = [row for squared, *_, row in others if squared**0.5 <= reach]
        edges.update((min(tile, other), max(tile, other)) for other in near)
    return [list(edge) for edge in sorted(edges)]


@given(DISTINCT.filter(len), POSITIONS, st.integers(1, 30))
def test_nearest_agrees_with_sorting_all_distances(points, queries, k):
    k = min(k, len(points))
    expected = [[row for *_, row in brute_force_nearest(points, query)[:k]] for query in queries]
    assert nearest(points, queries, k).tolist() == expected


def test_more_ties_than_were_asked_for_at_first_are_all_compared():
    # 1105 is a sum of two squares in 32 ways.
    x, y = np.meshgrid(np.arange(-33, 34), np.arange(-33, 34))
    circle = np.stack([x.ravel(), y.ravel()], axis=1)[(x**2 + y**2 == 1105).ravel()]
    assert len(circle) == 32
    points = circle[np.random.default_rng(0).permutation(32)]
    near = points[nearest(points, np.zeros((1, 2), np.int64), 3)[0]]
    assert near.tolist() == [[-4, -33], [4, -33], [-9, -32]]


@given(DISTINCT, st.integers(1, 12))
def test_knn_edges_agree_with_brute_force(coords, k):
    assert knn_edges(coords, k).tolist() == brute_force_edges(coords, k)


@given(DISTINCT, st.integers(1, 12), st.sampled_from([0.5, 1, 1.5, 2, 2.5, 3, 5, 100]))
def test_knn_edges_within_reach_agree_with_brute_force(coords, k, reach):
    assert knn_edges(coords, k, reach).tolist() == brute_force_edges(coords, k, reach)


@given(DISTINCT, st.integers(1, 12), st.sampled_from([None, 1, 1.5, 2.5, 5]))
def test_edges_with_ties_are_all_those_no_farther_than_the_kth(coords, k, reach):
    squared = ((coords[:, None] - coords[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, 10**9)
    kth = np.sort(squared, axis=1)[:, min(k, len(coords) - 1) - 1, None] if len(coords) > 1 else 0
    joined = squared <= np.minimum(kth, 10**8 if reach is None else reach**2)
    expected = np.argwhere(np.triu(joined | joined.T, 1))
    assert knn_edges(coords, k, reach, ties=True).tolist() == expected.tolist()


@given(DISTINCT, st.integers(1, 9), st.sampled_from([[[0, -1], [1, 0]], [[-1, 0], [0, 1]]]))
def test_edges_with_ties_do_not_change_when_the_slide_is_turned(coords, k, turn):
    turned = knn_edges(coords @ np.array(turn), k, ties=True)
    assert turned.tolist() == knn_edges(coords, k, ties=True).tolist()


@pytest.mark.parametrize("pitch", [448, 447.43])
def test_reach_of_one_and_a_half_pitches_joins_sides_and_corners(pitch):
    coords = np.rint(lattice(9, 9, 1) * pitch).astype(np.int64)
    edges = knn_edges(coords, 8, 1.5 * pitch)
    assert edges.tolist() == adjacent_edges(coords, pitch).tolist()
    assert len(edges) == 2 * 9 * 8 + 2 * 8 * 8
    assert len(knn_edges(coords, 8, 1.2 * pitch)) == 2 * 9 * 8
    # Without it, tiles of the edge look for their eight neighbours farther away.
    assert len(knn_edges(coords, 8)) > len(edges)


def test_neighbours_are_as_far_apart_as_the_reach_and_no_farther():
    coords = np.array([[0, 0], [448, 0], [448 + 672, 0], [448 + 672 + 673, 0]])
    assert knn_edges(coords, 1, 672).tolist() == [[0, 1], [1, 2]]
    assert knn_edges(coords, 1).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert knn_edges(coords, 8, 400).shape == (0, 2)


def test_no_edge_bridges_the_gap_between_two_pieces():
    piece = lattice(3, 3, 448)
    coords = np.concatenate([piece, piece + np.array([2000, 0])])
    edges = knn_edges(coords, 8, 672)
    assert ((edges < 9).sum(axis=1) != 1).all()
    assert edges[:20].tolist() == (edges[20:] - 9).tolist()
    assert ((knn_edges(coords, 8) < 9).sum(axis=1) == 1).any()


def test_reach_is_that_of_the_tiles_not_of_their_order():
    rng = np.random.default_rng(0)
    coords = rng.integers(0, 30, (200, 2))
    coords = np.unique(coords, axis=0)
    order = rng.permutation(len(coords))
    moved = np.sort(order[knn_edges(coords[order], 5, 2.3)], axis=1)
    assert sorted(moved.tolist()) == knn_edges(coords, 5, 2.3).tolist()


@given(DISTINCT, st.integers(1, 9), st.randoms(use_true_random=False))
def test_knn_edges_do_not_depend_on_the_order_of_tiles(coords, k, random):
    order = list(range(len(coords)))
    random.shuffle(order)
    edges = knn_edges(coords, k)
    back = np.array(order, np.int64)
    shuffled = np.sort(back[knn_edges(coords[order], k)], axis=1)
    assert sorted(shuffled.tolist()) == edges.tolist()


@given(POSITIONS, st.integers(1, 9))
def test_knn_edges_hold_with_tiles_of_one_position(coords, k):
    edges = knn_edges(coords, k)
    assert edges.dtype == np.int64
    assert (edges[:, 0] < edges[:, 1]).all()
    assert len(np.unique(edges, axis=0)) == len(edges)
    distances = ((coords[edges[:, 0]] - coords[edges[:, 1]]) ** 2).sum(axis=1)
    degree = np.bincount(edges.ravel(), minlength=len(coords))
    for tile, position in enumerate(coords):
        others = sorted(d for d, *_, row in brute_force_nearest(coords, position) if row != tile)
        own = np.sort(distances[(edges == tile).any(axis=1)])
        assert degree[tile] >= min(k, len(coords) - 1)
        assert own[: min(k, len(others))].tolist() == others[:k]


def test_every_tile_at_one_position_needs_no_quadratic_search():
    edges = knn_edges(np.zeros((3000, 2), np.int64), 8)
    assert (np.bincount(edges.ravel()) >= 8).all()


def test_interior_tiles_of_a_lattice_have_their_eight_neighbours():
    coords = lattice(7, 7, 448)
    edges = knn_edges(coords, 8)
    centre = 24
    neighbours = edges[(edges == centre).any(axis=1)].sum(axis=1) - centre
    assert {16, 17, 18, 23, 25, 30, 31, 32} <= set(neighbours.tolist())


def test_huge_coordinates_stay_exact():
    far = 2**25
    coords = np.array([[far, far], [far + 1, far], [0, 0], [1, 0]])
    assert knn_edges(coords, 1).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("n", [0, 1])
def test_no_edges_without_two_tiles(n):
    assert knn_edges(np.zeros((n, 2), np.int64), 8).shape == (0, 2)
    assert adjacent_edges(np.zeros((n, 2), np.int64), 10).shape == (0, 2)


def test_k_beyond_the_tiles_gives_the_complete_graph():
    assert knn_edges(lattice(2, 2, 448), 8).tolist() == brute_force_edges(lattice(2, 2, 448), 3)
    assert len(knn_edges(lattice(2, 2, 448), 8)) == 6


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="integers"):
        knn_edges(np.zeros((3, 2)), 2)
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        knn_edges(np.zeros((3, 3), np.int64), 2)
    with pytest.raises(ValueError, match="at least one neighbour"):
        knn_edges(lattice(2, 2, 448), 0)
    with pytest.raises(ValueError, match="5 nearest of 4 points"):
        nearest(lattice(2, 2, 448), lattice(2, 2, 448), 5)
    with pytest.raises(ValueError, match="pitch"):
        adjacent_edges(lattice(2, 2, 448), 0)


def test_adjacent_tiles_touch_at_a_side_or_a_corner():
    edges = adjacent_edges(lattice(3, 3, 448), 448)
    assert len(edges) == 12 + 8
    gap = np.array([[0, 0], [448, 0], [896 + 448, 0]])
    assert adjacent_edges(gap, 448).tolist() == [[0, 1]]


def test_adjacency_survives_a_fractional_pitch():
    corners = np.rint(np.arange(200) * 447.43).astype(np.int64)
    coords = np.stack([corners, np.zeros_like(corners)], axis=1)
    assert len(adjacent_edges(coords, 447.43)) == 199


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), max_size=30),
    st.floats(0.5, 15),
)
def test_pairs_within_reach_are_those_of_a_loop(places, reach):
    coords = np.array(places, np.int64).reshape(-1, 2)
    expected = [
        [u, v]
        for u in range(len(coords))
        for v in range(u + 1, len(coords))
        if ((coords[u] - coords[v]) ** 2).sum() <= reach**2
    ]
    assert edges_within_reach(coords, reach).tolist() == expected


@pytest.mark.real
def test_knn_of_clams_published_coordinates(real_data: Path):
    with h5py.File(real_data / "interop" / "clam_coords_TCGA-2V-A95S.h5") as file:
        coords = file["coords"][:].astype(np.int64)
    edges = knn_edges(coords, 8)
    some = np.random.default_rng(0).choice(len(coords), 50, replace=False)
    near = nearest(coords, coords[some], 9)
    pairs = {tuple(edge) for edge in edges.tolist()}
    for tile, row in zip(some, near, strict=True):
        expected = [other for *_, other in brute_force_nearest(coords, coords[tile])[:9]]
        assert row.tolist() == expected
        assert {(min(tile, v), max(tile, v)) for v in expected if v != tile} <= pairs
