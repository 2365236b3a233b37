"""Otsu's threshold."""

from __future__ import annotations

import numpy as np
import pytest

from histohet.common.otsu import otsu_split


def test_split_of_a_histogram_by_brute_force() -> None:
    rng = np.random.default_rng(10)
    values = np.concatenate([rng.normal(-1.4, 0.15, 3000), rng.normal(-0.8, 0.2, 2000)])
    edges = np.linspace(-3, 1, 81)
    counts, _ = np.histogram(values, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    binned = np.repeat(centres, counts)

    def within(threshold: float) -> float:
        low, high = binned[binned < threshold], binned[binned >= threshold]
        if not len(low) or not len(high):
            return np.inf
        return float(low.var() * len(low) + high.var() * len(high))

    split = otsu_split(centres, counts)
    assert split is not None
    threshold = edges[split.last_below + 1]
    assert threshold == min(edges[1:-1], key=within)
    assert split.mean_below == pytest.approx(binned[binned < threshold].mean())
    assert split.mean_above == pytest.approx(binned[binned >= threshold].mean())


def test_the_lowest_of_equal_splits_is_taken() -> None:
    split = otsu_split([-2.0, -1.0, 0.0, 1.0], [2, 0, 0, 2])
    assert split is not None
    assert split == (0, -2.0, 1.0)


@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 7, 0]])
def test_one_value_is_not_split(counts: list[int]) -> None:
    assert otsu_split([1.0, 2.0, 3.0], counts) is None
