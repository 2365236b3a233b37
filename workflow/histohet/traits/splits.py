"""Who is trained on, validated on and tested: one split for all traits, by patient or by site."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from histohet.traits.expression import Problem, TraitError
from histohet.traits.settings import PatientSettings

TRAIN, VALIDATION, TEST = "train", "validation", "test"
TESTED_IN = "fold"
"""Column of the fold whose models have not seen a patient; 0 if all have."""


def role_column(fold: int, round_number: int) -> str:
    """Return the column of the roles in a round of a fold."""
    return f"fold_{fold}_round_{round_number}"


def sites_of(patients: Iterable[str], pattern: str | None) -> dict[str, str]:
    """Return the site of every patient; "" without a pattern.

    Raises
    ------
    TraitError
        If an id does not match, or all patients are of one site.
    """
    if pattern is None:
        return dict.fromkeys(patients, "")
    sites = {}
    for patient in patients:
        match = re.search(pattern, patient)
        if match is None or not match[1]:
            raise TraitError(
                f"traits.site_pattern '{pattern}' does not match patient '{patient}': its site is "
                "not known"
            )
        sites[patient] = match[1]
    if len(set(sites.values())) == 1:
        raise TraitError(
            f"traits.site_pattern '{pattern}' gives all patients the site "
            f"'{next(iter(sites.values()))}': there is nothing to keep apart; set keep_together: "
            "patient"
        )
    return sites


def make_splits(patients: Iterable[str], settings: PatientSettings, seed: int) -> pd.DataFrame:
    """Deal patients into test, validation and training sets, whatever their expression.

    The same patients give the same splits, in whatever order they come and whichever traits are
    wanted.

    Returns
    -------
    DataFrame
        By patient, sorted: ``patient``, ``site``, ``fold``, and a role (``train``, ``validation``,
        ``test``) in each `role_column`.

    Raises
    ------
    TraitError
        See `sites_of`; or there are fewer sites (patients) than folds.
    """
    names = sorted(set(patients))
    sites = sites_of(names, settings.site_pattern)
    by_site = settings.keep_together == "site" and settings.site_pattern is not None
    groups = sites if by_site else {name: name for name in names}
    rng = np.random.default_rng(np.random.SeedSequence([seed, 17]))
    folds = range(1, settings.n_folds + 1)
    if settings.scheme == "cross_fitted":
        tested_in = _dealt(groups, settings.folds, rng)
    else:
        tested = _drawn(groups, round(settings.test * len(names)), rng)
        tested_in = {name: int(name in tested) for name in names}
    table = pd.DataFrame(
        {
            "patient": names,
            "site": [sites[n] for n in names],
            TESTED_IN: [tested_in[n] for n in names],
        }
    )
    roles = {}
    for fold in folds:
        left = {name: groups[name] for name in names if tested_in[name] != fold}
        if settings.scheme == "cross_fitted":
            dealt = _dealt(left, settings.rounds, rng)
            sets = [{n for n, one in dealt.items() if one == r + 1} for r in range(settings.rounds)]
        else:
            size = round(settings.validation * len(names))
            sets = [_drawn(left, size, rng) for _ in range(settings.rounds)]
        for number, validated in enumerate(sets, start=1):
            roles[role_column(fold, number)] = [
                TEST if tested_in[n] == fold else VALIDATION if n in validated else TRAIN
                for n in names
            ]
    return pd.concat([table, pd.DataFrame(roles)], axis="columns")


def _dealt(groups: Mapping[str, str], n_sets: int, rng: np.random.Generator) -> dict[str, int]:
    """Deal groups into sets of about equal size, numbered from 1.

    The largest come first, each goes to the smallest set so far.
    """
    sizes = Counter(groups.values())
    if len(sizes) < n_sets:
        raise TraitError(
            f"{len(sizes)} sites (or patients) cannot be dealt into {n_sets} sets: fewer `folds` "
            "or `rounds`, or keep_together: patient"
        )
    shuffled = rng.permutation(sorted(sizes)).tolist()
    filled = [0] * n_sets
    number = {}
    for group in sorted(shuffled, key=lambda one: -sizes[one]):
        smallest = filled.index(min(filled))
        number[group] = smallest + 1
        filled[smallest] += sizes[group]
    return {name: number[group] for name, group in groups.items()}


def _drawn(groups: Mapping[str, str], size: int, rng: np.random.Generator) -> set[str]:
    """Draw groups until they hold `size` patients, passing over those that are too large for it."""
    sizes = Counter(groups.values())
    chosen: set[str] = set()
    left = max(size, 1)
    for group in rng.permutation(sorted(sizes)).tolist():
        if sizes[group] <= left:
            chosen.add(group)
            left -= sizes[group]
    if not chosen:
        raise TraitError(
            f"no site is small enough for a set of {size} patients, the smallest has "
            f"{min(sizes.values())}: keep_together: patient, or add patients"
        )
    return {name for name, group in groups.items() if group in chosen}


def notes_on_splits(splits: pd.DataFrame, settings: PatientSettings) -> list[Problem]:
    """Say what is doubtful about splits: sites that nobody knows, sites larger than a fold."""
    if settings.site_pattern is None:
        if settings.keep_together == "patient":
            return []
        words = "no site_pattern: patients of a site may be on two sides of a split"
        return [("", "", "", words, "splits are by patient")]
    if settings.keep_together == "patient" or settings.scheme != "cross_fitted":
        return []
    fold = len(splits) / settings.folds
    sizes = Counter(splits["site"])
    shown = ", ".join(map(str, splits[TESTED_IN].value_counts().sort_index()))
    return [
        (
            *("", "", ""),
            f"site '{site}' has {size} patients, more than a fold's {fold:.0f}",
            f"folds have {shown} patients",
        )
        for site, size in sizes.items()
        if size > fold
    ]


def roles_in(splits: pd.DataFrame, fold: int, rounds: int) -> Sequence[pd.Series[str]]:
    """Return the roles of the patients in every round of a fold."""
    return [splits[role_column(fold, number)] for number in range(1, rounds + 1)]
