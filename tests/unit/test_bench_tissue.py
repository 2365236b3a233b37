"""What the benchmark on real tissue rests on."""

from __future__ import annotations

import numpy as np
import pytest

from bench.collages import PITCH_PX, make_collage
from bench.real_tissue import Embedded
from bench.tissue import NOT_DRAWN, ari, labels_of_changed, mean_pairwise_ari, share_moved

SIDE, PITCH = 9, 37.5


def block(number: int) -> Embedded:
    """Return a square of tiles whose features are their number and their place."""
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    features = np.stack([np.full(SIDE * SIDE, number), rows, columns], axis=1).astype(np.float32)
    coords = np.rint(features[:, 1:] * PITCH).astype(np.int64)
    return Embedded(features, coords, PITCH, np.ones(SIDE * SIDE))


@pytest.mark.parametrize("seed", range(3))
def test_a_collage_uses_each_tile_once_and_keeps_neighbours_together(seed: int) -> None:
    collage = make_collage([block(number) for number in range(3)], seed)

    assert len(np.unique(collage.coords, axis=0)) == len(collage.coords)
    assert len(np.unique(collage.features, axis=0)) == len(collage.features)
    np.testing.assert_array_equal(collage.features[:, 0], collage.kinds)
    assert set(collage.kinds) == {0, 1, 2}

    cells = collage.coords // PITCH_PX
    apart = np.abs(cells[:, None] - cells).sum(axis=2)
    pairs = np.argwhere(np.triu(apart == 1))
    same = collage.kinds[pairs[:, 0]] == collage.kinds[pairs[:, 1]]
    ways = np.abs(np.diff(collage.features[pairs][:, :, 1:], axis=1)).sum(axis=(1, 2))
    # Random places would be 6 tiles apart, and a third of the neighbours of one kind.
    assert same.mean() > 0.7
    assert np.median(ways[same]) == 1


def test_collages_of_a_seed_are_the_same() -> None:
    one, two = (make_collage([block(0), block(1)], 5) for _ in range(2))

    np.testing.assert_array_equal(one.features, two.features)
    np.testing.assert_array_equal(one.coords, two.coords)


def test_tiles_set_aside_or_not_drawn_do_not_count() -> None:
    a = np.array([0, 0, 1, 1, -1, 0, NOT_DRAWN])
    b = np.array([1, 1, 0, 0, 0, -1, 1])

    assert ari(a, b) == 1
    assert mean_pairwise_ari([a, b, a]) == 1
    assert mean_pairwise_ari([a]) is None


def test_moved_labels_are_counted_whatever_their_numbers() -> None:
    a = np.array([0, 0, 0, 1, 1, 2])

    assert share_moved(a, np.array([2, 2, 2, 0, 0, 1])) == 0
    assert share_moved(a, np.array([0, 0, 1, 1, 1, 2])) == pytest.approx(1 / 6)


def test_a_slide_of_equal_halves_keeps_its_labels_in_all_positions() -> None:
    tiles = block(0)
    halves = (tiles.features[:, 1] > SIDE // 2).astype(np.float32)
    rng = np.random.default_rng(0)
    means = 10 * np.eye(8, dtype=np.float32)[halves.astype(int)]
    features = means + rng.standard_normal((len(tiles), 8), dtype=np.float32)
    two = Embedded(features, tiles.coords, PITCH, tiles.tissue_share)

    found = list(labels_of_changed("default", two))

    assert len(found) == 9
    assert {ari(labels, halves.astype(int)) for labels in found} == {1.0}
