"""Blocks of predictors: columns that come and go together, and what a model learns of them.

A patient without a CT lacks all of its features at once. The block then counts as at the mean of
the training patients, and an indicator says that it is missing; nobody is dropped for it. A single
missing number becomes the training median, a missing level the most frequent one.

Everything is learnt from training patients alone: which columns are kept, medians, levels, means
and standard deviations (`learn_encoding`). Others get it applied (`Encoding.apply`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.stats import rankdata

from histohet.common.arrays import Bools, Floats, Ints
from histohet.common.settings import quoted
from histohet.radiomics.stability import icc_by_source, lowest_icc
from histohet.survival.partial_likelihood import RiskSets

Kind = Literal["few", "features", "vector"]
"""How a block is penalised and filtered: ``few`` columns that a reader knows by name, weakly; named
``features``, of which those that say the same are left out, and the numbers of a ``vector``, by a
penalty that is chosen."""


class FusionError(ValueError):
    """What is wrong with the tables or settings of a fusion, and what to do about it."""


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of n patients that enter and leave a model together.

    Attributes
    ----------
    name
        Such as ``ct``.
    table
        A row per patient, numbers or text; a patient who lacks the block lacks all of it.
    kind
        See `Kind`.
    identity
        What made the columns (engine, settings, encoder), in words: only columns of the same make
        are put together, in a cohort or by a saved model.
    draws
        The same columns of scans under several masks, indexed by patient, with ``scan`` and
        ``source`` (`histohet.radiomics.stability.icc_by_source`); None where there are none.
    """

    name: str
    table: pd.DataFrame
    kind: Kind
    identity: Mapping[str, str] = field(default_factory=dict)
    draws: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        numbers = self.numbers
        if np.isinf(numbers).any():
            row, column = np.argwhere(np.isinf(numbers))[0]
            raise FusionError(
                f"block '{self.name}': {self.number_names[column]} of patient "
                f"'{self.table.index[row]}' is infinite: leave the cell empty, or make it anew"
            )
        if self.kind != "few" and len(self.text_names):
            raise FusionError(
                f"block '{self.name}': column '{self.text_names[0]}' is no number; features are"
            )

    @cached_property
    def number_names(self) -> list[str]:
        """Columns of numbers, and those without any value."""
        return [
            str(name)
            for name, kind in self.table.dtypes.items()
            if is_numeric_dtype(kind) or self.table[name].isna().all()
        ]

    @cached_property
    def text_names(self) -> list[str]:
        """Columns of text, whose values are levels."""
        return [str(name) for name in self.table.columns.difference(self.number_names, sort=False)]

    @cached_property
    def numbers(self) -> Floats:
        """Columns of numbers, float64 (n, d)."""
        numbers: Floats = self.table[self.number_names].to_numpy(np.float64, na_value=np.nan)
        return numbers

    @cached_property
    def known(self) -> Bools:
        """Who has the block, (n,)."""
        return self.table.notna().any(axis=1).to_numpy()

    @property
    def tuned(self) -> bool:
        """Whether its penalty is chosen."""
        return self.kind != "few"

    def of(self, rows: Bools) -> Block:
        """Return the block of some patients."""
        return replace(self, table=self.table[rows])


_KIND = {True: "numbers", False: "text"}


@dataclass(frozen=True)
class Filters:
    """Which features of a block are kept, learnt from the training patients.

    Attributes
    ----------
    min_icc
        Least lower end of the interval of ICC(1,1), for blocks with draws; None: all.
    max_correlation
        Of features whose Spearman correlation is larger, the one stays that depends least on the
        mask, of equals and without draws the first; None: all.
    max_features
        So many stay, by the score test of each alone for the hazard of the event; None: all.
    """

    min_icc: float | None = None
    max_correlation: float | None = None
    max_features: int | None = None


