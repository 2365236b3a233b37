"""How good the risks of several models are: all tables of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats, Ints
from histohet.fusion import groups
from histohet.fusion.competing_risks import COMPETING, EVENT, aalen_johansen
from histohet.fusion.cross_validation import Predictions
from histohet.fusion.estimates import (
    NOTHING,
    blank_of,
    estimate_all,
    estimate_table,
    resamples,
)
from histohet.fusion.models import Blocks
from histohet.fusion.performance import known_by, net_benefit
from histohet.fusion.settings import FusionSettings
from histohet.prognosis.evaluation import ObservedRisk, risk_groups, risk_table

TREAT_ALL = "treat all"
"""What is done without a model."""

CURVES = 3
"""Groups of predicted risk whose incidence is drawn."""

THRESHOLDS = 46
"""Risks at which net benefit is measured."""

_COLUMNS = {
    "risks": ("patient", "model", "repeat", "fold", "predictor"),
    "decision": ("model", "horizon_months", "threshold", "net_benefit", "lower", "upper"),
    "curves": ("time_months", "share", "lower", "upper", "risk_group", "cause", "n"),
    "patterns": ("has", *groups.COLUMNS),
    "fits": (
        *("model", "repeat", "fold", "block", "cause"),
        *("penalty", "columns", "unstable", "spread"),
    ),
    "kept": ("block", "column", "share"),
}
"""Of tables that may be empty."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What models predict, and how well.

    Attributes
    ----------
    estimates
        One row per number about a model, as `histohet.prognosis.evaluation.Estimate` has it, with
        ``patients`` (``all``, or ``complete``: those who lack no block) and ``status``. Measures:
        ``c_index``, ``auc``, ``brier``, each with its ``…_gain`` over the model ``against``;
        ``brier_skill``; ``calibration_slope``; ``observed_over_predicted``; ``predicted_risk`` and
        ``observed_risk`` of risk groups; ``permutation_p``.
    risks
        One row per model, repetition and patient, ``all`` patients: ``patient``, ``model``,
        ``repeat``, ``fold``, ``predictor`` and ``risk_<months>``.
    decision
        Net benefit per ``model`` (`TREAT_ALL` among them), ``horizon_months`` and ``threshold``,
        with its interval.
    curves
        Incidence of the event, and of the competing one, in thirds of the risk that the model of
        all blocks predicts by the last horizon: ``risk_group``, ``cause``, ``time_months``,
        ``share``, ``lower``, ``upper``, ``n``.
    patterns
        Per set of blocks that patients have, ``has``: how the model of all blocks does by the last
        horizon (`histohet.fusion.groups.in_groups`).
    fits, kept
        From `cross_validate`, of all patients.
    """

    estimates: pd.DataFrame
    risks: pd.DataFrame
    decision: pd.DataFrame
    curves: pd.DataFrame
    patterns: pd.DataFrame
    fits: pd.DataFrame
    kept: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all of them by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def with_estimates(self, more: pd.DataFrame) -> Comparison:
        """Return the comparison with more rows of estimates."""
        return replace(self, estimates=pd.concat([self.estimates, more], ignore_index=True))


def empty(name: str) -> pd.DataFrame:
    """Return a table of a comparison without rows."""
    return pd.DataFrame(columns=list(_COLUMNS[name]))


def not_estimable(models: Iterable[str], time: Floats, state: Ints, reason: str) -> Comparison:
    """Return the comparison of models that cannot be compared, and why."""
    blank = replace(blank_of(time, state), reason=reason)
    estimates = estimate_table([replace(blank, model=name) for name in models])
    return Comparison(estimates, **{name: empty(name) for name in _COLUMNS})


def tabulated(
    found: Predictions,
    blocks: Blocks,
    full: str,
    pairs: Sequence[tuple[str, str]],
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
) -> Comparison:
    """Return all tables of what models predict.

    Parameters
    ----------
    found
        What they predict of patients whom they had not seen.
    blocks
        Of these patients.
    full
        Name of the model of all blocks.
    pairs
        Models, and those whose gain is measured.
    outcome, settings, seed
        As for `compare`.
    """
    time, state = outcome["time_months"].to_numpy(np.float64), outcome["state"].to_numpy(np.int64)
    names = found.models[full].blocks
    return Comparison(
        estimates=estimate_table(list(estimate_all(found, time, state, pairs, seed))),
        risks=risk_table(
            outcome.index,
            found.models,
            found.horizons,
            found.fold,
            found.predictor,
            found.incidence,
        ),
        decision=decision_curves(found, time, state, settings.thresholds, seed),
        curves=curves(_last_risk(found, full), time, state),
        patterns=_patterns(blocks, names, found, full, time, state),
        fits=found.fits,
        kept=found.kept,
    )


def decision_curves(
    found: Predictions,
    time: Floats,
    state: Ints,
    thresholds: tuple[float, float],
    seed: int,
) -> pd.DataFrame:
    """Return the net benefit of treating by the risk that each model predicts, or all."""
    counts, at = resamples(len(time), seed), np.linspace(*thresholds, THRESHOLDS)
    tables = []
    for h, months in enumerate(found.horizons):
        if aalen_johansen(time, state).by(months).reason:
            continue
        known = known_by(time, state, months)
        drawn = {
            name: np.mean([net_benefit(known, risk, at, counts) for risk in risks], axis=0)
            for name, risks in zip(found.models, found.incidence[:, :, h], strict=True)
            if name != NOTHING
        }
        drawn[TREAT_ALL] = net_benefit(known, np.ones(len(time)), at, counts)
        for name, values in drawn.items():
            lower, upper = np.percentile(values[1:], [2.5, 97.5], axis=0)
            columns = {"threshold": at, "net_benefit": values[0], "lower": lower, "upper": upper}
            tables.append(pd.DataFrame({"model": name, "horizon_months": months, **columns}))
    return pd.concat(tables, ignore_index=True) if tables else empty("decision")


def curves(risk: Floats, time: Floats, state: Ints) -> pd.DataFrame:
    """Return the incidence of both events in thirds of a predicted risk, from time 0."""
    group = risk_groups(risk, CURVES)
    tables = []
    for number in range(group.max() + 1):
        here = group == number
        for cause in (EVENT, COMPETING):
            curve = aalen_johansen(time[here], state[here], cause)
            points = [curve.by(months) for months in curve.time]
            last = points[-1] if points else ObservedRisk(0.0)
            table = {
                "time_months": [0.0, *curve.time, curve.followed],
                "share": [0.0, *(one.share for one in points), last.share],
                "lower": [np.nan, *(one.lower for one in points), last.lower],
                "upper": [np.nan, *(one.upper for one in points), last.upper],
            }
            tables.append(pd.DataFrame(table).assign(risk_group=number + 1, cause=cause))
            tables[-1]["n"] = int(here.sum())
    return pd.concat(tables, ignore_index=True)


def _last_risk(found: Predictions, model: str) -> Floats:
    """Return the mean risk by the last horizon over repetitions, (n,)."""
    mean: Floats = found.incidence[list(found.models).index(model), :, -1].mean(axis=0)
    return mean


def _patterns(
    blocks: Blocks,
    names: Sequence[str],
    found: Predictions,
    full: str,
    time: Floats,
    state: Ints,
) -> pd.DataFrame:
    known = np.column_stack([blocks[name].known for name in names])
    has = [", ".join(np.array(names)[row]) or "nothing" for row in known]
    return groups.in_groups("has", has, _last_risk(found, full), time, state, found.horizons[-1])
