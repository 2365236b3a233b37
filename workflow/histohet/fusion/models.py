"""Models of several blocks: a ridge Cox model for each of two competing events.

**Early fusion** is one Cox model of all columns. Columns of the kind ``few``, and indicators of
missing blocks, carry a weak penalty; every other block one of its own, which is chosen for the
block alone by cross-validated partial likelihood. Where several are together, a factor on all of
these penalties is then chosen by the same criterion.

**Late fusion** is a Cox model of the blocks' own predictions, each made by a model of the block
alone for inner folds that it had not seen (stacking; Wolpert 1992). A block that would count
against its own prediction is left out.

Either way a model is a sum over columns, so it is kept as one number per column and event
(`FusionModel`). The hazards of both events together give the risk of the one of interest
(`histohet.fusion.competing_risks.Hazards`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.blocks import Block, Encoding, Filters
from histohet.fusion.competing_risks import CAUSES, EVENT, Hazards, of_cause
from histohet.fusion.design import Design, Encoded, encode
from histohet.prognosis.models import (
    PENALTIES,
    WEAK_PENALTY,
    predictive_likelihood,
    ridge_path,
)
from histohet.survival.partial_likelihood import RiskSets, maximise

Blocks = Mapping[str, Block]
"""Blocks of the same patients, by name."""

FACTORS = (10.0, 10**0.5, 1.0, 10**-0.5, 0.1)
"""On the penalties of blocks that are in a model together, from strong to weak."""

LEAST_EVENTS = 10
"""Training patients with the competing event that its hazard needs, to depend on anything; with
fewer it is the same for all. The event of interest is modelled wherever there are folds."""


@dataclass(frozen=True)
class Fusion:
    """Which blocks a model has, and whether it fuses their columns or their predictions."""

    blocks: tuple[str, ...]
    how: Literal["early", "late"] = "early"


@dataclass(frozen=True, eq=False)
class Part:
    """What a model has of one block.

    Attributes
    ----------
    encoding
        How its columns become p numbers.
    weights
        Log hazard ratio of each, for both events, (2, p).
    indicator
        That of the block being missing, (2,); 0 where nobody or everybody lacked it.
    penalty
        On each event's weights, (2,); NaN where it is the weak one or there are none.
    """

    encoding: Encoding
    weights: Floats
    indicator: Floats
    penalty: Floats

    def contribution(self, block: Block) -> Floats:
        """Return what the block adds to the log relative hazards of n patients, (2, n)."""
        values, missing = self.encoding.apply(block)
        found: Floats = self.weights @ values.T
        if missing.size:
            found = found + np.outer(self.indicator, missing[:, 0])
        return found


@dataclass(frozen=True, eq=False)
class FusionModel:
    """A model that was fitted: nothing else is needed to predict.

    Attributes
    ----------
    parts
        By block.
    hazards
        Of both events.
    """

    parts: Mapping[str, Part]
    hazards: Hazards

    def predictors(self, blocks: Blocks) -> Floats:
        """Return the log relative hazards of n patients for both events, (2, n)."""
        n = len(next(iter(blocks.values())).table)
        found = np.zeros((len(CAUSES), n))
        for name, part in self.parts.items():
            found += part.contribution(blocks[name])
        return found

    def incidence(self, blocks: Blocks, horizons: Sequence[float]) -> Floats:
        """Return the risk of n patients of the event by each of h horizons, (n, h)."""
        return self.hazards.incidence(self.predictors(blocks), np.asarray(horizons))


_Weights = dict[str, tuple[Floats, Floats, float]]
"""Of a model for one event, by block: weights (p,), indicator's (0,) or (1,), penalty."""


@dataclass(frozen=True, eq=False)
class _Alone:
    """What the blocks say by themselves of one event, in the training patients.

    Attributes
    ----------
    penalty
        Of every block; `WEAK_PENALTY` of those that are not tuned.
    predictor
        Log hazards of training patients by models that had not seen them, by block, (n,).
    """

    penalty: Mapping[str, float]
    predictor: Mapping[str, Floats]