@dataclass(frozen=True, eq=False)
class Encoding:
    """What is learnt of a block: from its columns to p numbers of mean 0 and deviation 1.

    Attributes
    ----------
    columns, levels
        Name of each number's column, and of a level of text; "" for a column of numbers.
    fill
        What stands in for a missing number, (p,); 0 for levels, so that a missing or unknown one
        counts as the most frequent, which has no number of its own.
    mean, scale
        Over training patients who have the block, (p,). With a tuned block `scale` holds √p too, so
        that the variances add up to 1 (`histohet.prognosis.models.PENALTIES`).
    missing
        Share of training patients without the block, whose indicator is a number of its own;
        None where all or none of them have it.
    unstable
        How many columns were left out because they depend on the mask.
    """

    columns: tuple[str, ...]
    levels: tuple[str, ...]
    fill: Floats
    mean: Floats
    scale: Floats
    missing: float | None
    unstable: int = 0

    def apply(self, block: Block) -> tuple[Floats, Floats]:
        """Return the numbers of n patients, (n, p), and the centred indicator, (n, 0) or (n, 1).

        Raises
        ------
        FusionError
            If the block lacks a column.
        """
        numeric = np.array([level == "" for level in self.levels], bool)
        of_numbers = [
            name for name, level in zip(self.columns, self.levels, strict=True) if not level
        ]
        self._check(block, of_numbers)
        known = block.known
        values = np.zeros((len(known), len(self.columns)))
        place = {name: i for i, name in enumerate(block.number_names)}
        numbers = block.numbers[:, [place[name] for name in of_numbers]]
        values[:, numeric] = np.where(np.isnan(numbers), self.fill[numeric], numbers)
        for i in np.flatnonzero(~numeric):
            values[:, i] = (block.table[self.columns[i]] == self.levels[i]).to_numpy(bool)
        scaled: Floats = np.where(known[:, None], (values - self.mean) / self.scale, 0.0)
        if self.missing is None:
            return scaled, np.empty((len(known), 0))
        missing: Floats = (~known)[:, None].astype(np.float64) - self.missing
        return scaled, missing

    def _check(self, block: Block, of_numbers: Sequence[str]) -> None:
        """Refuse a block that lacks a column, or has text where numbers were, or the reverse."""
        absent = sorted(set(self.columns) - set(block.table.columns))
        if absent:
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            raise FusionError(
                f"block '{block.name}' has no column {quoted(absent[:3])}{more}, which the model "
                "was trained with"
            )
        for name in dict.fromkeys(self.columns):
            trained, here = name in of_numbers, name in block.number_names
            if trained != here and block.table[name].notna().any():
                raise FusionError(
                    f"block '{block.name}': column '{name}' has {_KIND[here]}, the model was "
                    f"trained with {_KIND[trained]}"
                )


def learn_encoding(
    block: Block, training: Bools, time: Floats, event: Bools, filters: Filters
) -> Encoding:
    """Learn the encoding of a block from training patients, who may lack it.

    Columns that do not vary among them are left out.

    Parameters
    ----------
    block
        Of n patients.
    training
        (n,) who is learnt from.
    time, event
        (n,) follow-up and the event of interest, of which `max_features` looks at the training
        patients'.
    filters
        For blocks of the kind ``features``.
    """
    having = training & block.known
    share = 1 - having.sum() / max(training.sum(), 1)
    missing = float(share) if 0 < share < 1 else None
    names, levels, fill, encoded = _columns_of(block, having)
    kept = np.flatnonzero(np.ptp(encoded, axis=0) > 0) if len(encoded) else np.empty(0, int)
    unstable = 0
    if block.kind == "features":
        lowest = _lowest_icc(block, [names[i] for i in kept], having)
        if lowest is not None and filters.min_icc is not None:
            stable = lowest >= filters.min_icc
            unstable = int(np.sum(~stable))
            kept, lowest = kept[stable], lowest[stable]
        kept = kept[_different(encoded[:, kept], filters.max_correlation, lowest)]
        if filters.max_features is not None and len(kept) > filters.max_features:
            order = _by_score(encoded[:, kept], time[having], event[having])
            kept = np.sort(kept[order[: filters.max_features]])
    deviation = encoded[:, kept].std(axis=0) if len(encoded) else np.empty(0)
    width = np.sqrt(len(kept)) if block.tuned else 1.0
    return Encoding(
        columns=tuple(names[i] for i in kept),
        levels=tuple(levels[i] for i in kept),
        fill=fill[kept],
        mean=encoded[:, kept].mean(axis=0) if len(encoded) else np.empty(0),
        scale=deviation * width,
        missing=missing,
        unstable=unstable,
    )


