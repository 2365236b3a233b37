"""Otsu's threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert split == (0, -2.0, 1.0, 1.0)


@pytest.mark.parametrize(("density", "expected"), [("normal", 2 / np.pi), ("uniform", 0.75)])
def test_one_distribution_explains_what_it_does_in_closed_form(
    density: str, expected: float
) -> None:
    """Split at its mean, a normal distribution has means at ±√(2/π) of its deviation."""
    values = np.linspace(-6, 6, 6001)
    counts = np.exp(-(values**2) / 2) if density == "normal" else np.abs(values) <= 1
    split = otsu_split(values, 1e9 * counts)
    assert split is not None
    assert split.explained == pytest.approx(expected, abs=2e-3)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40))
def test_what_is_explained_is_a_share_of_the_variance(counts: list[int]) -> None:
    split = otsu_split(np.arange(len(counts)), counts)
    if split is not None:
        binned = np.repeat(np.arange(len(counts)), counts)
        low, high = binned[binned <= split.last_below], binned[binned > split.last_below]
        within = (low.var() * len(low) + high.var() * len(high)) / len(binned)
        assert split.explained == pytest.approx(1 - within / binned.var())


@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 7, 0]])
def test_one_value_is_not_split(counts: list[int]) -> None:
    assert otsu_split([1.0, 2.0, 3.0], counts) is None
