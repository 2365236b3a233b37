"""Survival of groups: Kaplan–Meier and log-rank, as lifelines computes them, checked against R.

Expected trouble (no event, an empty group) is a result with status ``not_estimable`` and a reason.
Results hold plain numbers, None where there is none, so that ``dataclasses.asdict`` of a result is
JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from histohet.common.arrays import Floats
from histohet.survival.cox import FitStatus


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


def _crossing(time: Floats, curve: Floats, tolerance: float = 1e-9) -> float | None:
    """Return where a falling step curve meets 0.5, in the middle of a stretch at exactly 0.5."""
    reached = np.flatnonzero(curve <= 0.5 + tolerance)
    if reached.size == 0:
        return None
    first = time[reached[0]]
    below = np.flatnonzero(curve < 0.5 - tolerance)
    flat = curve[reached[0]] > 0.5 - tolerance
    return float((first + time[below[0]]) / 2 if flat and below.size else first)


def _greenwood(survival: Floats, at_risk: Floats, died: Floats) -> Floats:
    """Return Greenwood's standard error, NaN where nobody survives."""
    alive = np.where(survival > 0, at_risk - died, np.nan)
    return survival * np.sqrt(np.cumsum(died / (at_risk * alive)))


def _or_none(values: Floats) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
