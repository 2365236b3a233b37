"""From a table of patients to the design matrix of a Cox model, or why there can be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_string_dtype

from histohet.clinical.settings import Covariate
from histohet.common.arrays import Bools, Floats
from histohet.survival.partial_likelihood import RiskSets
from histohet.survival.separation import Supremum, supremum


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the design matrix: a numeric covariate, or a level as 0/1.

    Attributes
    ----------
    covariate, level
        What it stands for; level "" for a numeric covariate.
    values
        Shape (n,).
    """

    covariate: Covariate
    level: str
    values: Floats

    @property
    def label(self) -> str:
        """How to call the comparison in a table."""
        name = self.covariate.name
        return f"{name}: {self.level} vs {self.covariate.reference}" if self.level else name


@dataclass(frozen=True, eq=False)
class Design:
    """The patients of a Cox model and their covariates.

    Attributes
    ----------
    used
        Rows of the patients that have every covariate.
    left_out
        Patients that lack a covariate, or have a value to be dropped, by name of the covariate.
    covariates
        Terms of the model in their order.
    reason
        What about the data forbids a model, "" if nothing does.
    columns
        Columns of the matrix; none if there is a reason.
    """

    used: pd.DataFrame
    left_out: Mapping[str, int]
    covariates: tuple[Covariate, ...]
    reason: str = ""
    columns: tuple[Column, ...] = field(default=())

    @cached_property
    def event(self) -> Bools:
        """Whether the event was observed, shape (n,)."""
        return self.used["event"].to_numpy(dtype=bool)

    @cached_property
    def risk(self) -> RiskSets:
        """Risk sets of the patients."""
        return RiskSets(self.used["time_months"].to_numpy(dtype=float), self.event)

    @cached_property
    def fitted(self) -> Supremum:
        """The Cox model of these patients.

        Raises
        ------
        TooFarApartError
            If a covariate has a value too far out to tell.
        """
        return supremum(self.matrix, self.risk)

    @cached_property
    def matrix(self) -> Floats:
        """The columns side by side, shape (n, p)."""
        if not self.columns:
            return np.zeros((len(self.used), 0))
        return np.column_stack([column.values for column in self.columns])


def per_standard_deviation(values: npt.ArrayLike) -> tuple[Floats, float]:
    """Bring values to mean 0 and standard deviation 1, so that a hazard ratio is per deviation.

    NaN stays and does not count. Values that are all the same are returned as they are, and 0: the
    standard deviation of rounded sums need not be.

    Returns
    -------
    scaled
        float64, the shape of `values`.
    deviation
        Their standard deviation (n - 1 in the denominator).
    """
    array = np.asarray(values, dtype=float)
    known = array[~np.isnan(array)]
    if len(np.unique(known)) < 2:
        return array, 0.0
    deviation = float(known.std(ddof=1))
    return (array - known.mean()) / deviation, deviation


def make_design(frame: pd.DataFrame, covariates: Sequence[Covariate]) -> Design:
    """Take the patients that have every covariate, and expand categorical ones to their levels.

    Parameters
    ----------
    frame
        One row per patient: ``time_months``, ``event``, and each covariate under its name.
    covariates
        Terms in the order wanted, at least one.

    Raises
    ------
    ValueError
        If the levels of a categorical covariate are not text, which no reference level could match.
    """
    for item in covariates:
        levels = frame[item.name].dropna()
        if item.kind == "categorical" and len(levels) and not is_string_dtype(levels):
            raise ValueError(f"the levels of '{item.name}' must be text: read its column as text")
    lacking = pd.DataFrame(
        {
            item.name: frame[item.name].isna() | frame[item.name].isin(item.drop)
            for item in covariates
        }
    )
    left_out = {str(name): int(count) for name, count in lacking.sum().items() if count}
    used = frame[~lacking.any(axis=1)]
    terms = tuple(covariates)
    reason = _why_not(used, terms)
    if reason:
        return Design(used, left_out, terms, reason)
    columns = tuple(column for item in terms for column in _columns(used, item))
    reason = _collinear(columns)
    return Design(used, left_out, terms, reason, () if reason else columns)


def _columns(used: pd.DataFrame, covariate: Covariate) -> list[Column]:
    values = used[covariate.name]
    if covariate.kind == "numeric":
        return [Column(covariate, "", values.to_numpy(dtype=float))]
    levels = sorted(set(values) - {covariate.reference})
    return [Column(covariate, level, (values == level).to_numpy(dtype=float)) for level in levels]


def _why_not(used: pd.DataFrame, covariates: Sequence[Covariate]) -> str:
    event = used["event"].to_numpy(dtype=bool)
    if event.sum() < 2:
        return f"{event.sum()} events among {len(event)} patients: at least 2 are needed"
    for item in covariates:
        values = used[item.name]
        found = values.unique()
        if item.kind == "categorical" and item.reference not in found:
            return f"no patient has the reference level of {item.name}, {item.reference}"
        if len(found) == 1:
            return f"all {len(values)} patients have the same {item.name}, {found[0]}"
    return ""


def _collinear(columns: Sequence[Column]) -> str:
    """Name the first column that follows from those before it."""
    design = np.empty((len(columns[0].values) if columns else 0, 0))
    for column in columns:
        spread = column.values - column.values.mean()
        design = np.column_stack([design, spread / spread.std()])
        if np.linalg.matrix_rank(design, rtol=1e-4) < design.shape[1]:
            return f"{column.label} follows from the terms before it (collinear)"
    return ""
