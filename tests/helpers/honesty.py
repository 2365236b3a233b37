"""Models on patients whom they had not seen: noise, features chosen by everybody, planted gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from histohet.fusion.blocks import Block, Filters, learn_encoding
from histohet.fusion.comparison import models_of
from histohet.fusion.cross_validation import Predictions, cross_validate
from histohet.fusion.estimates import estimate_all, estimate_table
from histohet.fusion.folds import deal_splits
from histohet.fusion.models import Blocks, Fusion
from histohet.fusion.performance import auc, known_by

CHOSEN, MONTHS = 5, 24.0
"""Features that are chosen; months by which risks are compared."""

FILTERS = {
    "all": Filters(),
    "chosen": Filters(max_features=CHOSEN),
    "stable and different": Filters(min_icc=0.75, max_correlation=0.95),
}


def predicted(
    blocks: Blocks,
    outcome: pd.DataFrame,
    models: Mapping[str, Fusion],
    filters: Filters,
    seed: int,
    folds: int = 3,
    months: float = MONTHS,
) -> Predictions:
    """Cross-validate once."""
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    splits = deal_splits(state, folds, 1, seed)
    return cross_validate(blocks, time, state, models, splits, horizons=(months,), filters=filters)


def aucs(found: Predictions, outcome: pd.DataFrame) -> dict[str, float]:
    """Return the AUC of every model by the first horizon, in the first repetition."""
    known = known_by(
        outcome["time_months"].to_numpy(), outcome["state"].to_numpy(), found.horizons[0]
    )
    once = np.ones((1, len(outcome)))
    return {
        name: float(auc(known, risks[0, 0], found.fold[0], once)[0])
        for name, risks in zip(found.models, found.incidence, strict=True)
    }


def chosen_by_all(block: Block, outcome: pd.DataFrame, features: int = CHOSEN) -> Block:
    """The mistake: features chosen by the outcomes of everybody, before there are folds."""
    time, event = outcome["time_months"].to_numpy(), outcome["state"].to_numpy() == 1
    everybody = np.ones(len(time), bool)
    kept = learn_encoding(block, everybody, time, event, Filters(max_features=features))
    return Block(block.name, block.table[list(kept.columns)], block.kind)


def inside_and_first(
    block: Block, outcome: pd.DataFrame, seed: int, folds: int = 3
) -> tuple[float, float]:
    """Return the AUC of features chosen inside the folds, and chosen by everybody first."""
    alone = {block.name: Fusion((block.name,))}
    leaked = chosen_by_all(block, outcome)
    inside, first = (
        aucs(predicted({block.name: one}, outcome, alone, filters, seed, folds), outcome)
        for one, filters in ((block, FILTERS["chosen"]), (leaked, FILTERS["all"]))
    )
    return inside[block.name], first[block.name]


def of_all_models(
    blocks: Blocks, outcome: pd.DataFrame, filters: Filters, seed: int
) -> dict[str, float]:
    """Return the AUC of every model that fusion compares."""
    return aucs(predicted(blocks, outcome, models_of(list(blocks)), filters, seed), outcome)


def measured(
    blocks: Blocks,
    outcome: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    seed: int,
    months: float = 36.0,
) -> tuple[Predictions, pd.DataFrame]:
    """Return what every model predicts in one repetition of five folds, and its estimates."""
    models = models_of(list(blocks))
    found = predicted(
        blocks, outcome, models, FILTERS["stable and different"], seed, folds=5, months=months
    )
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    return found, estimate_table(list(estimate_all(found, time, state, pairs, seed)))