def fit_models(
    blocks: Blocks,
    time: Floats,
    state: Ints,
    inner: Ints,
    models: Mapping[str, Fusion],
    filters: Filters,
) -> dict[str, FusionModel]:
    """Fit several models to the same training patients, sharing what they have in common.

    Parameters
    ----------
    blocks
        Of n patients; others than the training patients are not looked at.
    time, state
        Follow-up and how it ended, (n,).
    inner
        Fold of each training patient, in which penalties are chosen, −1 of the others, (n,).
    models
        By name; one without blocks predicts the same for everybody.
    filters
        On features.

    Raises
    ------
    FusionError
        If a block has a value that is not finite.
    """
    training = inner >= 0
    used = {name: blocks[name] for name in used_by(models)}
    encoded = encode(used, training, time, state, filters)
    folds = [
        (fold, encode(used, fold, time, state, filters))
        for fold in (training & (inner != k) for k in range(inner.max() + 1))
    ]
    fitted: dict[str, list[_Weights]] = {name: [] for name in models}
    for cause in CAUSES:
        of_event = _Event(used, encoded, folds, training, time, of_cause(state, cause))
        modelled = cause == EVENT or of_event.event[training].sum() >= LEAST_EVENTS
        alone = _alone(of_event) if modelled else None
        for name, fusion in models.items():
            fitted[name].append(_fit(fusion, of_event, alone))
    return {
        name: _model(fusion, encoded, fitted[name], time, state, training)
        for name, fusion in models.items()
    }


def used_by(models: Mapping[str, Fusion]) -> list[str]:
    """Return the blocks that some model has, in order."""
    return list(dict.fromkeys(block for fusion in models.values() for block in fusion.blocks))


@dataclass(frozen=True, eq=False)
class _Event:
    """What all models of one event have in common.

    Attributes
    ----------
    blocks, encoded
        By name; encoded as learnt from all training patients.
    folds
        For each inner fold who is left, (n,), and the blocks as learnt from these.
    training
        Who is fitted to, (n,).
    time, event
        Follow-up, and who had this event, (n,).
    """

    blocks: Blocks
    encoded: Mapping[str, Encoded]
    folds: Sequence[tuple[Bools, Mapping[str, Encoded]]]
    training: Bools
    time: Floats
    event: Bools

    def risk_sets(self, rows: Bools) -> RiskSets:
        """Return the risk sets of some patients."""
        return RiskSets(self.time[rows], self.event[rows], ties="breslow")

    @cached_property
    def risk(self) -> RiskSets:
        """Those of all training patients."""
        return self.risk_sets(self.training)

    @cached_property
    def risk_of_folds(self) -> list[RiskSets]:
        """Those of who is left of each inner fold."""
        return [self.risk_sets(fold) for fold, _ in self.folds]


def _alone(of: _Event) -> _Alone:
    """Choose the penalty of every block alone, and predict what each says of inner folds."""
    chosen, predicted = {}, {}
    for name, block in of.blocks.items():
        penalties = PENALTIES if block.tuned else (WEAK_PENALTY,)
        tuned, weak = ({name: 1.0}, []) if block.tuned else ({}, [name])
        score, out = np.zeros(len(penalties)), np.zeros((len(penalties), len(of.time)))
        for fold, predictors, gained in _paths(of, tuned, weak, penalties):
            score += gained
            left_out = of.training & ~fold
            out[:, left_out] = predictors[:, left_out]
        best = int(np.argmax(score))
        chosen[name], predicted[name] = penalties[best], out[best]
    return _Alone(chosen, predicted)


def _paths(
    of: _Event, tuned: Mapping[str, float], weak: Sequence[str], factors: Sequence[float]
) -> Iterator[tuple[Bools, Floats, Floats]]:
    """Yield who is left of each inner fold, what m fits predict, (m, n), and how well, (m,)."""
    for (fold, encoded), fitted in zip(of.folds, of.risk_of_folds, strict=True):
        design = Design(encoded, tuned, weak, fold)
        path = ridge_path(design.matrix[fold], fitted, design.penalties(factors))
        predictors = path @ design.matrix.T
        of_training, left = predictors[:, of.training], fold[of.training]
        gained = predictive_likelihood(of_training, of.risk, fitted, left)
        yield fold, predictors, gained


