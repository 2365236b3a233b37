"""Models of blocks compared on patients whom they had not seen, with paired intervals.

C and AUC compare patients of the same fold, repetitions are averaged, and intervals are those of
1,000 resamples of the patients, the same for all models, with models and folds as they are
(`histohet.prognosis.evaluation`). Risks are absolute, so Brier score, net benefit and calibration
take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.blocks import Filters
from histohet.fusion.competing_risks import COMPETING, EVENT, aalen_johansen, of_cause
from histohet.fusion.cross_validation import Centres, Predictions, cross_validate, why_not
from histohet.fusion.models import Blocks, Fusion
from histohet.fusion.performance import (
    auc,
    brier,
    concordance,
    known_by,
    net_benefit,
)
from histohet.fusion.settings import OTHER_MODELS, FusionSettings
from histohet.prognosis.evaluation import (
    RESAMPLES,
    Estimate,
    ObservedRisk,
    calibrated,
    calibration_slope,
    risk_groups,
)
from histohet.survival.ranking import bootstrap_counts

ALONE_BY_VOLUME, NOTHING = OTHER_MODELS
LATE, TREAT_ALL = "late: ", "treat all"
"""Models that are not called after their blocks: the volume alone, one risk for all, late fusion;
and what is done without a model."""

CURVES = 3
"""Groups of predicted risk whose incidence is drawn."""

_COLUMNS = {
    "risks": ("patient", "model", "repeat", "fold", "predictor"),
    "decision": ("model", "horizon_months", "threshold", "net_benefit", "lower", "upper"),
    "curves": ("time_months", "share", "lower", "upper", "risk_group", "cause", "n"),
    "patterns": ("has", "n", "events", "competing", "predicted_risk", "c_index"),
    "fits": (
        *("model", "repeat", "fold", "block", "cause"),
        *("penalty", "columns", "unstable", "spread"),
    ),
    "kept": ("block", "column", "share"),
}
"""Of tables that may be empty."""

PERMUTATIONS_SEED = 1
THRESHOLDS = 46


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
        Per set of blocks that patients have: ``has``, ``n``, ``events``, ``competing``,
        ``predicted_risk`` and ``c_index`` by the last horizon, of the model of all blocks.
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


def empty(name: str) -> pd.DataFrame:
    """Return a table of a comparison without rows."""
    return pd.DataFrame(columns=list(_COLUMNS[name]))


def models_of(blocks: Sequence[str], *, volume: bool = False) -> dict[str, Fusion]:
    """Return the models that are compared: each block alone, all, all but one, all by late fusion.

    Where there are clinical data, each other block beside them too.
    """
    models = {NOTHING: Fusion(())}
    models |= {name: Fusion((name,)) for name in blocks}
    if volume:
        models[ALONE_BY_VOLUME] = Fusion((ALONE_BY_VOLUME,))
    if "clinical" in blocks:
        pairs = [("clinical", name) for name in blocks if name != "clinical"]
        models |= {named(pair): Fusion(pair) for pair in pairs}
    if len(blocks) > 1:
        rest = [tuple(other for other in blocks if other != name) for name in blocks]
        models |= {named(one): Fusion(one) for one in (*rest, tuple(blocks))}
        models[LATE + named(blocks)] = Fusion(tuple(blocks), "late")
    return models


def named(blocks: Sequence[str]) -> str:
    """Return the name of the model of some blocks."""
    return " + ".join(blocks)


def pairs_of(blocks: Sequence[str], models: Mapping[str, Fusion]) -> list[tuple[str, str]]:
    """Return which models are compared with which: what each block adds to the others first."""
    full = named(blocks)
    against = [named([other for other in blocks if other != name]) for name in blocks]
    pairs = [(full, simpler) for simpler in against]
    pairs += [(full, "clinical"), (full, ALONE_BY_VOLUME), (LATE + full, full)]
    pairs += [(named(("clinical", name)), "clinical") for name in blocks]
    there = [(one, other) for one, other in pairs if one in models and other in models]
    return list(dict.fromkeys(pair for pair in there if pair[0] != pair[1]))


def compare(
    blocks: Blocks,
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None = None,
) -> Comparison:
    """Compare the models of some blocks, for all patients and for those who lack no block.

    The order of rows does not matter.

    Parameters
    ----------
    blocks
        Of n patients, indexed by patient; one called `ALONE_BY_VOLUME` is a model by itself.
    outcome
        ``time_months`` and ``state``, indexed by patient.
    settings
        Horizons, folds, filters.
    seed
        Of folds, bootstrap and permutations.
    centre
        Patients of one stay together, (n,).
    """
    order = np.argsort(outcome.index.to_numpy(str), kind="stable")
    blocks = {name: replace(block, table=block.table.iloc[order]) for name, block in blocks.items()}
    outcome, centre = outcome.iloc[order], None if centre is None else centre[order]
    names = [name for name in blocks if name != ALONE_BY_VOLUME]
    found = _compared(blocks, names, outcome, settings, seed, centre)
    known = np.column_stack([block.known for block in blocks.values()])
    complete: Bools = np.asarray(known.all(axis=1))
    if not complete.all():
        some = {name: block.of(complete) for name, block in blocks.items()}
        there = None if centre is None else centre[complete]
        other = _compared(some, names, outcome.loc[complete], settings, seed, there)
        estimates = [found.estimates, other.estimates.assign(patients="complete")]
        found = replace(found, estimates=pd.concat(estimates, ignore_index=True))
    return found


def _compared(
    blocks: Blocks,
    names: Sequence[str],
    outcome: pd.DataFrame,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None,
) -> Comparison:
    time, state = outcome["time_months"].to_numpy(np.float64), outcome["state"].to_numpy(np.int64)
    models = models_of(names, volume=ALONE_BY_VOLUME in blocks)
    reason = why_not(state, settings.folds, centre)
    if reason:
        of_all = [replace(_blank(time, state), model=name, reason=reason) for name in models]
        return Comparison(_table(of_all), **{name: empty(name) for name in _COLUMNS})
    predictions = cross_validate(
        blocks,
        time,
        state,
        models,
        folds=settings.folds,
        repeats=settings.repeats,
        horizons=sorted(settings.horizons),
        filters=filters_of(settings),
        seed=seed,
        centre=centre,
    )
    full = named(names)
    found = tabulated(predictions, blocks, full, pairs_of(names, models), outcome, settings, seed)
    permuted = list(_permuted(blocks, names, time, state, settings, seed, centre))
    if not permuted:
        return found
    estimates = [found.estimates, _table(permuted)]
    return replace(found, estimates=pd.concat(estimates, ignore_index=True))


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
        estimates=_table(list(estimate_all(found, time, state, pairs, seed))),
        risks=_risks(found, outcome.index),
        decision=decision_curves(found, time, state, settings.thresholds, seed),
        curves=curves(_last_risk(found, full), time, state),
        patterns=_patterns(blocks, names, found, full, time, state),
        fits=found.fits,
        kept=found.kept,
    )


def filters_of(settings: FusionSettings) -> Filters:
    """Return the filters of features that are configured."""
    correlation = settings.max_correlation
    return Filters(
        settings.min_icc, None if correlation == 1 else correlation, settings.max_features
    )


def estimate_all(
    found: Predictions, time: Floats, state: Ints, pairs: Sequence[tuple[str, str]], seed: int
) -> Iterator[Estimate]:
    """Yield every estimate of every model.

    Parameters
    ----------
    found
        From `cross_validate`, with horizons in months.
    time, state
        Follow-up in months and how it ended, (n,).
    pairs
        Models, and those whose gain is measured.
    seed
        Of the bootstrap.
    """
    counts = _resamples(len(time), seed)
    for h, months in enumerate(found.horizons):
        yield from _rankings(found, time, state, h, months, pairs, counts)
    yield from _calibrations(found, time, state)


def _resamples(n: int, seed: int) -> Floats:
    """Return everybody once, then resamples of the patients, (1 + 1,000, n)."""
    drawn = bootstrap_counts(n, RESAMPLES, np.random.default_rng(seed))
    return np.vstack([np.ones((1, n)), drawn])


def _blank(time: Floats, state: Ints) -> Estimate:
    return Estimate("", "c_index", n=len(time), events=int(np.sum(state == EVENT)))


def _rankings(
    found: Predictions,
    time: Floats,
    state: Ints,
    h: int,
    months: float,
    pairs: Sequence[tuple[str, str]],
    counts: Floats,
) -> Iterator[Estimate]:
    """Yield C, AUC and Brier score of every model by one horizon, and the gains."""
    known = known_by(time, state, months)
    drawn: dict[str, dict[str, Floats]] = {"c_index": {}, "auc": {}, "brier": {}}
    for name, risks in zip(found.models, found.incidence[:, :, h], strict=True):
        each = list(zip(found.fold, risks, strict=True))
        drawn["c_index"][name] = np.mean(
            [concordance(time, state, risk, months, fold, counts) for fold, risk in each], axis=0
        )
        drawn["auc"][name] = np.mean(
            [auc(known, risk, fold, counts) for fold, risk in each], axis=0
        )
        drawn["brier"][name] = np.mean([brier(known, risk, counts) for _, risk in each], axis=0)
    reason = aalen_johansen(time, state).by(months).reason
    if reason:
        nothing = np.full(len(counts), np.nan)
        drawn = {measure: dict.fromkeys(values, nothing) for measure, values in drawn.items()}
    reason = reason or f"by {months:g} months no event, or nobody without one"
    blank = replace(_blank(time, state), horizon_months=months, reason=reason)
    for measure, values in drawn.items():
        for name in found.models:
            yield _filled(replace(blank, model=name, measure=measure), values[name])
        gain = replace(blank, measure=f"{measure}_gain")
        sign = -1 if measure == "brier" else 1
        for name, other in pairs:
            difference = sign * (values[name] - values[other])
            yield _filled(replace(gain, model=name, against=other), difference)
    for name in found.models:
        skill = 1 - drawn["brier"][name] / drawn["brier"][NOTHING]
        yield _filled(replace(blank, model=name, measure="brier_skill", against=NOTHING), skill)


def _filled(blank: Estimate, drawn: Floats) -> Estimate:
    """Return an estimate with its percentile interval: of everybody first, then of resamples."""
    if np.isnan(drawn[0]):
        return blank
    lower, upper = np.nanpercentile(drawn[1:], [2.5, 97.5])
    return replace(
        blank, estimate=float(drawn[0]), lower=float(lower), upper=float(upper), reason=""
    )


def _calibrations(found: Predictions, time: Floats, state: Ints) -> Iterator[Estimate]:
    """Yield predicted against observed risk by every horizon, and the slope for the hazard."""
    event = of_cause(state, EVENT)
    for name, eta, risks in zip(found.models, found.predictor, found.incidence, strict=True):
        blank = replace(_blank(time, state), model=name)
        if name != NOTHING:
            slope = calibration_slope(eta, time, event, found.fold)
            yield replace(
                blank,
                measure="calibration_slope",
                estimate=slope.slope,
                lower=slope.lower,
                upper=slope.upper,
                reason=slope.reason,
            )
        for months, predicted in zip(found.horizons, risks.mean(axis=0), strict=True):

            def observe(here: Bools, months: float = months) -> ObservedRisk:
                return aalen_johansen(time[here], state[here]).by(months)

            of_horizon = replace(blank, horizon_months=months)
            yield from calibrated(of_horizon, predicted, event, observe)


def decision_curves(
    found: Predictions,
    time: Floats,
    state: Ints,
    thresholds: tuple[float, float],
    seed: int,
) -> pd.DataFrame:
    """Return the net benefit of treating by the risk that each model predicts, or all."""
    counts, at = _resamples(len(time), seed), np.linspace(*thresholds, THRESHOLDS)
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
            table = {
                "time_months": [0.0, *curve.time, curve.followed],
                "share": [0.0, *(one.share for one in points), points[-1].share if points else 0.0],
                "lower": [np.nan, *(one.lower for one in points), np.nan],
                "upper": [np.nan, *(one.upper for one in points), np.nan],
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
    has = np.array([", ".join(np.array(names)[row]) or "nothing" for row in known])
    risk, months = _last_risk(found, full), found.horizons[-1]
    rows = []
    for pattern in sorted(set(has), key=lambda one: (-int(np.sum(has == one)), one)):
        here = has == pattern
        once = np.ones((1, int(here.sum())))
        together = np.zeros(int(here.sum()), int)
        ranked = concordance(time[here], state[here], risk[here], months, together, once)
        rows.append(
            {
                "has": pattern,
                "n": int(here.sum()),
                "events": int(np.sum(state[here] == EVENT)),
                "competing": int(np.sum(state[here] == COMPETING)),
                "predicted_risk": float(risk[here].mean()),
                "c_index": float(ranked[0]),
            }
        )
    return pd.DataFrame(rows)


def _permuted(
    blocks: Blocks,
    names: Sequence[str],
    time: Floats,
    state: Ints,
    settings: FusionSettings,
    seed: int,
    centre: Centres | None,
) -> Iterator[Estimate]:
    """Yield the p-value of the whole procedure, by outcomes that are dealt to other patients.

    The statistic is the AUC by the last horizon of the model of all blocks in one repetition; the
    outcome's time and state stay together.
    """
    if not settings.permutations:
        return
    full, months = named(names), max(settings.horizons)
    once = np.ones((1, len(time)))

    def statistic(times: Floats, states: Ints) -> float:
        found = cross_validate(
            blocks,
            times,
            states,
            {full: Fusion(tuple(names))},
            folds=settings.folds,
            repeats=1,
            horizons=(months,),
            filters=filters_of(settings),
            seed=seed,
            centre=centre,
        )
        known = known_by(times, states, months)
        return float(auc(known, found.incidence[0, 0, 0], found.fold[0], once)[0])

    observed = statistic(time, state)
    rng = np.random.default_rng([seed, PERMUTATIONS_SEED])
    orders = (rng.permutation(len(time)) for _ in range(settings.permutations))
    drawn = np.array([statistic(time[order], state[order]) for order in orders])
    p = (1 + np.sum(drawn >= observed)) / (1 + settings.permutations)
    reason = "" if not np.isnan(observed) else "the AUC by the last horizon is not estimable"
    yield replace(
        _blank(time, state),
        model=full,
        measure="permutation_p",
        horizon_months=months,
        estimate=np.nan if reason else float(p),
        reason=reason,
    )


def _table(estimates: Sequence[Estimate]) -> pd.DataFrame:
    table = pd.DataFrame([estimate.row() for estimate in estimates])
    table.insert(0, "patients", "all")
    return table.astype({"horizon_months": float, "risk_group": "Int64"})


def _risks(found: Predictions, patients: pd.Index[str]) -> pd.DataFrame:
    tables = []
    for name, eta, risks in zip(found.models, found.predictor, found.incidence, strict=True):
        for r, fold in enumerate(found.fold):
            table = pd.DataFrame({"patient": patients, "model": name, "repeat": r + 1})
            table["fold"], table["predictor"] = fold + 1, eta[r]
            for months, risk in zip(found.horizons, risks[r], strict=True):
                table[f"risk_{months:g}"] = risk
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