def _columns_of(block: Block, having: Bools) -> tuple[list[str], list[str], Floats, Floats]:
    """Return names, levels, fillings and filled values, (m, p), of those who have the block."""
    numbers = block.numbers[having]
    some: Bools = np.asarray(~np.isnan(numbers).all(axis=0))
    names = [name for name, known in zip(block.number_names, some, strict=True) if known]
    numbers = numbers[:, some]
    fill = np.nanmedian(numbers, axis=0) if numbers.size else np.empty(0)
    parts, levels = [np.where(np.isnan(numbers), fill, numbers)], [""] * len(names)
    for name in block.text_names:
        texts = block.table.loc[having, name]
        # The most frequent level, of equals the first in the alphabet, is what others differ from.
        counts = texts.value_counts().sort_index(kind="stable")
        most = counts.idxmax() if len(counts) else None
        for level in (one for one in counts.index if one != most):
            names.append(name)
            levels.append(str(level))
            parts.append((texts == level).to_numpy(np.float64)[:, None])
    texts_fill = np.zeros(len(names) - len(fill))
    return names, levels, np.concatenate([fill, texts_fill]), np.hstack(parts)


def _lowest_icc(block: Block, names: Sequence[str], having: Bools) -> Floats | None:
    """Return where the interval of ICC(1,1) of p features begins, by the draws of some patients.

    None where these have too few draws to tell.
    """
    if block.draws is None:
        return None
    of_these = block.draws[block.draws.index.isin(block.table.index[having])]
    stability = icc_by_source(of_these, names)
    if stability.empty:
        return None
    return np.asarray(lowest_icc(stability).reindex(list(names)), np.float64)


def _different(values: Floats, max_correlation: float | None, lowest: Floats | None) -> Ints:
    """Return which of p features to keep: each that resembles none that is more stable.

    Parameters
    ----------
    values
        (m, p).
    lowest
        (p,) what they are ordered by, the highest first, then as they stand; None for as they
        stand.
    """
    everything = np.arange(values.shape[1])
    if max_correlation is None or len(values) < 3 or len(everything) < 2:
        return everything
    ranks = rankdata(values, axis=0)
    close = np.abs(np.corrcoef(ranks, rowvar=False)) > max_correlation
    order = everything if lowest is None else np.argsort(-lowest, kind="stable")
    kept: list[int] = []
    for i in order:
        if not close[i, kept].any():
            kept.append(int(i))
    return np.sort(np.array(kept, int))


def _by_score(values: Floats, time: Floats, event: Bools) -> Ints:
    """Return p features from the highest score statistic for the event's hazard to the lowest."""
    risk, alike = RiskSets(time, event, ties="breslow"), np.ones(len(values))
    means = risk.sums(values) / risk.sums(alike)[:, None]
    score = values[risk.deaths].sum(axis=0) - means.sum(axis=0)
    information = risk.expected_events(alike) @ values**2 - (means**2).sum(axis=0)
    statistic = np.divide(score**2, information, out=np.zeros_like(score), where=information > 0)
    return np.argsort(-statistic, kind="stable")


def aligned(
    name: str,
    table: pd.DataFrame,
    patients: Iterable[str],
    kind: Kind,
    identity: Mapping[str, str] | None = None,
    draws: pd.DataFrame | None = None,
) -> Block:
    """Return a block of the patients of a cohort, in their order, from a table indexed by patient.

    Raises
    ------
    FusionError
        If a patient has two rows, or none of the table's is in the cohort.
    """
    wanted = list(patients)
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise FusionError(f"block '{name}': patient '{twice[0]}' has two rows")
    if len(table) and not table.index.isin(wanted).any():
        raise FusionError(
            f"block '{name}': none of {len(table)} patients is in the clinical tables "
            f"(first: {table.index[0]}; there: {', '.join(wanted[:3])}): spell them alike"
        )
    return Block(name, table.reindex(wanted), kind, dict(identity or {}), draws)
