"""Values of covariates: from the cells of a clinical table to numbers and levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from histohet.clinical.cells import NOT_COMPUTED, Finding, counted, is_missing, numbers
from histohet.clinical.settings import Covariate
from histohet.common.settings import quoted

EXCLUDES = "patient excluded from analyses with this covariate"
NOT_IN_COX = "left out of Cox models with this covariate"


def read_covariate(
    covariate: Covariate, texts: pd.Series[str]
) -> tuple[pd.Series[Any], list[Finding]]:
    """Return the values of a covariate, and what is wrong with which rows.

    A code that the covariate names is what it is named for, also if it usually means that there is
    no value.

    Parameters
    ----------
    covariate
        As configured.
    texts
        Cells of its column, stripped, as `histohet.common.settings.by_value` writes them; "" where
        there is none.

    Returns
    -------
    values
        Floats, or levels as text; NaN where missing, dropped or in no level.
    findings
        Those with the consequence `EXCLUDES` exclude the patient.
    """
    column, levels = covariate.column, covariate.levels
    level_of = _level_of_code(covariate)
    dropped = texts.isin(covariate.drop)
    missing = is_missing(texts) & ~dropped & ~texts.isin(level_of)
    if "" in covariate.drop:
        dropped, missing = dropped | missing, missing & False
    formula = texts.str.startswith("=") & ~texts.isin(level_of) & (covariate.kind == "categorical")
    unknown = ~texts.isin(level_of) & ~dropped & ~missing & ~formula & bool(levels)
    recoding = f"code in no level of '{covariate.name}' ({quoted(levels)}) and not in 'drop'"
    findings = [
        Finding(column, dropped, "value excluded by the configuration", EXCLUDES),
        Finding(column, unknown, recoding, EXCLUDES),
        Finding(column, missing, "covariate missing", NOT_IN_COX),
        Finding(column, formula, NOT_COMPUTED, NOT_IN_COX),
    ]
    if covariate.kind == "numeric":
        values, wrong = numbers(texts.mask(dropped, ""), NOT_IN_COX)
        return values, findings + wrong
    recoded = texts.map(level_of) if levels else texts
    return recoded.astype(object).mask(missing | dropped | unknown | formula, np.nan), findings


def codes_taken(covariate: Covariate, texts: pd.Series[str]) -> str:
    """Say what a categorical covariate takes for levels; "" if its levels are configured.

    Raises
    ------
    ValueError
        If no cell has a code that is in a level, or to be dropped.
    """
    if covariate.kind == "numeric":
        return ""
    missing = is_missing(texts) & ~texts.isin(_level_of_code(covariate))
    codes = texts[~missing & ~texts.isin(covariate.drop)]
    if covariate.levels:
        if len(codes) and not texts.isin([*_level_of_code(covariate), *covariate.drop]).any():
            raise ValueError(
                f"no code of column '{covariate.column}' is in a level of '{covariate.name}': it "
                f"has {counted(codes)}, the levels are of {quoted(_level_of_code(covariate))}"
            )
        return ""
    without = counted(texts[missing & (texts != "")])
    return f"levels of '{covariate.name}' are {counted(codes) or 'none'}" + (
        f"; no value is {without}" if without else ""
    )


def _level_of_code(covariate: Covariate) -> dict[str, str]:
    """Return the level of every code that the covariate names, its own without `levels`."""
    levels = covariate.levels or {covariate.reference: (covariate.reference,)}
    named = {code: level for level, codes in levels.items() for code in codes}
    return {} if covariate.kind == "numeric" else named
