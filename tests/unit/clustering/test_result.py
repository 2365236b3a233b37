from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histohet.clustering.result import (
    OUTLIER,
    UNKNOWN,
    at_most_one_cluster,
    compact,
    number_by_size,
    numbered,
)
from histohet.clustering.settings import ClusteringSettings


def test_among_others_a_clustering_is_what_it_was_and_they_are_outliers():
    whole = at_most_one_cluster(ClusteringSettings(), 3)
    few = replace(
        whole,
        start=np.int32([0, 1, 1]),
        raw=np.int32([2, 0, 1]),
        labels=np.int32([1, 0, 1]),
        agreement=np.float32([0.5, 1, 0.25]),
    )
    rows = np.array([1, 2, 5])
    found = few.among(rows, 6)
    assert found.labels.tolist() == [OUTLIER, 1, 0, OUTLIER, OUTLIER, 1]
    assert found.labels.dtype == np.int32
    assert np.isnan(found.agreement).tolist() == found.is_outlier.tolist()
    again = found.of_tiles(rows)
    for name in ("start", "raw", "labels", "agreement"):
        np.testing.assert_array_equal(getattr(again, name), getattr(few, name))


def test_compact_closes_gaps_and_keeps_the_order():
    labels = compact(np.array([7, 2, 2, 9, 7]))
    assert labels.tolist() == [1, 0, 0, 2, 1]
    assert labels.dtype == np.int64
    assert compact(np.empty(0, np.int64)).tolist() == []


def test_the_larger_cluster_comes_first_and_of_equal_ones_that_of_the_first_tile():
    labels = np.array([9, 4, 4, 4, 2, 2, 9, 7])
    final, raw = number_by_size(labels, labels)
    assert final.tolist() == raw.tolist() == [1, 0, 0, 0, 2, 2, 1, 3]
    assert final.dtype == raw.dtype == np.int32


def test_a_cluster_that_only_the_second_labelling_has_is_numbered_after_those_of_the_first():
    final, raw = number_by_size(np.array([3, 3, 1, 1, 1]), np.array([8, 3, 8, 5, 1]))
    assert final.tolist() == [1, 1, 0, 0, 0]
    assert raw.tolist() == [2, 1, 2, 3, 0]


labellings = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(np.array)


@given(labellings, labellings, st.data())
def test_outliers_remain_and_leave_the_numbers_of_clusters_as_they_are(labels, raw, data):
    n = min(len(labels), len(raw))
    places = data.draw(st.lists(st.integers(0, n), max_size=10))
    pair = labels[:n], raw[:n]
    with_outliers = [np.insert(each, places, OUTLIER) for each in pair]
    outlier = with_outliers[0] == OUTLIER
    assert outlier.sum() == len(places)
    found = number_by_size(*with_outliers)
    for each, alone in zip(found, number_by_size(*pair), strict=True):
        np.testing.assert_array_equal(each[~outlier], alone)
        assert (each[outlier] == OUTLIER).all()
        assert each.dtype == np.int32
    np.testing.assert_array_equal(compact(with_outliers[0])[~outlier], compact(pair[0]))
    assert (compact(with_outliers[0])[outlier] == OUTLIER).all()


def test_of_equal_clusters_that_of_the_first_tile_given_leads_whatever_they_were_called():
    for one, other in ((0, 1), (1, 0)):
        labels = np.array([OUTLIER, one, other, other, one])
        assert number_by_size(labels, labels)[0].tolist() == [OUTLIER, 0, 1, 1, 0]


def test_a_clustering_counts_its_outliers_and_not_as_a_cluster():
    start = np.array([OUTLIER, 0, 1, 2, 2])
    labels = np.array([OUTLIER, 0, 1, 1, 1])
    found = numbered(ClusteringSettings(), start, labels, labels, (), UNKNOWN, ())
    assert found.start.tolist() == [OUTLIER, 1, 2, 0, 0]
    assert found.labels.tolist() == found.raw.tolist() == [OUTLIER, 1, 0, 0, 0]
    assert (found.n_clusters, found.n_outliers) == (2, 1)
    assert found.is_outlier.tolist() == [True, False, False, False, False]
    some = found.of_tiles(np.array([4, 1]))
    assert (some.labels.tolist(), some.n_clusters, some.n_outliers) == ([0, 1], 2, 0)


def test_of_outliers_alone_there_is_no_cluster():
    nothing = np.full(3, OUTLIER)
    found = numbered(ClusteringSettings(), nothing, nothing, nothing, (), UNKNOWN, ())
    assert found.labels.tolist() == [OUTLIER] * 3
    assert (found.n_clusters, found.n_outliers) == (0, 3)
    without_tiles = at_most_one_cluster(ClusteringSettings(), 0)
    assert (without_tiles.n_clusters, without_tiles.n_outliers) == (0, 0)
