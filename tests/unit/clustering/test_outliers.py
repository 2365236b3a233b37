from __future__ import annotations

import numpy as np
import pytest

from histohet.clustering import outliers
from histohet.clustering.outliers import COMPANIONS, odd_tiles


def tissue(n: int = 600, d: int = 8, seed: int = 0) -> np.ndarray:
    """Three kinds, in an order that says nothing of them."""
    rng = np.random.default_rng(seed)
    return 4 * np.eye(d)[rng.integers(3, size=n)] + rng.standard_normal((n, d))


@pytest.mark.parametrize("seed", range(5))
def test_even_tissue_has_hardly_any(seed):
    assert odd_tiles(tissue(seed=seed)).mean() < 0.005


def test_tiles_like_no_others_are_odd():
    rows = tissue()
    odd = np.array([3, 100, 599])
    rows[odd] = 50 * np.eye(8)[5:8]
    assert np.flatnonzero(odd_tiles(rows)).tolist() == odd.tolist()


@pytest.mark.parametrize(("n", "is_odd"), [(COMPANIONS, True), (3 * COMPANIONS, False)])
def test_tiles_of_a_kind_are_odd_only_if_they_are_few(n, is_odd):
    rows = tissue()
    members = np.random.default_rng(1).choice(600, n, replace=False)
    rows[members] = 40 + np.random.default_rng(2).standard_normal((n, 8))
    assert (odd_tiles(rows)[members] == is_odd).all()


def test_tiles_of_a_kind_that_varies_more_are_not_odd():
    rng = np.random.default_rng(0)
    loose = rng.random(600) < 0.3
    rows = np.where(loose[:, None], 4.0, 0.5) * rng.standard_normal((600, 8))
    rows[loose] += 20
    assert not odd_tiles(rows)[loose].mean() > 0.02


def test_scale_turning_and_order_do_not_matter():
    rows = tissue()
    rows[[5, 6]] = 60 * np.eye(8)[:2]
    expected = odd_tiles(rows)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    assert (odd_tiles(1000 * rows @ turn) == expected).all()
    order = np.random.default_rng(1).permutation(600)
    assert (odd_tiles(rows[order]) == expected[order]).all()


def test_more_tiles_than_are_compared(monkeypatch):
    rows = tissue(2000)
    monkeypatch.setattr(outliers, "COMPARED_TILES", 300)
    rows[[1, 700, 1400]] = 60 * np.eye(8)[:3]
    found = odd_tiles(rows)
    assert found[[1, 700, 1400]].all()
    assert found.mean() < 0.01


@pytest.mark.parametrize(
    "rows",
    [np.zeros((0, 4)), np.zeros((500, 0)), np.ones((500, 3)), tissue(2 * COMPANIONS)],
    ids=["none", "no components", "equal", "few"],
)
def test_where_nothing_can_be_told_none_is_odd(rows):
    assert not odd_tiles(rows).any()
