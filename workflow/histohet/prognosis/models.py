"""Risk models of clinical data, heterogeneity and a slide embedding, by nested cross-validation.

Whatever is learnt (medians that stand in for missing values, levels, scales, principal components,
the penalty, the coefficients, the baseline hazard) is learnt from the training patients of a fold;
the others only get the result applied.

Clinical columns and heterogeneity scores are few and are what a reader knows by name: they carry a
fixed and weak penalty (`WEAK_PENALTY`), which leaves their hazard ratios nearly as they are but
finite when a rare level has no event in a fold. The embedding, with more columns than there are
patients, is a block of its own, whose penalty is chosen by inner cross-validation. A single penalty
for all would shrink the few with the many, and an addition to the embedding would look smaller than
it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histohet.prognosis.risk_predictors import Block, Predictors
from histohet.survival.penalised_cox import (
    cumulative_baseline_hazard,
    fit_ridge_cox,
    held_out_likelihood,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

WEAK_PENALTY = 1.0
"""On clinical columns and scores, per standard deviation: a standard normal prior on the log hazard
ratio, 95 % within 1/7 to 7. It shrinks an estimate from 100 events by about 1 %."""

PENALTIES = tuple(float(f"{10**power:.6g}") for power in np.arange(4, -1.1, -0.5))
"""For the embedding, from strong to weak. Its columns are scaled so that a penalty of λ is a prior
under which the log hazard varies with variance 1/λ from patient to patient: from next to nothing
(standard deviation 0.01) to a hazard ratio of 24 per standard deviation."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What m models foretold of n patients whom they had not seen, in each of r repetitions.

    Attributes
    ----------
    models
        Blocks that each of them uses.
    horizons
        In the unit of the follow-up.
    fold
        (r, n) the fold that each patient was left out with.
    linear_predictor
        (m, r, n) log relative hazard. Its zero differs from fold to fold.
    event_probability
        (m, r, h, n) probability of the event by each of h horizons.
    penalty
        (m, r, folds) chosen for the embedding, NaN in models without.
    """

    models: Mapping[str, Sequence[Block]]
    horizons: tuple[float, ...]
    fold: Ints
    linear_predictor: Floats
    event_probability: Floats
    penalty: Floats


def foretell(
    predictors: Predictors,
    time: Floats,
    event: Bools,
    models: Mapping[str, Sequence[Block]],
    *,
    folds: int,
    repeats: int,
    horizons: Sequence[float],
    seed: int,
) -> OutOfFold:
    """Fit every model on all folds but one and apply it to that one, for every fold.

    Folds are the same for all models. Penalties are chosen by as many inner folds.

    Parameters
    ----------
    predictors
        Of n patients.
    time, event
        (n,) follow-up, and whether the event was observed.
    models
        Blocks that each model uses.
    folds, repeats
        Parts that the patients are dealt into, and how often they are dealt anew.
    horizons
        In the unit of `time`.
    seed
        Of the folds.

    Raises
    ------
    ValueError
        If there are fewer than 2 folds, or fewer than 2 events per fold.
    """
    reason = why_not(event, folds)
    if reason:
        raise ValueError(reason)
    shape = (len(models), repeats)
    found = OutOfFold(
        models=models,
        horizons=tuple(horizons),
        fold=np.empty((repeats, len(time)), np.int64),
        linear_predictor=np.empty((*shape, len(time))),
        event_probability=np.empty((*shape, len(horizons), len(time))),
        penalty=np.full((*shape, folds), np.nan),
    )
    for r, seeds in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        rng = np.random.default_rng(seeds)
        found.fold[r] = deal_folds(event, folds, rng)
        for k in range(folds):
            training = found.fold[r] != k
            inner = np.full(len(time), -1)
            inner[training] = deal_folds(event[training], folds, rng)
            chosen = choose_penalties(predictors, time, event, inner, models)
            blocks = _blocks(predictors, training, models)
            for m, (name, parts) in enumerate(models.items()):
                design, penalty = _design(blocks, parts, chosen[name])
                beta = fit_ridge_cox(design[training], time[training], event[training], penalty)
                eta = design @ beta
                hazard = cumulative_baseline_hazard(
                    eta[training], time[training], event[training], horizons
                )
                left_out = ~training
                found.linear_predictor[m, r, left_out] = eta[left_out]
                # Somebody unlike all training patients may be beyond what a float holds.
                relative = np.exp(np.minimum(eta[left_out], 500.0))
                found.event_probability[m, r, :, left_out] = -np.expm1(-np.outer(relative, hazard))
                found.penalty[m, r, k] = chosen[name]
    return found


def why_not(event: Bools, folds: int) -> str:
    """Say what forbids a cross-validation into so many folds, "" if nothing does."""
    if folds < 2:
        return f"{folds} fold is no cross-validation: at least 2 are needed"
    events = int(np.sum(event))
    if events < 2 * folds:
        return (
            f"{events} events among {len(event)} patients: {folds} folds need at least {2 * folds}"
        )
    return ""


def deal_folds(event: Bools, folds: int, rng: np.random.Generator) -> Ints:
    """Deal patients into folds at random, those with and without event each as evenly as it goes.

    Returns
    -------
    ndarray
        (n,) int64, 0 to folds − 1.
    """
    with_event, without = rng.permutation(np.flatnonzero(event)), np.flatnonzero(~event)
    # One deal for all, so that the folds differ by at most one patient as well.
    dealt = np.concatenate([with_event, rng.permutation(without)])
    fold = np.empty(len(event), np.int64)
    fold[dealt] = np.arange(len(event)) % folds
    return fold


def choose_penalties(
    predictors: Predictors,
    time: Floats,
    event: Bools,
    inner: Ints,
    models: Mapping[str, Sequence[Block]],
) -> dict[str, float]:
    """Choose the embedding's penalty of every model by cross-validated partial likelihood.

    Parameters
    ----------
    predictors, time, event, models
        As for `foretell`.
    inner
        (n,) inner fold of each training patient, −1 of the others, which are not looked at.

    Returns
    -------
    dict
        A penalty per model, NaN without an embedding. Of equals the strongest.
    """
    chosen = dict.fromkeys(models, np.nan)
    score = {name: np.zeros(len(PENALTIES)) for name in models if "embedding" in models[name]}
    looked_at = inner >= 0
    for k in range(int(inner.max()) + 1):
        if not score:
            break
        training = looked_at & (inner != k)
        blocks = _blocks(predictors, training, models)
        for name, total in score.items():
            pairs = [_design(blocks, models[name], penalty) for penalty in PENALTIES]
            total += held_out_likelihood(
                pairs[0][0][looked_at],
                time[looked_at],
                event[looked_at],
                training[looked_at],
                np.array([penalty for _, penalty in pairs]),
            )
    return chosen | {name: PENALTIES[int(np.argmax(total))] for name, total in score.items()}


def _blocks(
    predictors: Predictors, training: Bools, models: Mapping[str, Sequence[Block]]
) -> dict[Block, Floats]:
    """Prepare each block that some model uses, once for all of them."""
    used = dict.fromkeys(part for parts in models.values() for part in parts)
    return {part: predictors.block(part, training) for part in used}


def _design(
    blocks: Mapping[Block, Floats], parts: Sequence[Block], penalty: float
) -> tuple[Floats, Floats]:
    """Return the columns of a model and the penalty on each."""
    design = np.hstack([blocks[part] for part in parts])
    penalties = [
        np.full(blocks[part].shape[1], penalty if part == "embedding" else WEAK_PENALTY)
        for part in parts
    ]
    return design, np.concatenate(penalties)
