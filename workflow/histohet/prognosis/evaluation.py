"""How good risks foretold by several models are, with paired intervals.

The C-index and the AUC compare patients of the same test fold only, and repetitions are averaged.
Pooling over folds would compare log hazards of different models, each with its own zero and scale.
Calibration looks at probabilities, which have the same meaning in all folds.

Intervals come from 1,000 bootstrap resamples of the patients, the same for all models, with the
models and folds as they are: they say how sure a comparison of these models is, not how the models
would differ had they been trained on other patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from histohet.prognosis.models import OutOfFold
from histohet.prognosis.risk_calibration import calibration_slope, observed_risk, risk_groups
from histohet.prognosis.risk_predictors import Block
from histohet.survival.ranking_ import (
    auc_comparisons,
    bootstrap_counts,
    concordance_comparisons,
    share_ranked_right,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RESAMPLES = 1000
RISK_GROUPS = 4


@dataclass(frozen=True)
class Estimate:
    """One number about a model, NaN with a reason where it cannot be estimated.

    Attributes
    ----------
    model
        Its name; "" for what concerns all of them.
    against
        The model without heterogeneity that a gain is measured from.
    measure
        ``c_index`` and ``auc``, with ``c_index_gain`` and ``auc_gain``; ``predicted_risk`` and
        ``observed_risk`` of a risk group; ``observed_over_predicted`` of everybody;
        ``calibration_slope``; ``penalty`` (median, and the lowest and highest, over folds);
        ``left_out`` (patients without embedding, whom the reason names).
    horizon_months
        Of AUC and risks.
    risk_group
        From 1, the lowest foretold risk.
    estimate, lower, upper
        With its 95 % interval.
    n, events
        Patients it comes from and events among them.
    reason
        Why there is no estimate.
    """

    model: str
    measure: str
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    against: str = ""
    horizon_months: float | None = None
    risk_group: int | None = None
    n: int = 0
    events: int = 0
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """Return the estimate as a row of a table, with its status."""
        status = "not_estimable" if np.isnan(self.estimate) else "ok"
        return asdict(self) | {"status": status}


def estimate_all(found: OutOfFold, time: Floats, event: Bools, seed: int) -> list[Estimate]:
    """Return every estimate of every model.

    Parameters
    ----------
    found
        From `histohet.prognosis.models.foretell`, with horizons in months.
    time, event
        (n,) months of follow-up, and whether the event was observed.
    seed
        Of the bootstrap.
    """
    drawn = bootstrap_counts(len(time), RESAMPLES, np.random.default_rng(seed))
    rankings = [
        estimate
        for months in (None, *found.horizons)
        for estimate in _rankings(found, time, event, months, drawn)
    ]
    return [*rankings, *_calibrations(found, time, event), *_penalties(found, event)]


def _rankings(
    found: OutOfFold, time: Floats, event: Bools, months: float | None, drawn: Floats
) -> Iterator[Estimate]:
    """Return AUC at a horizon, or C-index without one, and what heterogeneity adds to it."""
    measure, reason = "c_index", "no patient has the event while another of the fold is followed"
    compared = [concordance_comparisons(time, event, fold) for fold in found.fold]
    if months is not None:
        measure = "auc"
        reason = f"in no fold is there an event by {months:g} months and somebody followed beyond"
        compared = [auc_comparisons(time, event, fold, months) for fold in found.fold]
    blank = Estimate(
        "", measure, horizon_months=months, n=len(event), events=int(event.sum()), reason=reason
    )
    shares, resampled = {}, {}
    for name, risks in zip(found.models, found.linear_predictor, strict=True):
        pairs = list(zip(compared, risks, strict=True))
        shares[name] = float(np.mean([share_ranked_right(*pair)[0] for pair in pairs]))
        resampled[name] = np.mean([share_ranked_right(*pair, drawn) for pair in pairs], axis=0)
        yield _filled(replace(blank, model=name), shares[name], resampled[name])
    gain = replace(blank, measure=f"{measure}_gain")
    for name, simpler in _pairs(found.models):
        yield _filled(
            replace(gain, model=name, against=simpler),
            shares[name] - shares[simpler],
            resampled[name] - resampled[simpler],
        )


def _pairs(models: Mapping[str, Sequence[Block]]) -> Iterator[tuple[str, str]]:
    """Return models with heterogeneity and the same without, where there is one."""
    names = {tuple(parts): name for name, parts in models.items()}
    for parts, name in names.items():
        simpler = tuple(part for part in parts if part != "heterogeneity")
        if simpler != parts and simpler in names:
            yield name, names[simpler]


def _filled(blank: Estimate, share: float, resampled: Floats) -> Estimate:
    """Return the estimate with its percentile interval over resamples that compare anything."""
    if np.isnan(share):
        return blank
    lower, upper = np.nanpercentile(resampled, [2.5, 97.5])
    return replace(blank, estimate=share, lower=float(lower), upper=float(upper), reason="")


def _calibrations(found: OutOfFold, time: Floats, event: Bools) -> Iterator[Estimate]:
    """Return foretold against observed risk at every horizon, and the calibration slope."""
    for name, eta, probabilities in zip(
        found.models, found.linear_predictor, found.event_probability, strict=True
    ):
        slope = calibration_slope(eta, time, event, found.fold)
        yield Estimate(
            name,
            "calibration_slope",
            slope.slope,
            slope.lower,
            slope.upper,
            n=len(event),
            events=int(event.sum()),
            reason=slope.reason,
        )
        for months, foretold in zip(found.horizons, probabilities.mean(axis=0), strict=True):
            yield from _calibration_at(months, foretold, time, event, name)


def _calibration_at(
    months: float, foretold: Floats, time: Floats, event: Bools, name: str
) -> Iterator[Estimate]:
    """Return foretold against observed risk, of everybody and by group of foretold risk."""
    overall = observed_risk(time, event, months)
    yield Estimate(
        name,
        "observed_over_predicted",
        overall.share / foretold.mean(),
        overall.lower / foretold.mean(),
        overall.upper / foretold.mean(),
        horizon_months=months,
        n=len(event),
        events=int(event.sum()),
        reason=overall.reason,
    )
    group = risk_groups(foretold, RISK_GROUPS)
    for number in range(group.max() + 1):
        here = group == number
        of_group = Estimate(
            name,
            "predicted_risk",
            float(foretold[here].mean()),
            horizon_months=months,
            risk_group=number + 1,
            n=int(here.sum()),
            events=int(event[here].sum()),
        )
        yield of_group
        seen = observed_risk(time[here], event[here], months)
        yield replace(
            of_group,
            measure="observed_risk",
            estimate=seen.share,
            lower=seen.lower,
            upper=seen.upper,
            reason=seen.reason,
        )


def _penalties(found: OutOfFold, event: Bools) -> Iterator[Estimate]:
    for name, chosen in zip(found.models, found.penalty, strict=True):
        if not np.isnan(chosen).any():
            numbers = float(np.median(chosen)), float(chosen.min()), float(chosen.max())
            yield Estimate(name, "penalty", *numbers, n=len(event), events=int(event.sum()))
