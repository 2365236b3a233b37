"""Who is learnt from and who is left out, fold by fold, in memory and as a table.

Networks are trained by these, so this module knows of nothing that would train them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from histohet.common.arrays import Bools, Ints
from histohet.common.tables import read_tsv

LEFT_OUT = 0
"""Part of who is not learnt from."""

EVERYBODY = 0
"""Repetition and fold in which nobody is left out: the model that is kept."""


@dataclass(frozen=True, eq=False)
class Split:
    """Who of n patients is learnt from, and the inner folds that choices are made in.

    Attributes
    ----------
    repeat, fold
        From 1; `EVERYBODY` twice where nobody is left out.
    part
        Inner fold of each training patient, from 1; `LEFT_OUT` of the others, (n,) int64.
    """

    repeat: int
    fold: int
    part: Ints

    @property
    def training(self) -> Bools:
        """Who is learnt from, (n,)."""
        trained: Bools = self.part != LEFT_OUT
        return trained

    @property
    def inner(self) -> Ints:
        """Inner folds from 0, −1 of who is left out, (n,)."""
        numbers: Ints = self.part - 1
        return numbers

    def of(self, rows: Bools) -> Split:
        """Return the split of some patients."""
        return replace(self, part=self.part[rows])


def table_of(splits: Sequence[Split], outcome: pd.DataFrame) -> pd.DataFrame:
    """Return splits as a table: a row for each of them and each patient.

    Columns: ``repeat``, ``fold``, ``patient``, ``time_months``, ``event``, ``part``.

    Parameters
    ----------
    splits
        Of n patients.
    outcome
        ``time_months`` and ``event`` (whether follow-up ended with it), indexed by patient, (n, 2).
    """
    of_patients = outcome[["time_months", "event"]].rename_axis("patient").reset_index()
    tables = [of_patients.assign(part=split.part) for split in splits]
    for table, split in zip(tables, splits, strict=True):
        table.insert(0, "repeat", split.repeat)
        table.insert(1, "fold", split.fold)
    return pd.concat(tables, ignore_index=True)


def read_folds(path: str | Path, repeat: int) -> dict[int, pd.DataFrame]:
    """Read the splits of one repetition of `table_of`, by fold, each indexed by patient."""
    table = read_tsv(path)
    of_repeat = table[table["repeat"] == repeat]
    return {int(str(fold)): rows.set_index("patient") for fold, rows in of_repeat.groupby("fold")}
