"""Which pair of clusters is merged: the best of all, tried one by one."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.evidence import Graphs, Plain, field_of, small_slide
from helpers.lattices import lattice
from histohet.clustering.evidence import assess
from histohet.clustering.mergers import best_merge
from histohet.clustering.result import compact


@pytest.mark.parametrize("seed", range(6))
def test_best_merger_is_that_of_the_evidence_of_merged_labels(seed):
    rows, graphs, labels = small_slide(seed, d=2, n_labels=4, side=7)
    now = assess(field_of(rows, graphs), labels, np.ones(len(rows)))
    plain = Plain(rows, graphs)
    shared = plain.most_shared(labels, now.weights)

    def after(pair) -> float:
        merged = compact(np.where(labels == pair[1], pair[0], labels))
        of_labels = plain.of_labels(merged, now.coupling)
        return plain.density(merged, now.weights, shared) + of_labels

    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    assert best_merge(now, 2) == max(pairs, key=after)


@pytest.mark.parametrize("seed", range(10))
def test_mergers_are_ranked_by_the_determinant_of_a_shared_covariance(monkeypatch, seed):
    monkeypatch.setattr("histohet.clustering.mergers.JUDGED_PAIRS", 1)
    rows, graphs, labels = small_slide(seed, d=3, n_labels=6, side=7)
    now = assess(field_of(rows, graphs), labels, np.ones(len(rows)))
    plain = Plain(rows, graphs)

    def rank(pair) -> float:
        merged = compact(np.where(labels == pair[1], pair[0], labels))
        total = now.weights.sum()
        left = plain.unpredicted(merged, now.weights)
        shared = (left * now.weights[:, None]).T @ left / total + plain.floor * np.eye(3)
        of_labels = plain.of_labels(merged, now.coupling)
        return -total / 2 * np.linalg.slogdet(shared)[1] + of_labels

    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    assert best_merge(now, 3) == max(pairs, key=rank)


@pytest.mark.parametrize("seed", range(3))
def test_best_of_many_mergers_is_found_among_the_leading_ones(seed):
    rng = np.random.default_rng(seed)
    coords = lattice(20, 10)
    labels = coords[:, 0] // 4 * 2 + coords[:, 1] // 5
    # Ten kinds; 3 and 7 are one kind in two places.
    means = 4 * rng.standard_normal((10, 3))
    means[7] = means[3]
    rows = means[labels] + rng.standard_normal((200, 3))
    now = assess(field_of(rows, Graphs.of(coords)), labels, np.ones(200))
    assert best_merge(now, 3) == (3, 7)
