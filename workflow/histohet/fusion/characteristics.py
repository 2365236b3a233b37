"""What is known of the patients that are analysed: blocks, columns, follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from histohet.fusion.blocks import Block
from histohet.fusion.errors import in_words
from histohet.fusion.models import Blocks

COLUMNS = ("block", "kind", "column", "known", "missing", "summary")


def characteristics(blocks: Blocks, outcome: pd.DataFrame) -> pd.DataFrame:
    """Return blocks with what made them, their columns if they are few, and the follow-up.

    Parameters
    ----------
    blocks
        Of n patients.
    outcome
        ``time_months`` and ``state`` of the same.

    Returns
    -------
    DataFrame
        `COLUMNS`. A row per block (``column`` is ""; ``summary`` is what made it), one per column
        of those of the kind ``few``, and one per ``state`` with the months of follow-up: patients
        of whom it is ``known`` and of whom it is ``missing``; median (quartiles; range), or how
        many have each value.
    """
    rows: list[tuple[object, ...]] = []
    for name, block in blocks.items():
        n_known = int(block.known.sum())
        made_by = in_words(block.identity) if block.identity else ""
        rows.append((name, block.kind, "", n_known, len(block.known) - n_known, made_by))
        if block.kind == "few":
            rows += [_of_column(block, str(column)) for column in block.table]
    for state, name in enumerate(("neither", "event", "competing event")):
        months = outcome.loc[outcome["state"] == state, "time_months"]
        rows.append(("outcome", name, "months", len(months), 0, summary(months)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_column(block: Block, column: str) -> tuple[object, ...]:
    values = block.table[column]
    known = int(values.notna().sum())
    return (block.name, block.kind, column, known, len(values) - known, summary(values))


def summary(values: pd.Series[float]) -> str:
    """Return the median of numbers with quartiles and range, or how often each text is there."""
    known = values.dropna()
    if known.empty:
        return ""
    if not is_numeric_dtype(known):
        return ", ".join(f"{value} {n}" for value, n in known.value_counts().items())
    quantiles = np.quantile(known.astype(float), [0, 0.25, 0.5, 0.75, 1])
    low, first, median, third, high = map(_number, quantiles.tolist())
    return f"{median} ({first} to {third}; {low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