def _fit(fusion: Fusion, of: _Event, alone: _Alone | None) -> _Weights:
    """Fit a model to all training patients; to nothing, where the event is too rare."""
    if alone is None:
        return {
            name: (
                np.zeros(of.encoded[name].axes.shape[0]),
                np.zeros(of.encoded[name].missing.shape[1]),
                np.nan,
            )
            for name in fusion.blocks
        }
    return _early(fusion.blocks, of, alone) if fusion.how == "early" else _late(fusion, of, alone)


def _early(names: Sequence[str], of: _Event, alone: _Alone) -> _Weights:
    """Fit one Cox model of the columns of all blocks."""
    if not names:
        return {}
    tuned = {name: alone.penalty[name] for name in names if of.blocks[name].tuned}
    weak = [name for name in names if name not in tuned]
    factor = 1.0
    if len(tuned) > 1:
        scores = [gained for _, _, gained in _paths(of, tuned, weak, FACTORS)]
        factor = FACTORS[int(np.argmax(np.sum(scores, axis=0)))]
    design = Design(of.encoded, tuned, weak, of.training)
    (penalty,) = design.penalties([factor])
    coefficients = maximise(design.matrix[of.training], of.risk, penalty).coefficients
    return {
        name: (*weights, factor * tuned[name] if name in tuned else np.nan)
        for name, weights in design.by_block(coefficients).items()
    }


def _late(fusion: Fusion, of: _Event, alone: _Alone) -> _Weights:
    """Fit one Cox model per block, and one of their predictions for inner folds."""
    said = np.column_stack([alone.predictor[name][of.training] for name in fusion.blocks])
    found = {}
    for name, share in zip(fusion.blocks, stacked(said, of.risk), strict=True):
        weights, indicator, penalty = _early([name], of, alone)[name]
        found[name] = (share * weights, share * indicator, penalty)
    return found


def stacked(predictors: Floats, risk: RiskSets) -> Floats:
    """Return how much each of b predictions counts, none of them against itself, (b,).

    Parameters
    ----------
    predictors
        Log hazards by models that had not seen the patient, (n, b).
    risk
        Of the same n patients.
    """
    shares = np.zeros(predictors.shape[1])
    deviation = predictors.std(axis=0)
    active = np.flatnonzero(deviation > 0)
    while len(active):
        standard = predictors[:, active] / deviation[active]
        found = maximise(standard, risk, WEAK_PENALTY).coefficients
        if (found >= 0).all():
            shares[active] = found / deviation[active]
            break
        active = np.delete(active, int(np.argmin(found)))
    return shares


def _model(
    fusion: Fusion,
    encoded: Mapping[str, Encoded],
    by_cause: Sequence[_Weights],
    time: Floats,
    state: Ints,
    training: Bools,
) -> FusionModel:
    parts = {}
    predictors = np.zeros((len(CAUSES), len(time)))
    for name in fusion.blocks:
        of_causes = [weights[name] for weights in by_cause]
        indicator = [float(one.sum()) for _, one, _ in of_causes]
        part = Part(
            encoded[name].encoding,
            np.array([weights for weights, _, _ in of_causes]),
            np.array(indicator),
            np.array([penalty for _, _, penalty in of_causes]),
        )
        predictors += part.weights @ encoded[name].axes @ encoded[name].values.T
        predictors += part.indicator[:, None] * encoded[name].missing.sum(axis=1)
        parts[name] = part
    return FusionModel(
        parts, baseline_hazards(predictors[:, training], time[training], state[training])
    )


def baseline_hazards(predictors: Floats, time: Floats, state: Ints) -> Hazards:
    """Return Breslow's baseline hazards of both events, given log relative hazards, (2, n)."""
    moments = np.unique(time[state > 0])
    increments = [
        np.diff(
            RiskSets(time, of_cause(state, cause), ties="breslow").baseline_hazard(eta, moments),
            prepend=0.0,
        )
        for cause, eta in zip(CAUSES, predictors, strict=True)
    ]
    return Hazards(moments, np.array(increments))
