"""Cox proportional-hazards models, checked against R's `survival` and lifelines.

Expected trouble (no event, an empty group, a covariate that does not vary, separation) is a result
with status ``not_estimable`` and a reason that names the term. A covariate that separates has no
hazard ratio itself; the others keep theirs, as R's rows of them do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from histohet.clinical.settings import Covariate
from histohet.common.arrays import Bools, Floats
from histohet.survival.design import Column, Design, make_design
from histohet.survival.partial_likelihood import Likelihood, log_likelihood
from histohet.survival.separation import Separation, TooFarApartError

FitStatus = Literal["ok", "not_estimable"]

ENOUGH_EVENTS_PER_VARIABLE = 10
"""Below this the estimates of a Cox model are too extreme and its intervals too short (Peduzzi et
al., J Clin Epidemiol 48:1503, 1995)."""

LEAST_INFORMATION = 1e-10
"""Information about a change in time beyond the model's own, as a share of that about the hazard
ratio; with less (all events at one time, fewer events than columns) the test is not defined."""

_CONFIDENCE = ndtri(0.975)


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
    ph_p
        P-value of proportional hazards, of all levels of the covariate together
        (`proportional_hazards`).
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
    ph_p: float | None = None


@dataclass(frozen=True)
class ReferenceLevel:
    """The level of a categorical covariate that the others are compared with."""

    term: str
    level: str
    n: int
    events: int


@dataclass(frozen=True)
class UntoldTerm:
    """A term of a Cox model of whose hazard ratio the data tell nothing finite.

    Attributes
    ----------
    term, level, reference, label, n, events
        As those of `CoxTerm`.
    reason
        Why, with the name of the term.
    """

    term: str
    level: str
    reference: str
    label: str
    n: int
    events: int
    reason: str


@dataclass(frozen=True)
class CoxResult:
    """A Cox proportional-hazards model, or why there is none.

    Attributes
    ----------
    status, reason
        ``not_estimable`` carries a reason that names the term. So is a model of whose first
        covariate, which is what it asks about, nothing can be estimated.
    n, events
        Patients in the model and events among them.
    left_out
        Patients that lack a covariate, or have a value to be dropped, by name of the covariate.
    terms
        One estimate per numeric covariate and per level other than the reference.
    untold
        Those of them that cannot be estimated.
    references
        One per categorical covariate.
    log_likelihood
        Of the fitted model; with infinite hazard ratios, in the limit.
    likelihood_ratio_p
        Of all terms together.
    ph_p
        Of proportional hazards of all terms together.
    events_per_variable
        Events by columns of the design.
    ties
        How tied event times are handled: Efron, as R's `coxph` does by default.
    """

    status: FitStatus
    n: int
    events: int
    reason: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    terms: tuple[CoxTerm, ...] = ()
    untold: tuple[UntoldTerm, ...] = ()
    references: tuple[ReferenceLevel, ...] = ()
    log_likelihood: float | None = None
    likelihood_ratio_p: float | None = None
    ph_p: float | None = None
    events_per_variable: float | None = None
    ties: str = "efron"

    @property
    def warning(self) -> str:
        """What to mind when reading the estimates, "" if nothing."""
        warnings = []
        per_variable = self.events_per_variable
        if per_variable is not None and per_variable < ENOUGH_EVENTS_PER_VARIABLE:
            warnings.append(
                f"{per_variable:.1f} events per variable, below {ENOUGH_EVENTS_PER_VARIABLE}"
            )
        if self.untold:
            warnings.append(f"no estimate of {', '.join(term.label for term in self.untold)}")
        return "; ".join(warnings)

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
    return fit_design(make_design(frame, covariates))


def fit_design(design: Design) -> CoxResult:
    """Fit a Cox model to a design: `fit_cox` in two steps, for those who need the design too."""
    n, events = len(design.event), int(design.event.sum())
    nothing = CoxResult("not_estimable", n, events, design.reason, design.left_out)
    if design.reason:
        return nothing
    try:
        fitted = design.fitted
    except TooFarApartError as error:
        return replace(nothing, reason=_why_too_far(design.columns[error.column]))
    coefficients, se = np.full((2, len(design.columns)), np.nan)
    coefficients[fitted.kept] = fitted.maximum.coefficients
    se[fitted.kept] = np.sqrt(np.diag(fitted.maximum.covariance))
    reasons = [
        _why_untold(design, column, *estimate)
        for column, *estimate in zip(range(len(se)), coefficients, se, strict=True)
    ]
    covariates = [column.covariate for column in design.columns]
    asked = reasons[: covariates.count(covariates[0])]
    if all(asked):
        return replace(nothing, reason=asked[0])
    term_of_column = [design.covariates.index(covariate) for covariate in covariates]
    tests = _proportional_hazards_of(design, [term_of_column[column] for column in fitted.kept])
    rows = list(zip(design.columns, coefficients, se, reasons, term_of_column, strict=True))
    gained = fitted.maximum.at.log_value - log_likelihood(np.zeros(n), design.risk)
    return CoxResult(
        status="ok",
        n=n,
        events=events,
        left_out=design.left_out,
        terms=tuple(
            _term(column, design.event, coefficient, error, tests.terms[term].p)
            for column, coefficient, error, reason, term in rows
            if not reason
        ),
        untold=tuple(
            UntoldTerm(**_about(column, design.event), reason=reason)
            for column, _, _, reason, _ in rows
            if reason
        ),
        references=tuple(
            ReferenceLevel(
                item.name, item.reference, int(here.sum()), int(design.event[here].sum())
            )
            for item in design.covariates
            if item.kind == "categorical"
            for here in [design.used[item.name].to_numpy() == item.reference]
        ),
        log_likelihood=fitted.maximum.at.log_value,
        likelihood_ratio_p=float(chi2.sf(2 * gained, len(design.columns))),
        ph_p=tests.all_terms.p,
        events_per_variable=events / len(design.columns),
    )


def _why_too_far(column: Column) -> str:
    values = column.values
    furthest = int(np.argmax(np.abs(values - values.mean())))
    others = np.delete(values, furthest)
    return (
        f"{column.label} of one patient is {values[furthest]:g}, of the others {others.min():g} to "
        f"{others.max():g}, too far apart for the model to be computed: correct the value, or take "
        "the logarithm"
    )


def _why_untold(design: Design, number: int, coefficient: float, se: float) -> str:
    """Say why a column has no estimate, "" if it has one."""
    column, found = design.columns[number], design.fitted.separation
    if found is not None and not found.finite[number]:
        return _no_event(design, column) or _separated(design, found, number)
    if abs(coefficient) + _CONFIDENCE * se > np.log(np.finfo(float).max):
        return f"the hazard ratio per unit of {column.label} is out of range: use a larger unit"
    return ""


def _no_event(design: Design, column: Column) -> str:
    item = column.covariate
    for level in (column.level, item.reference) if column.level else ():
        here = design.used[item.name].to_numpy() == level
        if not design.event[here].any():
            return (
                f"no event among the {here.sum()} patients with {item.name} {level}: the hazard "
                "ratio is not finite"
            )
    return ""


def _separated(design: Design, found: Separation, number: int) -> str:
    label = design.columns[number].label
    labels = np.array([column.label for column in design.columns])
    infinite = "those with an event from the others at risk (infinite hazard ratio)"
    if found.alone[number]:
        return f"{label} separates {infinite}"
    if not found.direction.any():
        return f"patients at risk together do not differ in {' and '.join(labels[~found.finite])}"
    guilty = labels[found.alone]
    if len(guilty):
        separates = f"{' and '.join(guilty)} separate{'' if len(guilty) > 1 else 's'} {infinite}"
        return f"nothing is left to estimate {label} from: {separates}"
    return f"{' and '.join(labels[~found.finite])} together separate {infinite}"


def _about(column: Column, event: Bools) -> dict[str, Any]:
    """Return what a term is and how many patients have it."""
    here = column.values == 1 if column.level else np.ones(len(event), dtype=bool)
    return {
        "term": column.covariate.name,
        "level": column.level,
        "reference": column.covariate.reference,
        "label": column.label,
        "n": int(here.sum()),
        "events": int(event[here].sum()),
    }


def _term(
    column: Column, event: Bools, coefficient: float, se: float, ph_p: float | None
) -> CoxTerm:
    ratio, lower, upper = np.exp(coefficient + _CONFIDENCE * se * np.array([0, -1, 1]))
    return CoxTerm(
        **_about(column, event),
        hazard_ratio=float(ratio),
        lower=float(lower),
        upper=float(upper),
        p=float(2 * ndtr(-abs(coefficient / se))),
        coefficient=float(coefficient),
        se=float(se),
        ph_p=ph_p,
    )


@dataclass(frozen=True)
class ScoreTest:
    """A chi-squared test; all None where it is not defined."""

    chi2: float | None
    dof: int | None
    p: float | None


@dataclass(frozen=True)
class ProportionalHazards:
    """Tests of proportional hazards.

    Attributes
    ----------
    terms
        One per term, of all its columns together.
    all_terms
        Of the whole model (``GLOBAL`` in R).
    """

    terms: tuple[ScoreTest, ...]
    all_terms: ScoreTest


def _proportional_hazards_of(design: Design, term_of_column: Sequence[int]) -> ProportionalHazards:
    """Test a fitted model.

    Time is transformed to 1 - S(t-), S the Kaplan–Meier estimate of all patients in the model: R's
    default ``transform = "km"``.
    """
    time = np.zeros(design.risk.n)
    time[design.risk.deaths] = 1 - design.risk.survival_before
    fitted = design.fitted
    return proportional_hazards(fitted.maximum.at, time[fitted.risk.deaths], term_of_column)


def proportional_hazards(
    at: Likelihood, time: Floats, term_of_column: Sequence[int]
) -> ProportionalHazards:
    """Test every term of a fitted Cox model against a hazard ratio that changes with time.

    The test of Grambsch and Therneau (Biometrika 81:515, 1994) in its exact form: the score test
    for adding the product of each covariate with a function of time to the fitted model. This is
    what `cox.zph` does in R's survival since version 3.0; older versions, and lifelines,
    approximate the variance of the residuals by its mean over the events and give other numbers.

    Parameters
    ----------
    at
        The likelihood at its maximum.
    time
        Of each event, (m,), on any scale.
    term_of_column
        Number of the term, counted from 0, of each of the p columns.
    """
    # The test does not depend on the origin of time; centred, its matrices are well behaved.
    time = time - time.mean()
    variance, mixed, squared = (at.information(weight) for weight in (1.0, time, time**2))
    # What the columns of time say beyond those of the model, all of which stay in every test.
    information = squared - mixed @ np.linalg.solve(variance, mixed)
    unit = 1 / np.sqrt(np.diag(variance))
    score, information = unit * (time @ at.residuals), information * np.outer(unit, unit)
    terms = np.asarray(term_of_column)
    return ProportionalHazards(
        terms=tuple(
            _score_test(score[here], information[np.ix_(here, here)])
            for here in (terms == term for term in range(terms.max(initial=-1) + 1))
        ),
        all_terms=_score_test(score, information),
    )


def _score_test(score: Floats, information: Floats) -> ScoreTest:
    if not len(score) or np.linalg.eigvalsh(information)[0] < LEAST_INFORMATION:
        return ScoreTest(None, None, None)
    statistic = float(score @ np.linalg.solve(information, score))
    return ScoreTest(statistic, len(score), float(chi2.sf(statistic, len(score))))
