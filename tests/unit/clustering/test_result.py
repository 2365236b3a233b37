from __future__ import annotations

import numpy as np

from histohet.clustering.result import compact, number_by_size


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
