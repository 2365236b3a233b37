"""Nothing leaks, and centres stay whole (about 15 s)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.competing import blocks_of, drawn, noise, planted
from histohet.fusion.blocks import Block, Filters, learn_encoding
from histohet.fusion.cross_validation import Predictions, cross_validate
from histohet.fusion.folds import deal, deal_splits, why_not
from histohet.fusion.models import Blocks, Fusion
from histohet.fusion.performance import auc, known_by

CT = {"ct": Fusion(("ct",))}


def predict(
    blocks: Blocks, outcome: pd.DataFrame, filters: Filters | None = None, seed: int = 1
) -> Predictions:
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    splits = deal_splits(state, folds=3, repeats=1, seed=seed)
    return cross_validate(
        blocks, time, state, CT, splits, horizons=(24,), filters=filters or Filters()
    )


def auc_of(found: Predictions, outcome: pd.DataFrame) -> float:
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    everybody = np.ones((1, len(time)))
    risk, fold = found.incidence[0, 0, 0], found.fold[0]
    return float(auc(known_by(time, state, 24), risk, fold, everybody)[0])


def chosen_by_all(blocks: Blocks, outcome: pd.DataFrame, features: int) -> Blocks:
    """The mistake: features chosen by the outcomes of everybody, before there are folds."""
    time, event = outcome["time_months"].to_numpy(), outcome["state"].to_numpy() == 1
    everybody = np.ones(len(time), bool)
    kept = learn_encoding(blocks["ct"], everybody, time, event, Filters(max_features=features))
    return {"ct": Block("ct", blocks["ct"].table[list(kept.columns)], "features")}


def test_noise_predicts_nothing_unless_features_are_chosen_by_all() -> None:
    inside, first, ridge = [], [], []
    for seed in range(6):
        blocks, outcome = noise(70, 1000, seed)
        inside.append(auc_of(predict(blocks, outcome, Filters(max_features=5)), outcome))
        first.append(auc_of(predict(chosen_by_all(blocks, outcome, 5), outcome), outcome))
        ridge.append(auc_of(predict(blocks, outcome), outcome))
    assert np.mean(ridge) == pytest.approx(0.5, abs=0.05)
    assert np.mean(inside) == pytest.approx(0.5, abs=0.05)
    assert np.mean(first) > 0.8


def test_outcomes_of_a_fold_change_none_of_its_predictions() -> None:
    tables, outcome = planted(60, 2)
    blocks = {"ct": blocks_of(tables)["ct"]}
    found = predict(blocks, outcome)
    assert found.fits["cause"].tolist() == [1, 2] * 3
    # Two patients with the same state swap times: folds, dealt by states, stay as they are.
    fold, state = found.fold[0], outcome["state"].to_numpy()
    one, other = np.flatnonzero((fold == 0) & (state == 1))[:2]
    time = outcome["time_months"].to_numpy().copy()
    time[[one, other]] = time[[other, one]]
    again = predict(blocks, outcome.assign(time_months=time))
    np.testing.assert_array_equal(again.fold, found.fold)
    here = fold == 0
    np.testing.assert_array_equal(found.incidence[..., here], again.incidence[..., here])
    assert not np.array_equal(found.incidence, again.incidence)


def test_centres_stay_whole_and_events_are_dealt_evenly() -> None:
    rng = np.random.default_rng(3)
    centre, event = rng.choice(list("ABCDEFGHIJ"), 200), rng.random(200) < 0.3
    fold = deal(event, 4, 7, centre)
    assert set(fold) == {0, 1, 2, 3}
    assert pd.Series(fold).groupby(centre).nunique().eq(1).all()
    assert pd.Series(event).groupby(fold).sum().between(5, 30).all()
    np.testing.assert_array_equal(fold, deal(event, 4, 7, centre))
    assert not np.array_equal(fold, deal(event, 4, 8, centre))


def test_a_model_is_cross_validated_over_centres() -> None:
    blocks, outcome = noise(40, 5, 1)
    centre = np.repeat(list("ABCD"), 10)
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    splits = deal_splits(state, 3, 1, seed=1, centre=centre)
    found = cross_validate(blocks, time, state, CT, splits, horizons=(24,), filters=Filters())
    assert pd.Series(found.fold[0]).groupby(centre).nunique().eq(1).all()
    assert np.isfinite(found.incidence).all()


def test_what_forbids_folds_is_said() -> None:
    state = np.array([1] * 7 + [0] * 33)
    assert why_not(state, 5) == "7 events among 40 patients: 5 folds need at least 10"
    state[:12] = 1
    assert why_not(state, 5) == ""
    words = why_not(state, 5, np.array(["A", "B"] * 20))
    assert words.startswith("2 centres, whose patients stay together: 5 folds need at least 5")
    blocks, outcome = noise(20, 3, 1)
    with pytest.raises(ValueError, match="0 events among 20 patients"):
        predict(blocks, outcome.assign(state=0))


def test_kept_features_are_counted() -> None:
    blocks, outcome = noise(60, 20, 5)
    found = predict(blocks, outcome, Filters(max_features=4))
    assert found.kept["share"].sum() == pytest.approx(4)
    assert (found.fits["columns"] == 4).all()
    assert replace(found).kept["block"].eq("ct").all()


def test_draws_of_a_fold_change_none_of_its_predictions() -> None:
    tables, outcome = planted(60, 2)
    block = blocks_of(tables)["ct"]
    draws = drawn(block.table, ("f_3",))
    blocks, filters = {"ct": replace(block, draws=draws)}, Filters(min_icc=0.75)
    found = predict(blocks, outcome, filters)
    share = found.kept.set_index("column")["share"]
    assert share["f_3"] == 0
    assert share.drop("f_3").eq(1).all()
    assert found.fits["unstable"].eq(1).all()
    assert found.fits["columns"].eq(29).all()
    here = found.fold[0] == 0
    changed, rng = draws.copy(), np.random.default_rng(1)
    rows = changed.index.isin(block.table.index[here])
    changed.loc[rows, ["f_0", "f_7"]] = rng.normal(0, 1e3, (rows.sum(), 2))
    again = predict({"ct": replace(block, draws=changed)}, outcome, filters)
    np.testing.assert_array_equal(found.incidence[..., here], again.incidence[..., here])
    assert again.kept.set_index("column").loc["f_7", "share"] == pytest.approx(1 / 3)
    assert not np.array_equal(found.incidence, again.incidence)
