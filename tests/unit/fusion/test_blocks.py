"""Blocks: what is learnt of them, from whom, and which tables are refused (about 1 s)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.competing import drawn, planted
from histohet.fusion.blocks import Block, Encoding, Filters, FusionError, aligned, learn_encoding
from histohet.radiomics.stability import icc_by_source
from histohet.survival.partial_likelihood import Likelihood, RiskSets

PATIENTS = list("abcdefgh")
TABLE = pd.DataFrame(
    {
        "age": [50.0, 60, 70, np.nan, 90, np.nan, 55, 1000],
        "stage": ["I", "I", "II", "III", None, None, "I", "IV"],
        "constant": [1.0, 1, 1, 1, 1, np.nan, 1, 2],
    },
    index=PATIENTS,
)
TRAINING = np.array([True] * 6 + [False] * 2)
TIME, EVENT = np.arange(1.0, 9.0), np.array([1, 0, 1, 1, 0, 1, 1, 0], bool)


def learn(block: Block, filters: Filters | None = None) -> Encoding:
    return learn_encoding(block, TRAINING, TIME, EVENT, filters or Filters())


def test_a_block_becomes_numbers_of_mean_0_and_deviation_1_where_it_is_known() -> None:
    block = Block("clinical", TABLE, "few")
    encoding = learn(block)
    assert encoding.columns == ("age", "stage", "stage")
    assert encoding.levels == ("", "II", "III")  # against I, the most frequent
    values, missing = encoding.apply(block)
    known = TRAINING & block.known
    assert known.tolist() == [True] * 5 + [False] * 3
    np.testing.assert_allclose(values[known].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values[known].std(axis=0), 1)
    assert (values[5] == 0).all()  # who lacks the block is average
    np.testing.assert_allclose(missing[:, 0] + 1 / 6, [0, 0, 0, 0, 0, 1, 0, 0], atol=1e-12)
    assert missing[TRAINING].mean() == pytest.approx(0)
    # A missing age is the median of the others, a missing or unknown stage the most frequent.
    age = np.array([50, 60, 70, 65, 90])
    np.testing.assert_allclose(values[:5, 0], (age - age.mean()) / age.std())
    np.testing.assert_allclose(values[[4, 7], 1:], values[[0, 0], 1:])


def test_only_training_patients_are_learnt_from() -> None:
    changed = TABLE.copy()
    changed.loc[["g", "h"]] = [[-5, "I", 7], [3, "V", 9]]
    of_one, of_other = (learn(Block("clinical", table, "few")) for table in (TABLE, changed))
    for name in ("fill", "mean", "scale"):
        np.testing.assert_array_equal(getattr(of_one, name), getattr(of_other, name))
    assert (of_one.columns, of_one.levels, of_one.missing) == (
        of_other.columns,
        of_other.levels,
        of_other.missing,
    )


def test_variances_of_a_tuned_block_add_up_to_1() -> None:
    tables, outcome = planted(50, 1)
    block = Block("slide", tables["slide"], "vector")
    everybody = np.ones(50, bool)
    time, event = outcome["time_months"].to_numpy(), outcome["state"].to_numpy() == 1
    encoding = learn_encoding(block, everybody, time, event, Filters())
    values, missing = encoding.apply(block)
    assert values.var(axis=0).sum() == pytest.approx(1)
    assert missing.shape == (50, 0)  # everybody has it


def test_a_block_that_nobody_has_is_empty() -> None:
    nobody = Block("ct", pd.DataFrame({"f": [np.nan] * 8}, index=PATIENTS), "features")
    encoding = learn(nobody, Filters(None, 0.9, 1))
    values, missing = encoding.apply(nobody)
    assert values.shape == (8, 0)
    assert missing.shape == (8, 0)


def test_of_features_that_say_the_same_the_first_stays() -> None:
    rng = np.random.default_rng(2)
    first, other = rng.normal(size=8), rng.normal(size=8)
    table = pd.DataFrame({"a": first, "twin": np.exp(-first), "b": other}, index=PATIENTS)
    features = Block("ct", table, "features")
    assert learn(features, Filters(max_correlation=0.99)).columns == ("a", "b")
    assert learn(features).columns == ("a", "twin", "b")
    vector = Block("slide", table, "vector")
    assert learn(vector, Filters(None, 0.99, 1)).columns == ("a", "twin", "b")


def test_features_are_chosen_by_the_score_test_of_each_alone() -> None:
    tables, outcome = planted(80, 4)
    time, event = outcome["time_months"].to_numpy(), outcome["state"].to_numpy() == 1
    block, everybody = Block("ct", tables["ct"], "features"), np.ones(80, bool)
    found = learn_encoding(block, everybody, time, event, Filters(max_features=4))
    risk, statistics = RiskSets(time, event, ties="breslow"), {}
    for name, column in tables["ct"].items():
        at_zero = Likelihood(column.to_numpy()[:, None], risk, np.zeros(1))
        statistics[name] = at_zero.score[0] ** 2 / at_zero.information()[0, 0]
    best = pd.Series(statistics).nlargest(4).index
    assert set(found.columns) == set(best)


def test_unfit_tables_are_refused() -> None:
    infinite = TABLE.replace(90.0, np.inf)
    with pytest.raises(FusionError, match="block 'clinical': age of patient 'e' is infinite"):
        Block("clinical", infinite, "few")
    with pytest.raises(FusionError, match="block 'ct': column 'stage' is no number"):
        Block("ct", TABLE, "features")
    encoding = learn(Block("clinical", TABLE, "few"))
    with pytest.raises(FusionError, match="block 'clinical' has no column 'age', 'stage'"):
        encoding.apply(Block("clinical", TABLE[["constant"]], "few"))
    with pytest.raises(FusionError, match="column 'age' has text, the model was trained with num"):
        encoding.apply(Block("clinical", TABLE.assign(age="old"), "few"))
    with pytest.raises(FusionError, match="column 'stage' has numbers, the model was trained with"):
        encoding.apply(Block("clinical", TABLE.assign(stage=1.0), "few"))
    nobody = TABLE.assign(stage=np.nan)
    assert encoding.apply(Block("clinical", nobody, "few"))[0].shape == (8, 3)


def test_a_table_is_brought_to_the_patients_of_the_cohort() -> None:
    block = aligned("ct", TABLE[["age"]], ["h", "x", "a"], "features", {"engine": "z"})
    assert block.known.tolist() == [True, False, True]
    assert block.numbers[[0, 2], 0].tolist() == [1000, 50]
    with pytest.raises(FusionError, match="patient 'a' has two rows"):
        aligned("ct", TABLE.loc[["a", "a"]], PATIENTS, "features")
    message = r"none of 8 patients is in the clinical tables \(first: a; there: P1, P2\)"
    with pytest.raises(FusionError, match=message):
        aligned("ct", TABLE[["age"]], ["P1", "P2"], "features")


# --- stability under other masks ------------------------------------------------------------------


def test_what_depends_on_the_mask_is_left_out_by_the_draws_of_training_patients() -> None:
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(8, 3)), index=PATIENTS, columns=list("xyz"))
    table.loc["f"] = np.nan  # has no CT
    draws = drawn(table.dropna(), ("y",))
    block = Block("ct", table, "features", draws=draws)
    found = learn(block, Filters(min_icc=0.75))
    assert (found.columns, found.unstable) == (("x", "z"), 1)
    assert learn(block).columns == ("x", "y", "z")
    # Test patients 'g' and 'h' under whose masks everything changes, or who are not there.
    wild = draws.copy()
    wild.loc[["g", "h"], list("xyz")] = rng.normal(0, 1e3, (10, 3))
    for other in (wild, draws.drop(["g", "h"])):
        again = learn(replace(block, draws=other), Filters(min_icc=0.75))
        assert again.columns == found.columns
    # A training patient counts.
    wild = draws.copy()
    wild.loc["a", "x"] = rng.normal(0, 1e3, 5)
    assert learn(replace(block, draws=wild), Filters(min_icc=0.75)).columns == ("z",)


def test_draws_of_one_mask_each_leave_nothing_out() -> None:
    table = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) ** 2}, index=PATIENTS)
    draws = drawn(table, ("y",)).query("source == 'mask'")
    found = learn(Block("ct", table, "features", draws=draws), Filters(min_icc=0.75))
    assert (found.columns, found.unstable) == (("x", "y"), 0)


def test_of_features_that_say_the_same_the_most_stable_stays() -> None:
    """By brute force: from the highest lower end of ICC on, whoever resembles none before."""
    rng = np.random.default_rng(8)
    n, names = 24, [f"f{i}" for i in range(8)]
    patients = [f"p{i}" for i in range(n)]
    base = rng.normal(size=(n, 3))
    values = base[:, [0, 0, 0, 1, 1, 2, 2, 2]] + rng.normal(0, 0.05, (n, 8))
    table = pd.DataFrame(values, index=patients, columns=names)
    noise = np.array([0.5, 0.1, 0.3, 0.2, 0.2, 0.4, 0.05, 0.6])
    parts = [table.assign(source="mask")]
    parts += [
        (table + rng.normal(0, 1, table.shape) * noise).assign(source="perturbation")
        for _ in range(4)
    ]
    draws = pd.concat(parts)
    draws["scan"] = draws.index
    everybody, time, event = np.ones(n, bool), np.arange(1.0, n + 1), np.ones(n, bool)

    def kept(block: Block, **filters: float | None) -> tuple[str, ...]:
        return learn_encoding(block, everybody, time, event, Filters(**filters)).columns

    found = kept(Block("ct", table, "features", draws=draws), max_correlation=0.9)
    low = icc_by_source(draws, names).set_index("feature")["low"]
    close = table.corr("spearman").abs() > 0.9
    expected: list[str] = []
    for name in low.sort_values(ascending=False).index:
        if not any(close.loc[name, other] for other in expected):
            expected.append(name)
    assert set(found) == set(expected) == {"f1", low[["f3", "f4"]].idxmax(), "f6"}
    assert list(found) == sorted(found)  # in the order of the table
    assert kept(Block("ct", table, "features"), max_correlation=0.9) == ("f0", "f3", "f5")
    # What is left out as unstable takes nobody with it.
    strict = kept(Block("ct", table, "features", draws=draws), max_correlation=0.9, min_icc=0.97)
    assert set(strict) == {"f1", "f6"}


def test_equally_stable_features_stay_in_the_order_of_the_table() -> None:
    table = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) ** 3}, index=PATIENTS)
    draws = pd.concat([table.assign(source=source) for source in ("mask", "reader")])
    draws["scan"] = draws.index
    assert set(icc_by_source(draws, ["x", "y"])["low"]) == {1.0}
    block = Block("ct", table[["y", "x"]], "features", draws=draws)
    assert learn(block, Filters(max_correlation=0.9)).columns == ("y",)
