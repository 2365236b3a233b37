"""Who is predicted by whom: patients dealt into folds, and into inner folds within these.

Everything that learns in folds, models of blocks and networks of slides, learns in these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from histohet.common.arrays import Bools, Ints
from histohet.fusion.competing_risks import EVENT, of_cause
from histohet.fusion.settings import FusionSettings
from histohet.fusion.splits import EVERYBODY, LEFT_OUT, Split
from histohet.prognosis import models as prognosis

Centres = npt.NDArray[np.str_]


def deal_splits(
    state: Ints, folds: int, repeats: int, seed: int, centre: Centres | None = None
) -> list[Split]:
    """Deal patients into folds, so often, and into inner folds where each fold is left out.

    Parameters
    ----------
    state
        How follow-up ended, (n,); those with the event are dealt evenly.
    folds, repeats
        Parts, outer and inner, and how often patients are dealt anew.
    seed
        Of everything.
    centre
        Patients of one stay together, (n,); each patient for himself if not given.

    Raises
    ------
    ValueError
        If there are too few events or centres (`why_not`).
    """
    _check(state, folds, centre)
    event = of_cause(state, EVENT)
    splits = []
    for r, seeds in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        of_outer, *of_inner = (int(one) for one in seeds.generate_state(folds + 1))
        outer = deal(event, folds, of_outer, centre)
        for k in range(folds):
            part = _inner_folds(event, outer != k, folds, of_inner[k], centre)
            splits.append(Split(r + 1, k + 1, part))
    return splits


def splits_of(
    outcome: pd.DataFrame, settings: FusionSettings, seed: int, centre: Centres | None
) -> list[Split]:
    """Return the folds of a cohort, which is in the order of its patients."""
    state = outcome["state"].to_numpy(np.int64)
    return deal_splits(state, settings.folds, settings.repeats, seed, centre)


def deal_everybody(
    outcome: pd.DataFrame, settings: FusionSettings, seed: int, centre: Centres | None = None
) -> Split:
    """Deal all patients of a cohort into inner folds and leave nobody out; see `splits_of`.

    Raises
    ------
    ValueError
        If there are too few events or centres (`why_not`).
    """
    state = outcome["state"].to_numpy(np.int64)
    _check(state, settings.folds, centre)
    everybody = np.ones(len(state), bool)
    part = _inner_folds(of_cause(state, EVENT), everybody, settings.folds, seed, centre)
    return Split(EVERYBODY, EVERYBODY, part)


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


def _inner_folds(
    event: Bools, training: Bools, folds: int, seed: int, centre: Centres | None
) -> Ints:
    """Return `Split.part` of training patients that are dealt into folds among themselves."""
    part = np.full(len(event), LEFT_OUT)
    parts, here = folds, None
    if centre is not None and len(np.unique(centre[training])) > 1:
        # Where some centres are predicted, fewer are left than there are folds.
        here = centre[training]
        parts = min(folds, len(np.unique(here)))
    part[training] = 1 + deal(event[training], parts, seed, here)
    return part


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


def _check(state: Ints, folds: int, centre: Centres | None) -> None:
    if reason := why_not(state, folds, centre):
        raise ValueError(reason)
