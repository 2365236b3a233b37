"""Nothing leaks, and centres stay whole (about 15 s)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.competing import blocks_of, drawn, noise, planted
from helpers.honesty import inside_and_first
from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable
from histohet.cohort.settings import AnalysisSettings
from histohet.fusion.blocks import Block, Filters
from histohet.fusion.comparison import models_of
from histohet.fusion.cross_validation import Predictions, cross_validate
from histohet.fusion.feature_table import read_feature_table
from histohet.fusion.folds import deal, deal_splits, why_not
from histohet.fusion.models import Blocks, Fusion
from histohet.fusion.patients import fusion_cohort
from histohet.fusion.settings import FusionSettings

CT = {"ct": Fusion(("ct",))}

FILTERS = (
    Filters(),
    Filters(max_features=4),
    Filters(min_icc=0.75, max_correlation=0.9, max_features=6),
)


def predict(
    blocks: Blocks, outcome: pd.DataFrame, filters: Filters | None = None, seed: int = 1
) -> Predictions:
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    splits = deal_splits(state, folds=3, repeats=1, seed=seed)
    return cross_validate(
        blocks, time, state, CT, splits, horizons=(24,), filters=filters or Filters()
    )


def test_features_chosen_by_everybody_first_find_what_is_not_there() -> None:
    # Every model and filter on noise: tests/planted.
    pairs = []
    for seed in range(6):
        blocks, outcome = noise(60, 400, seed)
        pairs.append(inside_and_first(blocks["ct"], outcome, seed))
    inside, first = np.mean(pairs, axis=0)
    assert inside == pytest.approx(0.5, abs=0.1)
    assert first > 0.75


# --- patients of one fold, every model and filter -------------------------------------------------


@pytest.fixture(scope="module")
def four() -> tuple[Blocks, pd.DataFrame]:
    tables, outcome = planted(60, 2, missing=0.2)
    blocks = blocks_of(tables)
    draws = drawn(tables["ct"].dropna(), ("f_3",))
    return blocks | {"ct": replace(blocks["ct"], draws=draws)}, outcome


def of_all_models(
    blocks: Blocks, outcome: pd.DataFrame, filters: Filters, dealt_by: pd.DataFrame
) -> Predictions:
    """Predict by folds that were dealt by an outcome which may have changed since."""
    return cross_validate(
        blocks,
        outcome["time_months"].to_numpy(),
        outcome["state"].to_numpy(),
        models_of(list(blocks)),
        deal_splits(dealt_by["state"].to_numpy(), 3, 1, seed=1),
        horizons=(24, 36),
        filters=filters,
    )


@pytest.fixture(scope="module", params=FILTERS, ids=["all", "chosen", "stable"])
def before(
    request: pytest.FixtureRequest, four: tuple[Blocks, pd.DataFrame]
) -> tuple[Filters, Predictions]:
    return request.param, of_all_models(*four, request.param, four[1])


def test_outcomes_of_a_fold_change_none_of_its_predictions(
    four: tuple[Blocks, pd.DataFrame], before: tuple[Filters, Predictions]
) -> None:
    (blocks, outcome), (filters, found) = four, before
    here = np.flatnonzero(found.fold[0] == 0)
    permuted = outcome.copy()
    permuted.iloc[here] = outcome.iloc[np.random.default_rng(4).permutation(here)].to_numpy()
    again = of_all_models(blocks, permuted, filters, outcome)
    np.testing.assert_array_equal(again.predictor[..., here], found.predictor[..., here])
    np.testing.assert_array_equal(again.incidence[..., here], found.incidence[..., here])
    elsewhere = found.fold[0] != 0
    for name, old, new in zip(found.models, found.predictor, again.predictor, strict=True):
        same = np.array_equal(old[..., elsewhere], new[..., elsewhere])
        assert same == (name == "nothing"), name


def test_features_of_a_patient_change_his_risk_and_no_other_of_the_fold(
    four: tuple[Blocks, pd.DataFrame], before: tuple[Filters, Predictions]
) -> None:
    (blocks, outcome), (filters, found) = four, before
    here = np.flatnonzero(found.fold[0] == 0)
    one = next(i for i in here if blocks["ct"].known[i])
    changed: dict[str, Block] = {}
    for name, block in blocks.items():
        table = block.table.copy()
        row = table.index[one], block.number_names
        table.loc[row] = table.loc[row] * -2 + 5
        changed[name] = replace(block, table=table)
    again = of_all_models(changed, outcome, filters, outcome)
    rest = here[here != one]
    np.testing.assert_array_equal(again.incidence[..., rest], found.incidence[..., rest])
    for name, old, new in zip(found.models, found.incidence, again.incidence, strict=True):
        same = np.array_equal(old[..., one], new[..., one])
        assert same == (name == "nothing"), name


def test_a_patient_with_two_scans_is_in_one_fold(tmp_path: Path) -> None:
    _, outcome = noise(40, 1, 3)
    rng = np.random.default_rng(5)
    scans = pd.DataFrame(
        {
            "scan": [f"s{i}" for i in range(60)],
            "patient": [*outcome.index, *outcome.index[:20]],
            "f_0": rng.normal(size=60),
            "f_1": rng.normal(size=60),
        }
    )
    clinical = outcome.reset_index()[["patient"]].assign(
        LM_months=outcome["time_months"].to_numpy(),
        LM_event=pd.array(outcome["state"] == 1, "Int8"),
        LM_competing=pd.array(outcome["state"] == 2, "Int8"),
        age="60",
    )
    settings = FusionSettings(endpoint="LM", blocks=("ct",), tables={"ct": "ct.tsv"})
    age = Covariate(column="age", kind="numeric", name="age")

    def predicted(table: pd.DataFrame) -> Predictions:
        table.to_csv(tmp_path / "ct.tsv", sep="\t", index=False)
        read = read_feature_table(tmp_path / "ct.tsv")
        cohort = fusion_cohort(
            ClinicalTable(clinical, pd.DataFrame()),
            AnalysisSettings(name="main", covariates=(age,)),
            settings,
            {"ct": read},
        )
        assert cohort.outcome.index.is_unique
        assert cohort.blocks["ct"].table.index.equals(cohort.outcome.index)
        return predict({"ct": cohort.blocks["ct"]}, cohort.outcome)

    found = predicted(scans)
    assert found.fold.shape == (1, 40)
    # The second scans are in nobody's features.
    scans.loc[40:, ["f_0", "f_1"]] = 1e3
    np.testing.assert_array_equal(predicted(scans).incidence, found.incidence)


# --- centres, counts, draws -----------------------------------------------------------------------


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
