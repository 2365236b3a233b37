from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_t

from histohet.clustering.mixture import (
    SHARED_TILES,
    TAIL_FREEDOM,
    misfit,
    ridge,
    tail_weights,
    weighted_means,
)

SEEDS = st.integers(0, 2**32 - 1)


def clusters(seed: int, sizes=(60, 25, 3, 1), d: int = 4):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    shape = rng.standard_normal((d, d))
    rows = (
        rng.standard_t(4, (len(labels), d)) @ shape
        + 5 * rng.standard_normal((len(sizes), d))[labels]
    )
    return rows, labels, rng.uniform(0.2, 2, len(labels))


def described(rows, labels, weights):
    """Means and covariances of the clusters, cluster by cluster and tile by tile."""
    d = rows.shape[1]
    means, scatters, sizes = [], [], []
    for label in range(labels.max() + 1):
        members = np.flatnonzero(labels == label)
        mean = np.average(rows[members], axis=0, weights=weights[members])
        apart = rows[members] - mean
        scatters.append(
            sum(w * np.outer(x, x) for w, x in zip(weights[members], apart, strict=True))
        )
        means.append(mean)
        sizes.append(len(members))
    spread = sum(((rows - rows.mean(axis=0)) ** 2).sum(axis=0)) / len(rows) / d
    shared = sum(scatters) / len(rows) + 1e-6 * spread * np.eye(d)
    covariances = [
        (scatter + SHARED_TILES * shared) / (size + SHARED_TILES)
        for scatter, size in zip(scatters, sizes, strict=True)
    ]
    return means, covariances


@given(SEEDS, st.integers(1, 6))
def test_misfit_is_minus_the_log_density_of_a_t_distribution(seed, d):
    rows, labels, weights = clusters(seed, d=d)
    cost, new_weights = misfit(rows, labels, weights)
    constant = multivariate_t(np.zeros(d), np.eye(d), df=TAIL_FREEDOM).logpdf(np.zeros(d))
    for label, (mean, covariance) in enumerate(zip(*described(rows, labels, weights), strict=True)):
        expected = multivariate_t(mean, covariance, df=TAIL_FREEDOM).logpdf(rows)
        np.testing.assert_allclose(-cost[:, label], expected - constant, rtol=1e-7, atol=1e-7)
        apart = rows[labels == label] - mean
        squared = np.einsum("ij,ij->i", apart @ np.linalg.inv(covariance), apart)
        np.testing.assert_allclose(
            new_weights[labels == label], (TAIL_FREEDOM + d) / (TAIL_FREEDOM + squared), rtol=1e-6
        )


def test_weight_of_a_typical_tile_is_one():
    assert tail_weights(np.array([7.0]), 7).tolist() == [1.0]
    assert (np.diff(tail_weights(np.array([0.0, 1, 10, 1e6]), 7)) < 0).all()


def test_means_are_weighted():
    rows, labels, weights = clusters(0)
    expected = [
        np.average(rows[labels == k], axis=0, weights=weights[labels == k]) for k in range(4)
    ]
    np.testing.assert_allclose(weighted_means(rows, labels, weights, 4), expected, rtol=1e-12)


def test_far_tiles_neither_move_nor_widen_a_cluster():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400, 3))
    labels = np.zeros(400, np.int64)
    weights = np.ones(400)
    rows[:8] += 1000
    for _ in range(50):
        cost, weights = misfit(rows, labels, weights)
    alone, own = misfit(rows[8:], labels[8:], np.ones(392))
    for _ in range(50):
        alone, own = misfit(rows[8:], labels[8:], own)
    assert weights[:8].max() < 1e-3
    # Tiles keep their order, from the centre outwards, as if the far ones were not there.
    assert np.corrcoef(cost[8:, 0], alone[:, 0])[0, 1] > 0.99
    assert weights[8:].mean() == pytest.approx(own.mean(), rel=0.1)


@given(SEEDS, st.integers(-20, 20))
def test_unit_and_origin_of_the_embedding_do_not_matter(seed, exponent):
    rows, labels, weights = clusters(seed)
    cost, new_weights = misfit(rows, labels, weights)
    unit = 2.0**exponent
    shift = unit * np.array([3.0, -4.0, 0.5, 1.0])
    moved, moved_weights = misfit(rows * unit + shift, labels, weights)
    np.testing.assert_allclose(moved_weights, new_weights, rtol=1e-6)
    np.testing.assert_allclose(moved - cost, np.full(cost.shape, 4 * np.log(unit)), atol=1e-6)


def test_repeated_rows_have_finite_costs():
    rows = np.repeat([[0.0, 1.0], [2.0, 0.0], [0.5, 0.5]], [50, 30, 20], axis=0)
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    assert ridge(rows) > 0
    cost, weights = misfit(rows, labels, np.ones(100))
    assert np.isfinite(cost).all()
    assert np.isfinite(weights).all()
    assert cost.argmin(axis=1).tolist() == labels.tolist()


def test_equal_rows_have_finite_costs():
    cost, weights = misfit(np.full((30, 3), 2.0), np.repeat([0, 1], 15), np.ones(30))
    assert np.isfinite(cost).all()
    assert np.isfinite(weights).all()
