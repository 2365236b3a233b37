"""Cox proportional-hazards models, as lifelines fits them, checked against R.

Expected trouble (no event, an empty group, a covariate that does not vary, separation) is a result
with status ``not_estimable`` and a reason that names the term.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from pandas.api.types import is_string_dtype

from histohet.covariates import Covariate

FitStatus = Literal["ok", "not_estimable"]

_TO_THE_MAXIMUM = {"precision": 1e-16, "r_precision": 1e-16}
"""Newton steps until the coefficients stand still: lifelines stops at the sixth digit otherwise."""

_SIGNS_OF_SEPARATION = ("Newton-Raphson", "The log-likelihood is getting suspiciously close to 0")
"""How lifelines begins its warnings about a maximum that was not reached."""


@dataclass(frozen=True)
class CoxTerm:
    """One estimate of a Cox model.

    Attributes
    ----------
    term
        Name of the covariate.
    level, reference
        Level and reference of a categorical covariate, "" for a numeric one.
    label
        How to call the comparison in a table.
    n, events
        Patients with this level and events among them; of a numeric covariate, all.
    hazard_ratio, lower, upper, p
        With 95 % interval and two-sided p-value, both Wald.
    coefficient, se
        Log hazard ratio and its standard error.
    """

    term: str
    level: str
    reference: str
    label: str
    n: int
    events: int
    hazard_ratio: float
    lower: float
    upper: float
    p: float
    coefficient: float
    se: float


@dataclass(frozen=True)
class ReferenceLevel:
    """The level of a categorical covariate that the others are compared with."""

    term: str
    level: str
    n: int
    events: int


@dataclass(frozen=True)
class CoxResult:
    """A Cox proportional-hazards model, or why there is none.

    Attributes
    ----------
    status, reason
        ``not_estimable`` carries a reason that names the term.
    n, events
        Patients in the model and events among them.
    left_out
        Patients that lack a covariate, or have a value to be dropped, by name of the covariate.
    terms
        One estimate per numeric covariate and per level other than the reference.
    references
        One per categorical covariate.
    log_likelihood
        Of the fitted model.
    ties
        How tied event times are handled: Efron, as R's `coxph` does by default.
    """

    status: FitStatus
    n: int
    events: int
    reason: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    terms: tuple[CoxTerm, ...] = ()
    references: tuple[ReferenceLevel, ...] = ()
    log_likelihood: float | None = None
    ties: str = "efron"

    def table(self) -> pd.DataFrame:
        """Return one row per term."""
        columns = list(CoxTerm.__dataclass_fields__)
        return pd.DataFrame([asdict(term) for term in self.terms], columns=columns)


def fit_cox(frame: pd.DataFrame, covariates: Sequence[Covariate]) -> CoxResult:
    """Fit a Cox proportional-hazards model (ties by Efron's method, Wald intervals).

    Parameters
    ----------
    frame
        One row per patient: ``time_months``, ``event``, and each covariate under its name.
    covariates
        Terms in the order wanted. Patients that lack one, or have a value that it drops, are left
        out and counted.

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
    time = used["time_months"].to_numpy(dtype=float)
    event = used["event"].to_numpy(dtype=bool)
    n, events = len(event), int(event.sum())
    reason = _why_not(used, event, covariates)
    columns = [] if reason else [item for one in covariates for item in _columns(used, one)]
    reason = reason or _collinear(columns)
    fitted = reason or _maximise(columns, time, event)
    if isinstance(fitted, str):
        return CoxResult("not_estimable", n, events, fitted, left_out)
    return CoxResult(
        status="ok",
        n=n,
        events=events,
        left_out=left_out,
        terms=tuple(
            _term(column, event, estimate)
            for column, (_, estimate) in zip(columns, fitted.summary.iterrows(), strict=True)
        ),
        references=tuple(
            ReferenceLevel(item.name, item.reference, int(here.sum()), int(event[here].sum()))
            for item in covariates
            if item.kind == "categorical"
            for here in [used[item.name].to_numpy() == item.reference]
        ),
        log_likelihood=float(fitted.log_likelihood_),
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of the design matrix: a numeric covariate, or a level as 0/1."""

    covariate: Covariate
    level: str
    values: npt.NDArray[np.float64]

    @property
    def label(self) -> str:
        name = self.covariate.name
        return f"{name}: {self.level} vs {self.covariate.reference}" if self.level else name


def _columns(used: pd.DataFrame, covariate: Covariate) -> list[_Column]:
    values = used[covariate.name]
    if covariate.kind == "numeric":
        return [_Column(covariate, "", values.to_numpy(dtype=float))]
    levels = sorted(set(values) - {covariate.reference})
    return [_Column(covariate, level, (values == level).to_numpy(dtype=float)) for level in levels]


def _why_not(
    used: pd.DataFrame, event: npt.NDArray[np.bool_], covariates: Sequence[Covariate]
) -> str:
    """Say what about the data forbids a model, "" if nothing does."""
    if event.sum() < 2:
        return f"{event.sum()} events among {len(event)} patients: at least 2 are needed"
    for item in covariates:
        values = used[item.name]
        found = values.unique()
        if item.kind == "categorical" and item.reference not in found:
            return f"no patient has the reference level of {item.name}, {item.reference}"
        if len(found) == 1:
            return f"all {len(values)} patients have the same {item.name}, {found[0]}"
        if item.kind == "categorical":
            deaths = pd.Series(event, index=values.index).groupby(values).sum()
            for level in deaths.index[deaths == 0]:
                return (
                    f"no event among the {(values == level).sum()} patients with {item.name} "
                    f"{level}: the hazard ratio is not finite"
                )
    return ""


def _collinear(columns: Sequence[_Column]) -> str:
    """Name the first column that follows from those before it."""
    design = np.empty((len(columns[0].values) if columns else 0, 0))
    for column in columns:
        spread = column.values - column.values.mean()
        design = np.column_stack([design, spread / spread.std()])
        if np.linalg.matrix_rank(design, rtol=1e-4) < design.shape[1]:
            return f"{column.label} follows from the terms before it (collinear)"
    return ""


def _maximise(
    columns: Sequence[_Column], time: npt.NDArray[np.float64], event: npt.NDArray[np.bool_]
) -> CoxPHFitter | str:
    """Fit the model, or say why its likelihood has no maximum."""
    design = pd.DataFrame({f"x{i}": column.values for i, column in enumerate(columns)})
    design["time"], design["event"] = time, event
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitter = CoxPHFitter().fit(design, "time", "event", fit_options=_TO_THE_MAXIMUM)
        except ConvergenceError:
            return _separation(columns, design)
    if any(str(warning.message).startswith(_SIGNS_OF_SEPARATION) for warning in caught):
        return _separation(columns, design)
    limits = fitter.summary[["exp(coef) lower 95%", "exp(coef) upper 95%"]].to_numpy()
    for column, limit in zip(columns, limits, strict=True):
        if not (np.isfinite(limit).all() and limit.all()):
            return f"the hazard ratio per unit of {column.label} is out of range: use a larger unit"
    return fitter


def _separation(columns: Sequence[_Column], design: pd.DataFrame) -> str:
    """Name the term that runs away, which a slight ridge penalty holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            held = CoxPHFitter(penalizer=1e-3).fit(design, "time", "event").params_.to_numpy()
        except ConvergenceError:
            return (
                f"the model with {', '.join(column.label for column in columns)} did not converge"
            )
    effect = np.abs(held) * [column.values.std() for column in columns]
    return (
        f"the model did not converge: {columns[int(np.argmax(effect))].label} separates those with "
        "an event from the others at risk (infinite hazard ratio)"
    )


def _term(column: _Column, event: npt.NDArray[np.bool_], estimate: pd.Series[float]) -> CoxTerm:
    here = column.values == 1 if column.level else np.ones(len(event), dtype=bool)
    return CoxTerm(
        term=column.covariate.name,
        level=column.level,
        reference=column.covariate.reference,
        label=column.label,
        n=int(here.sum()),
        events=int(event[here].sum()),
        hazard_ratio=float(estimate["exp(coef)"]),
        lower=float(estimate["exp(coef) lower 95%"]),
        upper=float(estimate["exp(coef) upper 95%"]),
        p=float(estimate["p"]),
        coefficient=float(estimate["coef"]),
        se=float(estimate["se(coef)"]),
    )
