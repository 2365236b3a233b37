"""What models predict of patients whom they had not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats, Ints
from histohet.fusion.blocks import Filters
from histohet.fusion.competing_risks import CAUSES
from histohet.fusion.models import Blocks, Fusion, FusionModel, fit_models, used_by
from histohet.fusion.splits import Split


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
    splits: Sequence[Split],
    *,
    horizons: Sequence[float],
    filters: Filters,
) -> Predictions:
    """Fit every model on all folds but one and apply it to that one, for every fold.

    Whatever is learnt is learnt without the fold that is
    predicted: columns, filters, scales, penalties, the weights of late fusion, hazards.

    Parameters
    ----------
    blocks
        Of n patients.
    time, state
        Follow-up and how it ended, (n,).
    models
        By name.
    splits
        Who is left out by whom, every patient once in each repetition (`deal_splits`).
    horizons
        In the unit of `time`.
    filters
        On features.

    Raises
    ------
    FusionError
        If a block was learnt in other folds.
    """
    repeats = list(dict.fromkeys(split.repeat for split in splits))
    shape = (len(models), len(repeats))
    fold_of = np.empty((len(repeats), len(time)), np.int64)
    predictor = np.empty((*shape, len(time)))
    incidence = np.empty((*shape, len(horizons), len(time)))
    rows: list[dict[str, object]] = []
    kept = {
        (name, column): 0
        for name in used_by(models)
        if blocks[name].kind == "features"
        for column in blocks[name].number_names
    }
    for split in splits:
        r, training = repeats.index(split.repeat), split.training
        fold_of[r, ~training] = split.fold - 1
        here = {name: block.in_split(split) for name, block in blocks.items()}
        fitted = fit_models(here, time, state, split.inner, models, filters)
        left_out = {name: block.of(~training) for name, block in here.items()}
        for m, (name, model) in enumerate(fitted.items()):
            eta = model.predictors(left_out)
            predictor[m, r, ~training] = eta[0]
            risks = model.hazards.incidence(eta, np.asarray(horizons))
            incidence[m, r, :, ~training] = risks
            rows += _rows(name, split, model, {b: here[b].of(training) for b in model.parts})
        for feature in _features(here, fitted):
            kept[feature] += 1
    shares = [(block, column, n / len(splits)) for (block, column), n in kept.items()]
    return Predictions(
        models=models,
        horizons=tuple(horizons),
        fold=fold_of,
        predictor=predictor,
        incidence=incidence,
        fits=pd.DataFrame(rows),
        kept=pd.DataFrame(shares, columns=["block", "column", "share"]),
    )


def _rows(
    name: str, split: Split, model: FusionModel, blocks: Blocks
) -> Iterator[dict[str, object]]:
    """Yield what a fitted model has of each block, for each event."""
    for block, part in model.parts.items():
        spread = part.contribution(blocks[block]).std(axis=1)
        for i, cause in enumerate(CAUSES):
            yield {
                "model": name,
                "repeat": split.repeat,
                "fold": split.fold,
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
