"""Values of covariates: from the cells of a clinical table to numbers and levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from histohet.clinical.endpoints import Finding, is_missing, numbers
from histohet.clinical.settings import Covariate
from histohet.common.settings import quoted

EXCLUDES = "patient excluded from analyses with this covariate"
NOT_IN_COX = "left out of Cox models with this covariate"


def read_covariate(
    covariate: Covariate, texts: pd.Series[str]
) -> tuple[pd.Series[Any], list[Finding]]:
    """Return the values of a covariate, and what is wrong with which rows.

    Parameters
    ----------
    covariate
        As configured.
    texts
        Cells of its column, stripped; "" where there is none.

    Returns
    -------
    values
        Floats, or levels as text; NaN where missing, dropped or in no level.
    findings
        Those with the consequence `EXCLUDES` exclude the patient.
    """
    column, levels = covariate.column, covariate.levels
    level_of = {one: level for level, of_level in levels.items() for one in of_level}
    dropped = texts.isin(covariate.drop)
    missing = is_missing(texts) & ~dropped & ~texts.isin(level_of)
    if "" in covariate.drop:
        dropped, missing = dropped | missing, missing & False
    unknown = ~texts.isin(level_of) & ~dropped & ~missing & bool(levels)
    recoding = f"code in no level of '{covariate.name}' ({quoted(levels)}) and not in 'drop'"
    findings = [
        Finding(column, dropped, "value excluded by the configuration", EXCLUDES),
        Finding(column, unknown, recoding, EXCLUDES),
        Finding(column, missing, "covariate missing", NOT_IN_COX),
    ]
    if covariate.kind == "numeric":
        values, wrong = numbers(texts.mask(dropped, ""), NOT_IN_COX)
        return values, findings + wrong
    recoded = texts.map(level_of) if levels else texts
    return recoded.astype(object).mask(missing | dropped | unknown, np.nan), findings
