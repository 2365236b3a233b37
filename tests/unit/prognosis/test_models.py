"""Nested cross-validation: nothing leaks, and a plain fit gives the same (about 10 s)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.patients import ROSSI_COVARIATES
from histohet.common.arrays import Bools, Floats
from histohet.prognosis.models import (
    MAX_COMPONENTS,
    PENALTIES,
    WEAK_PENALTY,
    OutOfFold,
    choose_penalties,
    cross_validate,
    deal_folds,
    held_out_likelihood,
    prepare_columns,
    principal_components,
    why_not,
)
from histohet.survival import ranking
from histohet.survival.partial_likelihood import RiskSets, maximise

ALL: tuple[str, ...] = ("clinical", "embedding", "heterogeneity")
CHEAP: dict[str, tuple[str, ...]] = {"heterogeneity": ("heterogeneity",)}
MODELS: dict[str, tuple[str, ...]] = CHEAP | {"embedding": ("embedding",), "all": ALL}


def make(
    seed: int, n: int = 60, width: int = 30, signal: float = 0.0
) -> tuple[dict[str, Any], Floats, Bools]:
    """A cohort whose first number of the embedding carries the signal."""
    rng = np.random.default_rng(seed)
    embedding = rng.normal(size=(n, width))
    clinical = pd.DataFrame({"age": rng.normal(60, 9, n), "T": rng.choice(["a", "b", "c"], n)})
    heterogeneity = pd.DataFrame({"score": rng.normal(size=n)})
    time = rng.exponential(np.exp(-signal * embedding[:, 0])) * 30
    censoring = rng.uniform(10, 80, n)
    event = time <= censoring
    return (
        {"clinical": clinical, "heterogeneity": heterogeneity, "embedding": embedding},
        np.where(event, time, censoring),
        event,
    )


def run(
    data: tuple[dict[str, Any], Floats, Bools], models: dict[str, tuple[str, ...]], **more: Any
) -> OutOfFold:
    options = {"folds": 3, "repeats": 1, "horizons": [12.0, 36.0], "seed": 0}
    return cross_validate(*data, models, **(options | more))


def c_index(found: OutOfFold, time: Floats, event: Bools) -> Floats:
    """Of every model, within folds, in the first repetition."""
    shares = [
        ranking.c_index(time, event, m[0], stratum=found.fold[0])[0] for m in found.linear_predictor
    ]
    return np.array(shares)


def test_columns_are_learnt_from_the_training_patients() -> None:
    frame = pd.DataFrame(
        {
            "number": [1.0, 2.0, 6.0, np.nan, np.nan, 100.0],
            "level": ["b", "a", "b", np.nan, "c", "a"],
            "same": [4.0, 4.0, 4.0, 4.0, 5.0, 6.0],
            "empty": [np.nan] * 6,
        }
    )
    training = np.array([True, True, True, True, False, False])
    found = prepare_columns(frame, training)
    number = np.array([1, 2, 6, 2, 2, 100])  # 2 is the median of 1, 2, 6
    level_a = np.array([0, 1, 0, 0, 0, 1])  # "b" is most frequent; "c" no training patient has
    for column, values in zip(found[:, [0, 2]].T, (number, level_a), strict=True):
        expected = (values - values[:4].mean()) / values[:4].std()
        np.testing.assert_allclose(column, expected)
    # What does not vary has no coefficient; what nobody has is no column.
    np.testing.assert_array_equal(found[training, 1], 0)
    assert found.shape == (6, 3)
    assert prepare_columns(frame[[]], training).shape == (6, 0)
    with pytest.raises(ValueError, match="infinity"):
        prepare_columns(frame.replace(100.0, np.inf), training)


def test_components_keep_all_of_the_standardised_embedding() -> None:
    rng = np.random.default_rng(0)
    embedding = rng.normal(3, 5, size=(30, 80))
    embedding[:, 7] = 0.1
    training = np.arange(30) < 20
    found = principal_components(embedding, training)
    assert found.shape == (30, 19)
    inside = found[training]
    assert inside.var(axis=0).sum() == pytest.approx(1)
    assert (np.diff(inside.var(axis=0)) < 0).all()
    known = np.delete(embedding, 7, axis=1)
    scaled = (known - known[training].mean(axis=0)) / known[training].std(axis=0) / np.sqrt(79)
    np.testing.assert_allclose(inside @ found.T, scaled[training] @ scaled.T, atol=1e-12)


def test_components_are_bounded_and_may_be_none() -> None:
    rng = np.random.default_rng(0)
    many = principal_components(rng.normal(size=(260, 300)), np.arange(260) < 250)
    assert many.shape == (260, MAX_COMPONENTS)
    assert principal_components(np.full((5, 3), 2.0), np.arange(5) < 3).shape == (5, 0)


@given(st.integers(2, 8), st.integers(8, 90), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_folds_hold_equal_shares_of_events_and_patients(folds: int, n: int, seed: int) -> None:
    event = np.random.default_rng(seed).random(n) < 0.4
    event[:folds] = True
    fold = deal_folds(event, folds, seed)
    for counted in (event, np.ones(n, bool)):
        sizes = np.bincount(fold[counted], minlength=folds)
        assert np.ptp(sizes) <= 1


def test_what_forbids_validation() -> None:
    assert why_not(np.ones(10, bool), 5) == ""
    assert "9 events among 12 patients: 5 folds need at least 10" in why_not(np.arange(12) < 9, 5)
    assert "at least 2" in why_not(np.ones(10, bool), 1)
    predictors, time, event = make(0)
    with pytest.raises(ValueError, match="0 events among 60"):
        run((predictors, time, event & False), CHEAP)


def test_outcomes_of_the_left_out_do_not_reach_their_predictions() -> None:
    predictors, time, event = make(1, signal=1.0)
    found = run((predictors, time, event), MODELS)
    for k in range(3):
        left_out = found.fold[0] == k
        other = np.where(left_out, time[::-1] * 3 + 1, time)
        again = run((predictors, other, event), MODELS)
        np.testing.assert_array_equal(again.fold, found.fold)
        for name in ("linear_predictor", "event_probability"):
            before, after = getattr(found, name), getattr(again, name)
            np.testing.assert_array_equal(after[..., left_out], before[..., left_out])
            assert not np.array_equal(after[..., ~left_out], before[..., ~left_out])
        np.testing.assert_array_equal(again.penalty[..., k], found.penalty[..., k])


def test_what_the_left_out_look_like_reaches_only_their_own_prediction() -> None:
    predictors, time, event = make(2, signal=1.0)
    found = run((predictors, time, event), MODELS)
    who = 11
    embedding = predictors["embedding"].copy()
    embedding[who] += 1000.0
    clinical = predictors["clinical"].copy()
    clinical.loc[who, "age"] = 1e6
    heterogeneity = predictors["heterogeneity"].copy()
    heterogeneity.loc[who, "score"] = -1e5
    again = run(
        (
            {"clinical": clinical, "heterogeneity": heterogeneity, "embedding": embedding},
            time,
            event,
        ),
        MODELS,
    )
    mates = (found.fold[0] == found.fold[0][who]) & (np.arange(60) != who)
    before, after = found.linear_predictor[:, 0], again.linear_predictor[:, 0]
    np.testing.assert_allclose(after[:, mates], before[:, mates], rtol=1e-9, atol=1e-12)
    assert (np.abs(after[:, who] - before[:, who]) > 1).all()


@pytest.mark.real
def test_held_out_likelihood_is_the_deviance_of_cv_glmnet(real_data: Path) -> None:
    # R: cv <- cv.glmnet(x, y, family = "cox", alpha = 0, foldid = rep(1:6, length.out = 432),
    #                    lambda = c(1, 0.1, 0.01, 0.001), standardize = FALSE, grouped = TRUE,
    #                    thresh = 1e-22, maxit = 1e8); -cv$cvm * sum(arrest) / 2
    expected = [-585.291019561, -584.350049498, -584.868555002, -585.942823645]
    table = pd.read_csv(real_data / "survival/rossi.csv")
    design = table[ROSSI_COVARIATES].to_numpy(float)
    time, event = table["week"].to_numpy(float), table["arrest"].to_numpy(bool)
    fold = np.arange(len(time)) % 6
    total = np.zeros(4)
    for k in range(6):
        training = fold != k
        penalties = np.outer([1, 0.1, 0.01, 0.001], np.full(7, training.sum()))
        total += held_out_likelihood(design, time, event, training, penalties)
        # glmnet's deviance starts from the saturated model, −Σ d log d over tied deaths.
        total -= saturated(time[event]) - saturated(time[event & training])
    np.testing.assert_allclose(total, expected, atol=1e-6)


def saturated(times_of_death: Floats) -> float:
    deaths = np.unique(times_of_death, return_counts=True)[1]
    return float(-(deaths * np.log(deaths)).sum())


def test_choice_and_fit_are_those_of_plain_ridge_regression_on_all_columns() -> None:
    predictors, time, event = make(3, n=40, signal=1.5)
    inner = np.random.default_rng(0).integers(0, 3, 40)
    inner[:6] = -1
    models: dict[str, tuple[str, ...]] = {"both": ("heterogeneity", "embedding")}

    def plain(training: Bools) -> Floats:
        columns = np.column_stack([predictors["heterogeneity"], predictors["embedding"]])
        scaled = (columns - columns[training].mean(axis=0)) / columns[training].std(axis=0)
        scaled[:, 1:] /= np.sqrt(30)
        return scaled

    penalties = np.column_stack([np.full(len(PENALTIES), WEAK_PENALTY), *[PENALTIES] * 30])
    seen, total = inner >= 0, np.zeros(len(PENALTIES))
    for k in range(3):
        training = seen & (inner != k)
        total += held_out_likelihood(
            plain(training)[seen], time[seen], event[seen], training[seen], penalties
        )
    chosen = choose_penalties(predictors, time, event, inner, models)
    assert chosen == {"both": PENALTIES[int(np.argmax(total))]}
    assert 0 < np.argmax(total) < len(PENALTIES) - 1

    found = run((predictors, time, event), models)
    training = found.fold[0] != 1
    design = plain(training)
    penalty = np.r_[WEAK_PENALTY, np.full(30, found.penalty[0, 0, 1])]
    risk = RiskSets(time[training], event[training], ties="breslow")
    beta = maximise(design[training], risk, penalty).coefficients
    eta = design @ beta
    np.testing.assert_allclose(found.linear_predictor[0, 0, ~training], eta[~training], atol=1e-9)
    hazard = risk.baseline_hazard(eta[training], [12, 36])
    expected = 1 - np.exp(-np.outer(hazard, np.exp(eta[~training])))
    np.testing.assert_allclose(found.event_probability[0, 0][:, ~training], expected, atol=1e-9)


def test_noise_and_permuted_outcomes_rank_like_a_coin() -> None:
    shares = []
    for seed in range(12):
        predictors, time, event = make(seed, width=15, signal=2.0 * (seed % 2))
        order = np.random.default_rng(seed).permutation(60)  # signal, if any, is now elsewhere's
        found = run((predictors, time[order], event[order]), MODELS, seed=seed)
        shares.append(c_index(found, time[order], event[order]))
    error = np.std(shares, axis=0, ddof=1) / np.sqrt(len(shares))
    assert (np.abs(np.mean(shares, axis=0) - 0.5) < 3 * error).all()
    assert (error < 0.04).all()


def test_a_score_that_leaks_in_the_test_fold_alone_does_not_help() -> None:
    shares = []
    for seed in range(60):
        predictors, time, event = make(seed, width=1)
        fold = run((predictors, time, event), CHEAP, seed=seed).fold[0]
        leaking = predictors["heterogeneity"].assign(
            score=lambda frame, there=fold == 0, time=time: frame["score"].where(~there, -time)
        )
        found = run((predictors | {"heterogeneity": leaking}, time, event),
                    CHEAP, seed=seed)  # fmt: skip
        here = fold == 0
        np.testing.assert_array_equal(found.fold[0], fold)
        risk = found.linear_predictor[0, 0, here]
        shares.append(ranking.c_index(time[here], event[here], risk)[0])
    # One score ranks as its sign, which the training patients tell at random: all right or wrong.
    assert set(np.round(shares, 9)) <= {0.0, 1.0}
    assert abs(np.mean(shares) - 0.5) < 3 * 0.5 / np.sqrt(len(shares))


def test_a_planted_signal_is_found_with_less_penalty() -> None:
    planted, noise = make(4, n=120, signal=1.5), make(4, n=120)
    found, nothing = run(planted, MODELS), run(noise, MODELS)
    score, embedding, everything = c_index(found, *planted[1:])
    assert embedding > 0.65
    assert everything > 0.65
    assert score < 0.6
    assert found.penalty[1].max() < np.median(nothing.penalty[1])
    assert np.isnan(found.penalty[0]).all()


def test_a_rare_level_without_events_stays_finite() -> None:
    predictors, time, event = make(5)
    clinical = predictors["clinical"].assign(
        T=["rare" if i < 4 else "x" for i in np.argsort(np.argsort(event, kind="stable"))]
    )
    found = run((predictors | {"clinical": clinical}, time, event),
                {"clinical": ("clinical",)})  # fmt: skip
    assert np.isfinite(found.linear_predictor).all()
    assert np.abs(found.linear_predictor).max() < 10


def test_the_fewest_events_allowed_are_enough_to_fit() -> None:
    predictors, _, _ = make(6, n=12)
    time, event = np.arange(12.0, 0.0, -1), np.isin(np.arange(12), [0, 3, 7, 11])
    for seed in range(5):
        found = run((predictors, time, event), MODELS, folds=2, seed=seed)
        assert np.isfinite(found.linear_predictor).all()
        assert ((found.event_probability >= 0) & (found.event_probability <= 1)).all()
