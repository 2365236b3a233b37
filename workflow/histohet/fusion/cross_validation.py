"""What models predict of patients whom they had not seen, all patients of a centre together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.blocks import Filters
from histohet.fusion.competing_risks import CAUSES, EVENT, of_cause
from histohet.fusion.models import Blocks, Fusion, FusionModel, fit_models, used_by
from histohet.prognosis import models as prognosis

Centres = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What m models predict of n patients whom they had not seen, in each of r repetitions.

    Attributes
    ----------
    models
        By name.
    horizons
        In the unit of the follow-up.
    fold
        (r, n) the fold that each patient was left out with.
    predictor
        (m, r, n) log relative hazard of the event. Its zero differs from fold to fold.
    incidence
        (m, r, h, n) risk of the event by each of h horizons.
    fits
        One row per model, repetition, fold, block and event (``cause``): ``penalty``, ``columns``
        that were kept, how many were left out as ``unstable``, and ``spread``, the standard
        deviation over training patients of what the block adds to the log hazard.
    kept
        One row per block and column of features: ``share`` of the fits that kept it, 0 if none did.
    """

    models: Mapping[str, Fusion]
    horizons: tuple[float, ...]
    fold: Ints
    predictor: Floats
    incidence: Floats
    fits: pd.DataFrame
    kept: pd.DataFrame


def cross_validate(
    blocks: Blocks,
    time: Floats,
    state: Ints,
    models: Mapping[str, Fusion],
    *,
    folds: int,
    repeats: int,
    horizons: Sequence[float],
    filters: Filters,
    seed: int,
    centre: Centres | None = None,
) -> Predictions:
    """Fit every model on all folds but one and apply it to that one, for every fold.

    Folds are the same for all models. Whatever is learnt is learnt without the fold that is
    predicted: columns, filters, scales, penalties, the weights of late fusion, hazards.

    Parameters
    ----------
    blocks
        Of n patients.
    time, state
        Follow-up and how it ended, (n,).
    models
        By name.
    folds, repeats
        Parts that the patients are dealt into, and how often they are dealt anew.
    horizons
        In the unit of `time`.
    filters
        On features.
    seed
        Of the folds.
    centre
        Patients of one are in one fold, (n,); each patient for himself if not given.

    Raises
    ------
    ValueError
        If there are too few events or centres (`why_not`).
    """
    reason = why_not(state, folds, centre)
    if reason:
        raise ValueError(reason)
    event = of_cause(state, EVENT)
    shape = (len(models), repeats)
    fold_of = np.empty((repeats, len(time)), np.int64)
    predictor = np.empty((*shape, len(time)))
    incidence = np.empty((*shape, len(horizons), len(time)))
    rows: list[dict[str, object]] = []
    kept = {
        (name, column): 0
        for name in used_by(models)
        if blocks[name].kind == "features"
        for column in blocks[name].number_names
    }
    for r, seeds in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        of_outer, *of_inner = (int(one) for one in seeds.generate_state(folds + 1))
        fold_of[r] = deal(event, folds, of_outer, centre)
        for k in range(folds):
            training = fold_of[r] != k
            inner = inner_folds(event, training, folds, of_inner[k], centre)
            fitted = fit_models(blocks, time, state, inner, models, filters)
            left_out = {name: block.of(~training) for name, block in blocks.items()}
            for m, (name, model) in enumerate(fitted.items()):
                eta = model.predictors(left_out)
                predictor[m, r, ~training] = eta[0]
                risks = model.hazards.incidence(eta, np.asarray(horizons))
                incidence[m, r, :, ~training] = risks
                rows += _rows(name, r, k, model, {b: blocks[b].of(training) for b in model.parts})
            for feature in _features(blocks, fitted):
                kept[feature] += 1
    shares = [(block, column, n / (repeats * folds)) for (block, column), n in kept.items()]
    return Predictions(
        models=models,
        horizons=tuple(horizons),
        fold=fold_of,
        predictor=predictor,
        incidence=incidence,
        fits=pd.DataFrame(rows),
        kept=pd.DataFrame(shares, columns=["block", "column", "share"]),
    )


def inner_folds(
    event: Bools, training: Bools, folds: int, seed: int, centre: Centres | None
) -> Ints:
    """Deal the training patients into folds, in which penalties are chosen; −1 for others, (n,)."""
    inner, parts, here = np.full(len(event), -1), folds, None
    if centre is not None and len(np.unique(centre[training])) > 1:
        # Where some centres are predicted, fewer are left than there are folds.
        here = centre[training]
        parts = min(folds, len(np.unique(here)))
    inner[training] = deal(event[training], parts, seed, here)
    return inner


def deal(event: Bools, folds: int, seed: int, centre: Centres | None) -> Ints:
    """Deal patients into folds at random, those with an event evenly, and centres whole.

    Returns
    -------
    ndarray
        (n,) int64, 0 to folds − 1.
    """
    if centre is None:
        return prognosis.deal_folds(event, folds, seed)
    fold = np.empty(len(event), np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for k, (_, left_out) in enumerate(splitter.split(event, event, centre)):
        fold[left_out] = k
    return fold


def why_not(state: Ints, folds: int, centre: Centres | None = None) -> str:
    """Say what forbids a cross-validation into so many folds, "" if nothing does."""
    reason = prognosis.why_not(of_cause(state, EVENT), folds)
    if reason or centre is None:
        return reason
    centres = len(np.unique(centre))
    if centres < folds:
        return (
            f"{centres} centres, whose patients stay together: {folds} folds need at least "
            f"{folds}; fewer 'folds', or no 'centre'"
        )
    return ""


def _rows(
    name: str, repeat: int, fold: int, model: FusionModel, blocks: Blocks
) -> Iterator[dict[str, object]]:
    """Yield what a fitted model has of each block, for each event."""
    for block, part in model.parts.items():
        spread = part.contribution(blocks[block]).std(axis=1)
        for i, cause in enumerate(CAUSES):
            yield {
                "model": name,
                "repeat": repeat + 1,
                "fold": fold + 1,
                "block": block,
                "cause": cause,
                "penalty": part.penalty[i],
                "columns": len(part.encoding.columns),
                "unstable": part.encoding.unstable,
                "spread": spread[i],
            }


def _features(blocks: Blocks, fitted: Mapping[str, FusionModel]) -> Iterator[tuple[str, str]]:
    """Yield the features that a fold kept, by block; all models of a fold have the same."""
    encodings = {b: part.encoding for model in fitted.values() for b, part in model.parts.items()}
    for block, encoding in encodings.items():
        if blocks[block].kind == "features":
            yield from ((block, column) for column in encoding.columns)
