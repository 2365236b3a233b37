"""Groups of a score: percentiles by hand, ties, and that none is formed by an outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from histohet.cohort.select import assign_groups, group_limits, known_percentiles
from histohet.cohort.settings import Grouping

GROUPING: TypeAdapter[Grouping] = TypeAdapter(Grouping)


@pytest.mark.parametrize(
    ("score", "rule", "limits", "groups"),
    [
        # Percentiles by hand: position (n - 1) q from 0, linear between neighbours.
        ([1, 2, 3, 4, 5], "quartiles", (2, 4), "llmmh"),
        ([1, 2, 3, 4], "quartiles", (1.75, 3.25), "lmmh"),
        ([1, 1, 1, 2, 2, 3, 4, 6], "quartiles", (1, 3.25), "lllmmmhh"),
        ([1, 1, 1, 1, 2], "quartiles", (1, 1), "llllh"),
        ([2, 2, 2, 2], "quartiles", (2, 2), "llll"),
        ([1, 3, 3, 3], "quartiles", (2.5, 3), "lmmm"),
        ([1, 2, 3, 4], "median", (2.5, 2.5), "llhh"),
        ([1, 2, 2, 5], "median", (2, 2), "lllh"),
        ([0.1, 0.5, 0.6], {"cut": 0.5}, (0.5, 0.5), "llh"),
        ([0.1, 0.2], {"cut": 0.5}, (0.5, 0.5), "ll"),
        ([0.3, 0.31, 0.7, 0.71], {"low_at_most": 0.3, "high_above": 0.7}, (0.3, 0.7), "lmmh"),
    ],
)
def test_groups_with_ties(
    score: list[float], rule: Any, limits: tuple[float, float], groups: str
) -> None:
    grouping = GROUPING.validate_python(rule)
    series = pd.Series(score, dtype=float)
    assert group_limits(series, grouping) == limits
    assert "".join(group[0] for group in assign_groups(series, grouping)) == groups


@pytest.mark.parametrize("rule", ["best_cut", "none"])
def test_without_a_rule_of_its_own_nobody_is_in_a_group(rule: str) -> None:
    series = pd.Series([1.0, 2.0, np.nan])
    grouping = GROUPING.validate_python(rule)
    assert np.isnan(group_limits(series, grouping)).all()
    assert assign_groups(series, grouping).tolist() == ["", "", ""]


def test_missing_scores_are_in_no_group_and_move_no_limit() -> None:
    score = pd.Series([np.nan, 1, 2, 3, 4, 5, np.nan], index=list("tuvwxyz"))
    groups = assign_groups(score, "quartiles")
    assert groups.tolist() == ["", "low", "low", "middle", "middle", "high", ""]
    nobody = assign_groups(pd.Series([np.nan, np.nan]), "median")
    assert nobody.tolist() == ["", ""]
    assert np.isnan(group_limits(pd.Series([], dtype=float), "median")).all()


def test_percentiles_interpolate_and_ignore_what_is_missing() -> None:
    assert known_percentiles(pd.Series([*range(101), np.nan]), (5, 95)) == (5, 95)
    assert known_percentiles(pd.Series([1.0, 2, 3, 4]), (25, 75)) == (1.75, 3.25)
    assert np.isnan(known_percentiles(pd.Series([np.nan]), (5, 95))).all()


@settings(max_examples=50, deadline=None)
@given(
    score=st.lists(st.integers(1, 8), min_size=1, max_size=40),
    rule=st.sampled_from(["quartiles", "median"]),
)
def test_groups_follow_the_order_of_the_score(score: list[int], rule: str) -> None:
    series = pd.Series(score, dtype=float)
    rank = assign_groups(series, GROUPING.validate_python(rule)).map(
        {"low": 0, "middle": 1, "high": 2}
    )
    assert rank.notna().all()
    ordered = rank.iloc[np.argsort(series.to_numpy(), kind="stable")]
    assert ordered.is_monotonic_increasing
    assert rank.groupby(series).nunique().eq(1).all()
    # The percentile q lies at or above the order statistic floor((n - 1) q), counted from 0.
    low, high = (0.25, 0.75) if rule == "quartiles" else (0.5, 0.5)
    assert (rank == 0).sum() >= int((len(score) - 1) * low) + 1
    assert (rank == 2).sum() <= len(score) - 1 - int((len(score) - 1) * high)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("thirds", "should be 'quartiles', 'median'"),
        ("cut", "should be 'quartiles', 'median'"),
        ({"cut": float("nan")}, "should be a finite number"),
        ({"median": 3}, "unknown key; there are 'cut'"),
        ({"cut": 3, "high_above": 4}, "unknown key; there are 'cut'"),
        ({"low_at_most": 0.3}, "(?s)high_above.*Field required"),
        ({"low_at_most": 0.7, "high_above": 0.3}, "low_at_most 0.7 is above high_above 0.3"),
    ],
)
def test_grouping_errors(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GROUPING.validate_python(config)
