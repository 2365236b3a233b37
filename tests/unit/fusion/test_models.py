"""Early and late fusion against plain ridge regression; who is looked at (about 5 s)."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.competing import blocks_of, planted
from histohet.common.arrays import Ints
from histohet.fusion.blocks import Block, Filters
from histohet.fusion.competing_risks import aalen_johansen
from histohet.fusion.models import Fusion, FusionModel, fit_models, stacked
from histohet.prognosis.models import WEAK_PENALTY, deal_folds
from histohet.survival.partial_likelihood import RiskSets, maximise

TABLES, OUTCOME = planted(120, 6, missing=0.2)
BLOCKS = blocks_of(TABLES)
TIME, STATE = OUTCOME["time_months"].to_numpy(), OUTCOME["state"].to_numpy()
TRAINING = np.arange(120) < 100
INNER = np.where(TRAINING, -1, -1)
INNER[TRAINING] = deal_folds(STATE[TRAINING] == 1, 3, 1)
MODELS = {
    "nothing": Fusion(()),
    "ct": Fusion(("ct",)),
    "early": Fusion(("clinical", "ct", "slide")),
    "late": Fusion(("clinical", "ct", "slide"), "late"),
}


def fit(state: Ints = STATE, blocks: dict[str, Block] = BLOCKS) -> dict[str, FusionModel]:
    return fit_models(blocks, TIME, state, INNER, MODELS, Filters(max_correlation=0.95))


@pytest.fixture(scope="module")
def fitted() -> dict[str, FusionModel]:
    return fit()


def test_early_fusion_is_ridge_regression_with_a_penalty_per_block(
    fitted: dict[str, FusionModel],
) -> None:
    model = fitted["early"]
    for cause in (0, 1):
        columns, penalties, weights = [], [], []
        for name, part in model.parts.items():
            values, missing = part.encoding.apply(BLOCKS[name])
            columns += [values, missing]
            penalty = WEAK_PENALTY if name == "clinical" else part.penalty[cause]
            penalties += [penalty] * values.shape[1] + [WEAK_PENALTY] * missing.shape[1]
            weights += [*part.weights[cause], *[part.indicator[cause]] * missing.shape[1]]
        design = np.hstack(columns)
        risk = RiskSets(TIME[TRAINING], STATE[TRAINING] == cause + 1, ties="breslow")
        expected = maximise(design[TRAINING], risk, penalties).coefficients
        np.testing.assert_allclose(weights, expected, atol=1e-6)
        eta = model.predictors(BLOCKS)[cause]
        np.testing.assert_allclose(eta, design @ expected, atol=1e-6)


def test_late_fusion_is_a_share_of_each_block_alone(fitted: dict[str, FusionModel]) -> None:
    late, alone = fitted["late"].parts["ct"], fitted["ct"].parts["ct"]
    share = late.weights[0] / alone.weights[0]
    np.testing.assert_allclose(share, share[0])
    assert share[0] > 0
    assert late.indicator[0] == pytest.approx(share[0] * alone.indicator[0])


def test_stacking_leaves_out_what_counts_against_itself() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(200, 3))
    time = rng.exponential(np.exp(-truth @ [1, 0.5, 0.7]))
    risk = RiskSets(time, np.ones(200, bool), ties="breslow")
    good = stacked(truth, risk)
    deviation = truth.std(axis=0)
    expected = maximise(truth / deviation, risk, WEAK_PENALTY).coefficients / deviation
    np.testing.assert_allclose(good, expected)
    turned = stacked(truth * [1, -1, 1], risk)
    assert turned[1] == 0
    np.testing.assert_allclose(turned[[0, 2]], stacked(truth[:, [0, 2]], risk))
    assert stacked(np.zeros((200, 2)), risk).tolist() == [0, 0]


def test_a_model_of_nothing_predicts_the_incidence(fitted: dict[str, FusionModel]) -> None:
    risks = fitted["nothing"].incidence(BLOCKS, [12, 36])
    assert (risks == risks[0]).all()
    observed = aalen_johansen(TIME[TRAINING], STATE[TRAINING])
    np.testing.assert_allclose(risks[0], [observed.by(m).share for m in (12, 36)], atol=0.01)


def test_the_mean_prediction_is_the_incidence_of_the_training_patients(
    fitted: dict[str, FusionModel],
) -> None:
    # Penalised log hazards are smaller than the training patients', whom they thus overrate a bit.
    observed = aalen_johansen(TIME[TRAINING], STATE[TRAINING]).by(36).share
    for name in ("ct", "early", "late"):
        predicted = fitted[name].incidence(BLOCKS, [36])[TRAINING].mean()
        assert predicted == pytest.approx(observed, abs=0.03)


def test_nobody_but_the_training_patients_is_looked_at(fitted: dict[str, FusionModel]) -> None:
    state = np.where(TRAINING, STATE, 2 - STATE)
    changed = TABLES["ct"].copy()
    changed.iloc[110] = 7.0
    blocks = BLOCKS | {"ct": Block("ct", changed, "features")}
    again = fit(state, blocks)
    for name, model in fitted.items():
        before, after = model.incidence(BLOCKS, [36]), again[name].incidence(blocks, [36])
        others = np.arange(120) != 110
        np.testing.assert_array_equal(before[others], after[others])
        if name != "nothing":
            assert before[110, 0] != after[110, 0]


def test_a_rare_competing_event_happens_to_all_alike() -> None:
    state = np.where(np.cumsum(STATE == 2) > 5, STATE * (STATE == 1), STATE)
    assert 0 < (state[TRAINING] == 2).sum() < 10
    model = fit(state)["early"]
    assert all((part.weights[1] == 0).all() for part in model.parts.values())
    assert all((part.weights[0] != 0).any() for part in model.parts.values())
    assert model.hazards.increments[1].sum() > 0
