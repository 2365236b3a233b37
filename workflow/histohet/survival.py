"""Survival: Kaplan–Meier, log-rank and Cox, as lifelines computes them, checked against R.

Expected trouble (no event, an empty group, a covariate that does not vary, separation) is a result
with status ``not_estimable`` and a reason. Results hold plain numbers, None where there is none, so
that ``dataclasses.asdict`` of a result is JSON.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.exceptions import ConvergenceError
from lifelines.statistics import multivariate_logrank_test
from pandas.api.types import is_string_dtype

from histohet.clinical import Covariate

FitStatus = Literal["ok", "not_estimable"]

HIGH_VS_LOW = Covariate(
    column="group", kind="categorical", name="group", reference="low", drop=("middle",)
)
"""The high against the low group of the cohort table."""

SCORE = Covariate(column="score", kind="numeric", name="score")
"""The score of the cohort table, hazard ratio per unit."""

_TO_THE_MAXIMUM = {"precision": 1e-16, "r_precision": 1e-16}
"""Newton steps until the coefficients stand still: lifelines stops at the sixth digit otherwise."""

_SIGNS_OF_SEPARATION = ("Newton-Raphson", "The log-likelihood is getting suspiciously close to 0")
"""How lifelines begins its warnings about a maximum that was not reached."""


@dataclass(frozen=True)
class KaplanMeier:
    """A Kaplan–Meier curve: one entry per distinct time, the first at time 0.

    Attributes
    ----------
    label
        Whose curve it is.
    n, events
        Patients and events.
    median, median_lower, median_upper
        Median survival in months with its 95 % interval (Brookmeyer and Crowley 1982: where the
        confidence band crosses 0.5), None where it is not reached.
    time, survival
        Months, and the probability to survive beyond.
    standard_error
        Greenwood's, None where the survival is 0.
    lower, upper
        95 % limits by the log(-log) transformation, None where the survival is 0.
    at_risk, died, censored
        Patients at risk just before each time, and who dies or is censored at it.
    """

    label: str
    n: int
    events: int
    median: float | None
    median_lower: float | None
    median_upper: float | None
    time: tuple[float, ...]
    survival: tuple[float, ...]
    standard_error: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    at_risk: tuple[int, ...]
    died: tuple[int, ...]
    censored: tuple[int, ...]

    def table(self) -> pd.DataFrame:
        """Return the curve with one row per time."""
        columns = ("time", "survival", "standard_error", "lower", "upper")
        counts = ("at_risk", "died", "censored")
        table = pd.DataFrame({name: getattr(self, name) for name in columns}, dtype=float)
        return table.assign(**{name: getattr(self, name) for name in counts})

    def numbers_at_risk(self, times: Sequence[float]) -> list[int]:
        """Return how many patients are still followed just before each of `times` (months)."""
        following = np.searchsorted(self.time, times, side="left")
        return [int(count) for count in np.append(self.at_risk, 0)[following]]


@dataclass(frozen=True)
class LogRank:
    """A log-rank test of two or more groups (ties: hypergeometric variance, as R's `survdiff`)."""

    status: FitStatus
    reason: str = ""
    chi2: float | None = None
    dof: int | None = None
    p: float | None = None


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


@dataclass(frozen=True)
class Analysis:
    """Whether a score predicts survival: the two groups, and the score per unit.

    The models of the groups and their curves leave out the group ``middle``; those of the score use
    every patient. ``adjusted`` models contain the clinical covariates as well and are None where
    none is configured.
    """

    low: KaplanMeier
    high: KaplanMeier
    log_rank: LogRank
    groups: CoxResult
    groups_adjusted: CoxResult | None
    score: CoxResult
    score_adjusted: CoxResult | None


def analyse(cohort: pd.DataFrame, covariates: Sequence[Covariate] = ()) -> Analysis:
    """Run every analysis of one score.

    Parameters
    ----------
    cohort
        From `histohet.cohort.build_cohort`; only its ``analysed`` patients are used.
    covariates
        For the adjusted models.
    """
    patients = cohort[cohort["analysed"].astype(bool)]
    low, high = (patients[patients["group"] == group] for group in ("low", "high"))
    extremes = pd.concat([low, high])
    return Analysis(
        low=kaplan_meier(low["time_months"], low["event"], label="low"),
        high=kaplan_meier(high["time_months"], high["event"], label="high"),
        log_rank=log_rank(extremes["time_months"], extremes["event"], extremes["group"]),
        groups=fit_cox(patients, [HIGH_VS_LOW]),
        groups_adjusted=fit_cox(patients, [HIGH_VS_LOW, *covariates]) if covariates else None,
        score=fit_cox(patients, [SCORE]),
        score_adjusted=fit_cox(patients, [SCORE, *covariates]) if covariates else None,
    )


def kaplan_meier(time: npt.ArrayLike, event: npt.ArrayLike, label: str = "") -> KaplanMeier:
    """Estimate a survival curve (Kaplan and Meier 1958).

    The median is the first time at which the survival is at most 0.5; where the curve is flat at
    exactly 0.5 it is the middle of that stretch, as in R.

    Parameters
    ----------
    time
        Months, not negative, shape (n,). May be empty.
    event
        Whether the event was observed, shape (n,).
    label
        Whose curve it is.
    """
    times, observed = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    if times.size == 0:
        nothing: tuple[()] = ()
        return KaplanMeier(label, 0, 0, None, None, None, *(nothing,) * 8)
    fitter = KaplanMeierFitter().fit(times, observed)
    events = fitter.event_table
    survival = fitter.survival_function_.iloc[:, 0].to_numpy()
    limits = fitter.confidence_interval_survival_function_.to_numpy(copy=True)
    limits[survival == 0] = np.nan
    grid = events.index.to_numpy(dtype=float)
    at_risk, died = events["at_risk"].to_numpy(), events["observed"].to_numpy()
    return KaplanMeier(
        label=label,
        n=len(times),
        events=int(observed.sum()),
        median=_crossing(grid, survival),
        median_lower=_crossing(grid, limits[:, 0]),
        median_upper=_crossing(grid, limits[:, 1]),
        time=tuple(grid.tolist()),
        survival=tuple(survival.tolist()),
        standard_error=_or_none(_greenwood(survival, at_risk, died)),
        lower=_or_none(limits[:, 0]),
        upper=_or_none(limits[:, 1]),
        at_risk=tuple(int(count) for count in at_risk),
        died=tuple(int(count) for count in died),
        censored=tuple(int(count) for count in events["censored"]),
    )


def log_rank(time: npt.ArrayLike, event: npt.ArrayLike, group: npt.ArrayLike) -> LogRank:
    """Test whether the groups share one survival curve (log-rank).

    Parameters
    ----------
    time, event
        As for `kaplan_meier`.
    group
        Label per patient, shape (n,).
    """
    times, observed = np.asarray(time, dtype=float), np.asarray(event, dtype=bool)
    labels = np.asarray(group).astype(str)
    names = np.unique(labels)
    if len(names) < 2:
        found = f"all patients are in '{names[0]}'" if len(names) else "there is no patient"
        return LogRank("not_estimable", f"two groups are needed, {found}")
    if not observed.any():
        return LogRank("not_estimable", f"no event among {len(labels)} patients")
    # A group that is gone before the first event says nothing; R does not count it either.
    compared = np.unique(labels[times >= times[observed].min()])
    if len(compared) < 2:
        return LogRank("not_estimable", f"only '{compared[0]}' is at risk when events happen")
    here = np.isin(labels, compared)
    test = multivariate_logrank_test(times[here], labels[here], observed[here])
    chi2, dof = float(test.test_statistic), len(compared) - 1
    return LogRank("ok", chi2=chi2, dof=dof, p=float(test.p_value))


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


def _crossing(
    time: npt.NDArray[np.float64], curve: npt.NDArray[np.float64], tolerance: float = 1e-9
) -> float | None:
    """Return where a falling step curve meets 0.5, in the middle of a stretch at exactly 0.5."""
    reached = np.flatnonzero(curve <= 0.5 + tolerance)
    if reached.size == 0:
        return None
    first = time[reached[0]]
    below = np.flatnonzero(curve < 0.5 - tolerance)
    flat = curve[reached[0]] > 0.5 - tolerance
    return float((first + time[below[0]]) / 2 if flat and below.size else first)


def _greenwood(
    survival: npt.NDArray[np.float64],
    at_risk: npt.NDArray[np.float64],
    died: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return Greenwood's standard error, NaN where nobody survives."""
    alive = np.where(survival > 0, at_risk - died, np.nan)
    return survival * np.sqrt(np.cumsum(died / (at_risk * alive)))


def _or_none(values: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
