"""Models of a trait: what they find, what they must not know, and that maps agree with slides."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from helpers.traits import SITES, Planted, planted, settings
from histohet.common.provenance import Provenance
from histohet.traits.auc import auc, stratified_auc
from histohet.traits.cohort import TraitCohort
from histohet.traits.expression import TraitError
from histohet.traits.labels import HIGH, LOW
from histohet.traits.linear import fit_linear
from histohet.traits.models import FoldModel, LinearHeads, TraitModel, read_model, write_model
from histohet.traits.settings import TraitSettings
from histohet.traits.splits import TEST, VALIDATION, role_column
from histohet.traits.training import Lesson, Slides, matched_thresholds, train_trait


def trained(one: Planted, cohort: TraitCohort, of: TraitSettings) -> TraitModel:
    return train_trait("A", one.slides, *cohort[:3], of, "e", fit_linear)


def scores_of(one: Planted, cohort: TraitCohort, model: TraitModel) -> np.ndarray:
    """Return the score of every slide by models that have not seen its patient, NaN if none has."""
    fold = cohort.splits["fold"].to_numpy()
    return np.array(
        [
            model.folds[n].tile_scores(tiles).logit.mean() if n else np.nan
            for n, tiles in zip(fold, one.tiles, strict=True)
        ]
    )


def unseen_auc(one: Planted, values: np.ndarray, of: TraitSettings) -> float:
    cohort = one.cohort(values, of)
    scores = scores_of(one, cohort, trained(one, cohort, of))
    labels = cohort.labels
    judged = labels["label"].isin([LOW, HIGH]).to_numpy() & np.isfinite(scores)
    high, fold = (labels[name].to_numpy()[judged] for name in ("high", "fold"))
    return stratified_auc(scores[judged], high, fold).value


@pytest.mark.parametrize(("target", "least"), [("extremes", 0.85), ("rank", 0.85)])
def test_what_is_planted_is_found(target: str, least: float) -> None:
    one, of = planted(120, 200, 8, 1, effect=3), settings(target=target)
    noise = 0.05 * np.random.default_rng(2).normal(size=120)
    cohort = one.cohort(one.share + noise, of)
    model = trained(one, cohort, of)
    scores = scores_of(one, cohort, model)
    assert spearmanr(scores, one.share).statistic > 0.9
    fold = cohort.splits["fold"]
    found = [model.folds[n].tile_scores(t) for n, t in zip(fold, one.tiles, strict=True)]
    every = np.concatenate([f.logit for f in found])
    assert auc(every, np.concatenate(one.positive)) > least
    # The common threshold finds as many positive tiles as there are, slide by slide.
    shares = np.array([f.vote.mean() for f in found])
    assert abs(shares.mean() - one.share.mean()) < 0.05
    assert spearmanr(shares, one.share).statistic > 0.9
    assert fold.nunique() == len(model.folds) == 5


def test_the_mean_over_tiles_is_the_score_of_the_slide() -> None:
    rng = np.random.default_rng(3)
    heads = LinearHeads(rng.normal(size=(4, 30)), rng.normal(size=4))
    tiles = rng.normal(size=(1000, 30))
    mean = heads.tile_logits(tiles).mean(axis=0)
    np.testing.assert_allclose(mean, heads.slide_logits(tiles), rtol=0, atol=1e-9)
    np.testing.assert_allclose(mean, tiles.mean(0) @ heads.weight.T + heads.bias, atol=1e-9)


def test_the_mean_of_planes_is_their_mean_plane() -> None:
    rng = np.random.default_rng(4)
    heads = LinearHeads(rng.normal(size=(5, 30)), rng.normal(size=5))
    tiles = rng.normal(size=(200, 30))
    expected = heads.tile_logits(tiles).mean(axis=1)
    np.testing.assert_allclose(heads.mean_logits(tiles), expected, rtol=0, atol=1e-12)


def lesson(one: Planted, target: np.ndarray) -> Lesson:
    n = len(target)
    halves = [np.arange(n) % 3 == which for which in range(3)]
    return Lesson(target, np.ones(n), tuple((~half, half) for half in halves))


def test_planes_are_those_of_scikit_learn_and_at_a_minimum() -> None:
    one = planted(60, 50, 5, 4)
    target = (one.share > 0.5).astype(float)
    of = lesson(one, target)
    found = fit_linear(one.slides, of)
    assert isinstance(found.heads, LinearHeads)
    x, penalty = one.slides.vectors, found.about["penalty"]
    for number, (seen, held_out) in enumerate(of.rounds):
        scaled = (x - x[seen].mean(0)) / one.slides.spread
        model = LogisticRegression(C=penalty, tol=1e-10, max_iter=9999).fit(
            scaled[seen], target[seen]
        )
        logits = x @ found.heads.weight[number] + found.heads.bias[number]
        np.testing.assert_allclose(logits, model.decision_function(scaled), atol=2e-3)
        weight = found.heads.weight[number] * one.slides.spread
        residual = expit(logits[seen]) - target[seen]
        gradient = weight + penalty * scaled[seen].T @ residual
        np.testing.assert_allclose(gradient, 0, atol=2e-3)
        loss = -np.log(np.where(target == 1, expit(logits), expit(-logits)))[held_out].mean()
        assert found.loss[number] == pytest.approx(loss)


def test_a_patient_with_many_slides_counts_once() -> None:
    """Doubling the slides of every patient changes nothing."""
    one, of = planted(60, 50, 5, 5), settings(folds=2, rounds=2)
    cohort = one.cohort(one.share, of)
    twice = Planted(
        *(list(part) * 2 for part in (one.patients, one.tiles, one.positive)), one.share
    )
    slides = twice.slides
    models = [
        train_trait("A", each, *cohort[:3], of, "e", fit_linear) for each in (one.slides, slides)
    ]
    for number in (1, 2):
        first, second = (model.folds[number] for model in models)
        for name, tensor in first.heads.tensors().items():
            np.testing.assert_allclose(second.heads.tensors()[name], tensor, atol=1e-4)
        np.testing.assert_allclose(second.thresholds, first.thresholds, atol=1e-4)


def test_a_matched_threshold_by_brute_force() -> None:
    rng = np.random.default_rng(6)
    tiles = [rng.normal(size=(n, 3)) for n in (10, 40, 25)]
    heads = LinearHeads(rng.normal(size=(2, 3)), np.array([0.3, -0.4]))
    slides = Slides(["a", "b", "c"], np.zeros((3, 3)), lambda at, *_: tiles[at], np.ones(3))
    developed = np.array([True, False, True])
    (found,) = matched_thresholds([heads], [developed], slides, together=False)
    used = [tiles[0], tiles[2]]
    for model, threshold in enumerate(found):
        wanted = np.mean([expit(heads.slide_logits(one)[model]) for one in used])

        def share(at: float, model: int = model) -> float:
            return float(np.mean([(heads.tile_logits(t)[:, model] > at).mean() for t in used]))

        assert share(threshold) <= wanted + 1e-12
        assert share(threshold - 1e-9) > wanted
    (together,) = matched_thresholds([heads], [developed], slides, together=True)
    assert together.shape == (1,)


@pytest.mark.parametrize("votes", list(product((-1.0, 1.0), repeat=3)))
def test_the_majority_of_three_by_brute_force(votes: tuple[float, ...]) -> None:
    model = FoldModel(LinearHeads(np.zeros((3, 1)), np.array(votes)), np.zeros(3))
    assert model.tile_scores(np.zeros((1, 1))).vote[0] == (sum(v > 0 for v in votes) >= 2)
    mean = FoldModel(LinearHeads(np.zeros((3, 1)), np.array(votes)), np.zeros(1))
    assert mean.tile_scores(np.zeros((1, 1))).vote[0] == (np.mean(votes) > 0)


def test_features_that_do_not_fit_are_refused() -> None:
    model = FoldModel(LinearHeads(np.ones((1, 3)), np.zeros(1)), np.zeros(1))
    with pytest.raises(ValueError, match="takes 3 numbers per tile, these have 4"):
        model.tile_scores(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="not finite"):
        model.tile_scores(np.full((2, 3), np.nan))


def test_the_published_scheme_takes_the_best_rounds_and_lets_them_vote() -> None:
    one, of = planted(150, 100, 6, 7), settings(scheme="published", threshold=0.5)
    cohort = one.cohort(one.share, of)
    fold = trained(one, cohort, of).folds[1]
    aucs = np.array(fold.about["validation_auc"])
    best = np.argsort(-aucs, kind="stable")[:3]
    assert fold.about["rounds"] == (best + 1).tolist()
    assert fold.heads.tensors()["weight"].shape == (3, 6)
    np.testing.assert_array_equal(fold.thresholds, np.zeros(3))
    assert trained(one, cohort, settings(scheme="published", threshold=0.8)).folds[1].thresholds[
        0
    ] == pytest.approx(logit(0.8))


def test_models_come_back_and_are_told_apart(tmp_path: Path) -> None:
    one, of = planted(100, 30, 4, 8), settings(folds=2, rounds=2)
    model = trained(one, one.cohort(one.share, of), of)
    write_model(tmp_path / "m.h5", model, Provenance())
    found = read_model(tmp_path / "m.h5", "A", "e")
    assert list(found.folds) == [1, 2]
    for number, fold in model.folds.items():
        again = found.folds[number]
        assert again.about == fold.about
        tiles = one.tiles[0]
        np.testing.assert_array_equal(again.tile_scores(tiles).logit, fold.tile_scores(tiles).logit)
        np.testing.assert_array_equal(again.thresholds, fold.thresholds)
    with pytest.raises(TraitError, match="a model of the trait 'A', not of 'B'"):
        read_model(tmp_path / "m.h5", "B", "e")
    with pytest.raises(TraitError, match="a model of the encoder 'e', not of 'f'"):
        read_model(tmp_path / "m.h5", "A", "f")


def test_slides_without_a_label_to_learn_are_refused() -> None:
    one, of = planted(100, 30, 4, 8), settings(folds=2, rounds=2)
    cohort = one.cohort(one.share, of)
    low = cohort.labels["label"] != "high"
    parts = (one.patients, one.tiles, one.positive)
    few = Planted(*([x for x, k in zip(p, low, strict=True) if k] for p in parts), one.share)
    with pytest.raises(TraitError, match="too many slides gave no features"):
        trained(few, cohort, of)


def test_a_round_without_slides_to_validate_on_is_refused() -> None:
    one, of = planted(100, 30, 4, 8), settings(folds=2, rounds=2)
    cohort = one.cohort(one.share, of)
    left = cohort.splits[role_column(2, 1)] != VALIDATION
    parts = (one.patients, one.tiles, one.positive)
    few = Planted(*([x for x, k in zip(p, left, strict=True) if k] for p in parts), one.share)
    with pytest.raises(TraitError, match="fold 2, round 1: no slide to validate on: its patients"):
        trained(few, cohort, of)


# leakage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["cross_fitted", "published"])
def test_nothing_is_learned_from_a_tested_patient(scheme: str) -> None:
    one, of = planted(100, 30, 5, 9), settings(scheme=scheme)
    values = one.share.copy()
    before = one.cohort(values, of)
    fold = 1 if scheme == "published" else 3
    tested = np.flatnonzero(before.splits[role_column(fold, 1)] == TEST)
    values[tested] = [1e6, -1e6] * (len(tested) // 2) + [3.0] * (len(tested) % 2)
    after = one.cohort(values, of)
    first, second = (trained(one, cohort, of).folds[fold] for cohort in (before, after))
    assert first.about == second.about
    for name, tensor in first.heads.tensors().items():
        assert tensor.tobytes() == second.heads.tensors()[name].tobytes()
    assert first.thresholds.tobytes() == second.thresholds.tobytes()


def mean_and_error(found: list[float]) -> tuple[float, float]:
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def test_permuted_expression_says_nothing() -> None:
    rng = np.random.default_rng(10)
    found = []
    for seed in range(60):
        one = planted(80, 10, 6, seed)
        found.append(unseen_auc(one, rng.permutation(one.share), settings(folds=3, rounds=2)))
    mean, error = mean_and_error(found)
    assert error < 0.03
    assert abs(mean - 0.5) < 2 * error


def test_a_cohort_that_shows_only_its_sites_says_nothing_where_they_are_kept_together() -> None:
    """Expression differs between sites, and slides show their site and nothing else.

    Cohorts are refused, before any training, where all high patients are of a site or two and a
    split has none to learn from.
    """
    together, apart = [], []
    for seed in range(20):
        one = planted(160, 5, 12, seed, effect=0, site=1.0)
        rng = np.random.default_rng(100 + seed)
        of_site = rng.normal(size=SITES)
        sites = np.array([int(patient[:2]) for patient in one.patients])
        values = of_site[sites] + rng.normal(size=160)
        keys: dict[str, Any] = {"folds": 4, "rounds": 2}
        with suppress(TraitError):
            together.append(unseen_auc(one, values, settings(**keys)))
        apart.append(unseen_auc(one, values, settings(keep_together="patient", **keys)))
    assert len(together) >= 12
    mean, error = mean_and_error(together)
    assert abs(mean - 0.5) < 3 * error
    assert mean_and_error(apart)[0] > 0.65
