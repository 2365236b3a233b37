from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from histohet.clustering.result import OUTLIER, Clustering, at_most_one_cluster
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.stability import resample, with_stability

ALL = np.arange(100)
LABELS = np.repeat([0, 1, 2], [50, 30, 20])


def summarise_restarts(labels, drawn, restarts) -> Clustering:
    found = at_most_one_cluster(ClusteringSettings(), len(labels))
    numbers = [len(np.unique(restart)) for restart in restarts]
    found = replace(found, labels=np.asarray(labels))
    return with_stability(found, drawn, restarts, min(numbers), max(numbers))


def figures(found: Clustering) -> tuple[float | None, int | None, int | None]:
    """Mean ARI, fewest and most clusters."""
    known = found.certainty
    return known.stability_ari, known.n_all_clusters_low, known.n_all_clusters_high


def halves_of(labels: np.ndarray, label: int) -> np.ndarray:
    """Labels with the later half of one cluster split off."""
    members = np.flatnonzero(labels == label)
    split = labels.copy()
    split[members[len(members) // 2 :]] = labels.max() + 1
    return split


def test_identical_restarts_agree_in_everything():
    found = summarise_restarts(LABELS, [ALL] * 4, [LABELS] * 4)
    assert figures(found) == (1.0, 3, 3)
    assert found.agreement.dtype == np.float32
    assert found.agreement.tolist() == [1.0] * 100


def test_numbers_of_the_clusters_do_not_matter():
    renamed = [np.array(order)[LABELS] for order in itertools.permutations([0, 1, 2])]
    found = summarise_restarts(LABELS, [ALL] * 6, renamed)
    assert figures(found) == (1.0, 3, 3)
    assert found.agreement.tolist() == [1.0] * 100
    assert summarise_restarts(LABELS + 5, [ALL], [LABELS]).agreement.tolist() == [1.0] * 100


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_split_cluster_disagrees_in_one_half_only(label):
    split = halves_of(LABELS, label)
    found = summarise_restarts(LABELS, [ALL, ALL], [split, LABELS])
    assert figures(found)[1:] == (3, 4)
    assert figures(found)[0] == pytest.approx((adjusted_rand_score(split, LABELS) + 1) / 2)
    members = label == LABELS
    assert found.agreement[~members].tolist() == [1.0] * (~members).sum()
    # One half is the cluster's counterpart; which one of equal halves does not matter.
    size = members.sum()
    assert sorted(found.agreement[members]) == [0.5] * (size // 2) + [1.0] * (size - size // 2)


def test_merged_clusters_correspond_to_the_larger_one():
    merged = np.minimum(LABELS, 1)
    found = summarise_restarts(LABELS, [ALL], [merged])
    assert figures(found)[1:] == (2, 2)
    assert found.agreement.tolist() == [1.0] * 80 + [0.0] * 20


def test_clusters_correspond_one_to_one_so_that_most_tiles_agree():
    # Greedily, cluster 0 would take its largest counterpart and leave cluster 1 with nothing.
    labels = np.repeat([0, 0, 1, 1], [5, 4, 4, 0])
    restart = np.repeat([0, 1, 0, 1], [5, 4, 4, 0])
    found = summarise_restarts(labels, [np.arange(13)], [restart])
    assert found.agreement.sum() == 8


@given(st.integers(0, 2**32 - 1))
def test_as_many_tiles_agree_as_the_best_assignment_allows(seed):
    rng = np.random.default_rng(seed)
    labels, restart = rng.integers(3, size=20), rng.integers(3, size=20)
    found = summarise_restarts(labels, [np.arange(20)], [restart])
    best = max(
        (np.array(order)[restart] == labels).sum() for order in itertools.permutations(range(3))
    )
    assert found.agreement.sum() == best


def test_only_drawn_tiles_count():
    drawn = [np.arange(0, 60), np.arange(40, 90)]
    restarts = [LABELS[:60], halves_of(LABELS, 1)[40:90]]
    found = summarise_restarts(LABELS, drawn, restarts)
    assert np.isnan(found.agreement[90:]).all()
    assert found.agreement[:40].tolist() == [1.0] * 40
    # Tiles 65 to 79 are split off in the only restart that drew them.
    assert sorted(found.agreement[50:80]) == [0.0] * 15 + [1.0] * 15 or (
        found.agreement[50:60].tolist() == [0.5] * 10
    )
    second = adjusted_rand_score(LABELS[40:90], halves_of(LABELS, 1)[40:90])
    assert figures(found)[0] == pytest.approx((1 + second) / 2)
    assert figures(found)[1:] == (2, 4)


def test_mean_over_restarts_of_the_agreement_with_the_result():
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.choice(100, 80, replace=False)) for _ in range(4)]
    restarts = [rng.integers(2 + i, size=80) for i in range(4)]
    pairs = zip(drawn, restarts, strict=True)
    scores = [adjusted_rand_score(LABELS[rows], again) for rows, again in pairs]
    found = summarise_restarts(LABELS, drawn, restarts)
    assert figures(found)[0] == pytest.approx(np.mean(scores))
    assert figures(found)[1:] == (2, 5)


def test_restarts_that_agree_with_each_other_alone_are_no_sign_of_stability():
    one = np.zeros(100, np.int64)
    assert figures(summarise_restarts(LABELS, [ALL] * 8, [one] * 8))[0] == 0.0


def test_outliers_correspond_to_nothing():
    labels, again = LABELS.copy(), LABELS.copy()
    labels[:5] = OUTLIER
    again[45:55] = OUTLIER
    found = summarise_restarts(labels, [ALL], [again])
    assert np.isnan(found.agreement[:5]).all()
    assert found.agreement[5:45].tolist() == [1.0] * 40
    assert found.agreement[45:55].tolist() == [0.0] * 10


def test_every_tile_needs_its_label():
    with pytest.raises(ValueError, match="zip"):
        summarise_restarts(LABELS, [ALL, ALL], [LABELS])


@given(st.integers(1, 500), st.integers(0, 2**31), st.integers(0, 20))
def test_samples_are_eighty_percent_of_the_tiles_each_once(n, seed, restart):
    rows = resample(n, seed, restart)
    assert rows.dtype == np.int64
    assert len(rows) == max(1, round(0.8 * n))
    assert (np.diff(rows) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < n
    assert rows.tolist() == resample(n, seed, restart).tolist()


def test_samples_differ_between_seeds_and_restarts():
    samples = {tuple(resample(200, seed, restart)) for seed in range(5) for restart in range(5)}
    assert len(samples) == 25
    times = np.bincount(np.concatenate([resample(200, 1, i) for i in range(500)]), minlength=200)
    assert times.min() > 350
    assert times.max() < 450
