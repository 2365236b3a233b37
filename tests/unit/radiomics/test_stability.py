"""ICC(1,1): against a printed example, closed forms, and a loop over features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.radiomics.stability import (
    intraclass_correlation,
    lowest_icc,
    measure_stability,
    stable_of,
)

# Shrout & Fleiss (1979), table 2: four judges rate six targets.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def icc_of(table: np.ndarray) -> tuple[float, ...]:
    groups = np.repeat(np.arange(len(table)), table.shape[1])
    return tuple(float(one[0]) for one in intraclass_correlation(table.reshape(-1, 1), groups))


def test_the_printed_example_of_shrout_and_fleiss() -> None:
    """R, psych::ICC(ratings)$results["Single_raters_absolute", ]: 0.166, -0.133 to 0.723."""
    assert icc_of(RATINGS) == pytest.approx((0.1657, -0.1329, 0.7226), abs=1e-4)


def test_draws_around_patients_have_the_icc_of_their_variances() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 3, (4000, 1))
    icc, low, high = icc_of(truth + rng.normal(0, 1.5, (4000, 5)))
    assert icc == pytest.approx(9 / (9 + 1.5**2), abs=0.01)
    assert low < icc < high


def test_the_same_under_every_mask_is_one() -> None:
    assert icc_of(np.repeat([[1.0], [2.0], [4.0]], 3, axis=1)) == (1, 1, 1)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_what_never_changes_or_is_no_number_has_none(value: float) -> None:
    assert np.isnan(icc_of(np.full((4, 3), value))).all()


@given(st.integers(0, 10**6), st.floats(0.1, 100), st.floats(-100, 100))
def test_units_and_order_change_nothing(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values, groups = rng.normal(size=(20, 3)), np.repeat(np.arange(6), [2, 3, 5, 2, 4, 4])
    order = rng.permutation(20)
    found = intraclass_correlation(values, groups)
    again = intraclass_correlation((values * scale + shift)[order], groups[order])
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_groups_of_other_sizes_by_the_table_of_variances() -> None:
    values, groups = np.array([1.0, 3, 2, 6, 8, 9, 4]), np.array([0, 0, 0, 1, 1, 2, 2])
    parts = [values[groups == one] for one in range(3)]
    between = sum(len(p) * (p.mean() - values.mean()) ** 2 for p in parts) / 2
    within = sum(((p - p.mean()) ** 2).sum() for p in parts) / 4
    size = (7 - (9 + 4 + 4) / 7) / 2
    expected = (between - within) / (between + (size - 1) * within)
    assert intraclass_correlation(values[:, None], groups).icc[0] == pytest.approx(expected)


def draws() -> pd.DataFrame:
    """Three scans; two readers, two perturbations, the last scan has a single mask."""
    rows = [
        (scan, source, draw, value, value + noise)
        for scan, value in (("a", 10.0), ("b", 20.0), ("c", 30.0))
        for source, draw, noise in (
            ("mask", 0, 0.0),
            ("reader", 1, 15.0),
            ("perturbation", 1, 0.1),
            ("perturbation", 2, -0.1),
        )
        if scan != "c" or source == "mask"
    ]
    names = ["scan", "source", "draw", "morph_volume", "stat_mean"]
    return pd.DataFrame(rows, columns=names)


def test_readers_and_perturbations_are_judged_apart() -> None:
    found = measure_stability(draws(), ["morph_volume", "stat_mean"]).set_index(
        ["source", "feature"]
    )
    assert found.loc[("reader", "stat_mean"), "n_masks"] == 4
    assert found.loc[("perturbation", "stat_mean"), ["n_scans", "n_masks"]].tolist() == [2, 6]
    assert found.loc[("perturbation", "stat_mean"), "icc"] > 0.999
    assert found.loc[("reader", "stat_mean"), "icc"] < 0.5
    assert found.loc[("reader", "morph_volume"), "icc"] == 1
    assert found.loc[("reader", "morph_volume"), "family"] == "shape"


def test_a_feature_is_as_stable_as_under_the_source_that_it_bears_least() -> None:
    stability = measure_stability(draws(), ["stat_mean", "morph_volume"])
    by_source = stability.set_index(["source", "feature"])["low"]
    found = lowest_icc(stability)
    assert found.index.tolist() == ["stat_mean", "morph_volume"]
    assert found["stat_mean"] == by_source["reader", "stat_mean"] < 0.5
    assert found["morph_volume"] == 1
    moved = stability[stability["source"] == "perturbation"]
    assert lowest_icc(moved)["stat_mean"] > 0.75
    names = ["morph_volume", "stat_mean", "new"]
    assert stable_of(names, stability, 0.75) == ["morph_volume"]
    assert stable_of(names, moved, 0.75) == ["morph_volume", "stat_mean"]
    assert stable_of(names, stability, None) == stable_of(names, stability[:0], 0.75) == names
    undefined = stability.assign(low=stability["low"].where(stability["source"] == "reader"))
    assert lowest_icc(undefined).isna().all()


def test_without_several_masks_there_is_nothing_to_say() -> None:
    assert measure_stability(draws()[draws()["draw"] == 0], ["stat_mean"]).empty
