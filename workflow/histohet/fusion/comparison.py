"""Which models of blocks are compared with which, on patients whom they had not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.blocks import Filters
from histohet.fusion.cross_validation import cross_validate
from histohet.fusion.estimates import NOTHING, blank_of, estimate_table
from histohet.fusion.evaluation import Comparison, not_estimable, tabulated
from histohet.fusion.folds import Centres, deal_splits, splits_of, why_not
from histohet.fusion.models import Blocks, Fusion
from histohet.fusion.performance import auc, known_by
from histohet.fusion.settings import OTHER_MODELS, FusionSettings
from histohet.fusion.splits import Split
from histohet.prognosis.evaluation import Estimate

ALONE_BY_VOLUME, LATE = OTHER_MODELS[0], "late: "
"""What models are called that are not called after their blocks: the volume alone; late fusion."""

PERMUTATIONS_SEED = 1


def models_of(blocks: Sequence[str], *, volume: bool = False) -> dict[str, Fusion]:
    """Return the models that are compared: each block alone, all, all but one, all by late fusion.

    Where there are clinical data, each other block beside them too.
    """
    models = {NOTHING: Fusion(())}
    models |= {name: Fusion((name,)) for name in blocks}
    if volume:
        models[ALONE_BY_VOLUME] = Fusion((ALONE_BY_VOLUME,))
    if "clinical" in blocks:
        pairs = [("clinical", name) for name in blocks if name != "clinical"]
        models |= {named(pair): Fusion(pair) for pair in pairs}
    if len(blocks) > 1:
        rest = [tuple(other for other in blocks if other != name) for name in blocks]
        models |= {named(one): Fusion(one) for one in (*rest, tuple(blocks))}
        models[LATE + named(blocks)] = Fusion(tuple(blocks), "late")
    return models


def named(blocks: Sequence[str]) -> str:
    """Return the name of the model of some blocks."""
    return " + ".join(blocks)


def pairs_of(blocks: Sequence[str], models: Mapping[str, Fusion]) -> list[tuple[str, str]]:
    """Return which models are compared with which: what each block adds to the others first."""
    full = named(blocks)
    against = [named([other for other in blocks if other != name]) for name in blocks]
    pairs = [(full, simpler) for simpler in against]
    pairs += [(full, "clinical"), (full, ALONE_BY_VOLUME), (LATE + full, full)]
    pairs += [(named(("clinical", name)), "clinical") for name in blocks]
    there = [(one, other) for one, other in pairs if one in models and other in models]
    return list(dict.fromkeys(pair for pair in there if pair[0] != pair[1]))


def compare(
    blocks: Blocks,
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None = None,
) -> Comparison:
    """Compare the models of some blocks, for all patients and for those who lack no block.

    The order of rows does not matter.

    Parameters
    ----------
    blocks
        Of n patients, indexed by patient; one called `ALONE_BY_VOLUME` is a model by itself.
    outcome
        ``time_months`` and ``state``, indexed by patient.
    settings
        Horizons, folds, filters.
    seed
        Of folds, bootstrap and permutations.
    centre
        Patients of one stay together, (n,).
    """
    order = np.argsort(outcome.index.to_numpy(str), kind="stable")
    blocks = {name: replace(block, table=block.table.iloc[order]) for name, block in blocks.items()}
    outcome, centre = outcome.iloc[order], None if centre is None else centre[order]
    names = [name for name in blocks if name != ALONE_BY_VOLUME]
    found = _compared(blocks, names, outcome, settings, seed, centre)
    known = np.column_stack([block.known for block in blocks.values()])
    complete: Bools = np.asarray(known.all(axis=1))
    if not complete.all():
        some = {name: block.of(complete) for name, block in blocks.items()}
        there = None if centre is None else centre[complete]
        splits = None
        if any(block.in_folds is not None for block in blocks.values()):
            splits = [split.of(complete) for split in splits_of(outcome, settings, seed, centre)]
        other = _compared(some, names, outcome.loc[complete], settings, seed, there, splits)
        found = found.with_estimates(other.estimates.assign(patients="complete"))
    return found


def _compared(
    blocks: Blocks,
    names: Sequence[str],
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None,
    splits: Sequence[Split] | None = None,
) -> Comparison:
    time, state = outcome["time_months"].to_numpy(np.float64), outcome["state"].to_numpy(np.int64)
    models = models_of(names, volume=ALONE_BY_VOLUME in blocks)
    reason = why_not(state, settings.folds, centre)
    if reason:
        return not_estimable(models, time, state, reason)
    predictions = cross_validate(
        blocks,
        time,
        state,
        models,
        splits or splits_of(outcome, settings, seed, centre),
        horizons=sorted(settings.horizons),
        filters=filters_of(settings),
    )
    full = named(names)
    found = tabulated(predictions, blocks, full, pairs_of(names, models), outcome, settings, seed)
    permuted = list(_permuted(blocks, names, time, state, settings, seed, centre))
    return found.with_estimates(estimate_table(permuted)) if permuted else found


def filters_of(settings: FusionSettings) -> Filters:
    """Return the filters of features that are configured."""
    correlation = settings.max_correlation
    return Filters(
        settings.min_icc, None if correlation == 1 else correlation, settings.max_features
    )


def _permuted(
    blocks: Blocks,
    names: Sequence[str],
    time: Floats,
    state: Ints,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None,
) -> Iterator[Estimate]:
    """Yield the p-value of the whole procedure, by outcomes that are dealt to other patients.

    The statistic is the AUC by the last horizon of the model of all blocks in one repetition; the
    outcome's time and state stay together.
    """
    if not settings.permutations:
        return
    full, months = named(names), max(settings.horizons)
    once = np.ones((1, len(time)))

    def statistic(times: Floats, states: Ints) -> float:
        found = cross_validate(
            blocks,
            times,
            states,
            {full: Fusion(tuple(names))},
            deal_splits(states, settings.folds, 1, seed, centre),
            horizons=(months,),
            filters=filters_of(settings),
        )
        known = known_by(times, states, months)
        return float(auc(known, found.incidence[0, 0, 0], found.fold[0], once)[0])

    observed = statistic(time, state)
    rng = np.random.default_rng([seed, PERMUTATIONS_SEED])
    orders = (rng.permutation(len(time)) for _ in range(settings.permutations))
    drawn = np.array([statistic(time[order], state[order]) for order in orders])
    p = (1 + np.sum(drawn >= observed)) / (1 + settings.permutations)
    reason = "" if not np.isnan(observed) else "the AUC by the last horizon is not estimable"
    yield replace(
        blank_of(time, state),
        model=full,
        measure="permutation_p",
        horizon_months=months,
        estimate=np.nan if reason else float(p),
        reason=reason,
    )
