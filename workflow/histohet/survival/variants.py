"""What each variant of the method finds, and by how much that differs from the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from histohet.cohort.select import of_endpoint
from histohet.common.arrays import Bools, Floats, Ints
from histohet.survival.design import per_standard_deviation
from histohet.survival.partial_likelihood import NoMaximumError, RiskSets, maximise
from histohet.survival.ranking import bootstrapped_c, c_index

MODEL = "per SD"
"""The estimate by which variants are compared: it is made of all patients, and needs no groups."""

QUANTITIES = ("log hazard ratio per SD", "C", "score")

RESULT_COLUMNS = (
    "variant",
    "endpoint",
    "n",
    "events",
    "hazard_ratio",
    "lower",
    "upper",
    "p",
    "c_index",
    "c_lower",
    "c_upper",
    "mean_clusters",
    "status",
    "reason",
)

DIFFERENCE_COLUMNS = (
    "variant",
    "endpoint",
    "quantity",
    "n",
    "events",
    "value",
    "reference",
    "reference_value",
    "difference",
    "lower",
    "upper",
    "samples",
)


def variant_results(
    estimates: Mapping[str, pd.DataFrame], slides: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return the estimate of each variant and endpoint, columns `RESULT_COLUMNS`.

    Parameters
    ----------
    estimates
        `histohet.survival.estimates.estimate_table` of all endpoints of one analysis, by variant.
    slides
        Table of slides, by variant.
    """
    tables = []
    for variant, table in estimates.items():
        first_rows = table[table["model"] == MODEL].drop_duplicates("endpoint")
        measured = slides[variant][slides[variant]["status"] == "ok"]
        clusters = measured["n_clusters"].mean() if len(measured) else np.nan
        tables.append(first_rows.assign(variant=variant, mean_clusters=clusters))
    return pd.concat(tables, ignore_index=True)[list(RESULT_COLUMNS)]


def variant_differences(
    patients: Mapping[str, pd.DataFrame], endpoints: Sequence[str], *, replicates: int, seed: int
) -> pd.DataFrame:
    """Compare every variant with the first one (`paired_differences`).

    Parameters
    ----------
    patients
        Table of patients of one analysis, by variant.
    endpoints
        Those of the analysis.
    replicates, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        `DIFFERENCE_COLUMNS` (see `Difference`), one row for each variant, endpoint and quantity.
    """
    (reference, base), *others = patients.items()
    of_base = {endpoint: of_endpoint(base, endpoint) for endpoint in endpoints}
    rows = [
        {"variant": variant, "reference": reference, "endpoint": endpoint, **asdict(found)}
        for variant, table in others
        for endpoint in endpoints
        for found in paired_differences(
            of_endpoint(table, endpoint),
            of_base[endpoint],
            replicates=replicates,
            seed=seed,
        )
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


@dataclass(frozen=True)
class Difference:
    """One quantity under a variant and under the reference, over the patients both have.

    Attributes
    ----------
    quantity
        One of `QUANTITIES`; ``score`` is its mean.
    n, events
        Patients with both scores and a known endpoint, and events among them.
    value, reference_value
        Under the variant and under the reference; None where it cannot be estimated.
    difference, lower, upper
        Value less reference, and its 95 % interval: percentiles of a bootstrap of patients in which
        both are estimated on the same samples.
    samples
        Of the bootstrap, those in which both could be estimated.
    """

    quantity: str
    n: int
    events: int
    value: float | None
    reference_value: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    samples: int


def paired_differences(
    variant: pd.DataFrame, reference: pd.DataFrame, *, replicates: int, seed: int
) -> list[Difference]:
    """Compare the scores of two variants as predictors of one endpoint.

    Parameters
    ----------
    variant, reference
        From `cohort.select.of_endpoint`: ``patient``, ``score``, ``time_months``, ``event``.
        Patients that only one has, or that have no score in one, are left out.
    replicates, seed
        Of the bootstrap.
    """
    columns = ["patient", "score", "time_months", "event"]
    both = variant[columns].merge(reference[["patient", "score"]], on="patient")
    both = both.dropna(subset=["score_x", "score_y"])
    n, events = len(both), int(both["event"].sum())
    if not n:
        return [Difference(name, 0, 0, *(None,) * 5, 0) for name in QUANTITIES]
    time = both["time_months"].to_numpy(dtype=float)
    event = both["event"].to_numpy(dtype=bool)
    scores = both[["score_x", "score_y"]].to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, n, (replicates, n))
    whole = np.arange(n)[None]
    found = {
        "log hazard ratio per SD": (
            _log_hazard_ratios(time, event, scores, whole),
            _log_hazard_ratios(time, event, scores, drawn),
        ),
        "C": (
            np.stack([c_index(time, event, score) for score in scores.T], axis=1),
            np.stack(
                [
                    bootstrapped_c(time, event, score, replicates=replicates, seed=seed)
                    for score in scores.T
                ],
                axis=1,
            ),
        ),
        "score": (scores.mean(axis=0)[None], scores[drawn].mean(axis=1)),
    }
    return [
        _difference(name, n, events, point[0], samples) for name, (point, samples) in found.items()
    ]


def _difference(name: str, n: int, events: int, point: Floats, samples: Floats) -> Difference:
    value, reference = (None if np.isnan(one) else float(one) for one in point)
    differences = samples[:, 0] - samples[:, 1]
    known = differences[~np.isnan(differences)]
    if value is None or reference is None:
        return Difference(name, n, events, value, reference, None, None, None, len(known))
    lower, upper = np.percentile(known, [2.5, 97.5]) if len(known) else (None, None)
    return Difference(
        name,
        n,
        events,
        value,
        reference,
        value - reference,
        None if lower is None else float(lower),
        None if upper is None else float(upper),
        len(known),
    )


def _log_hazard_ratios(time: Floats, event: Bools, scores: Floats, samples: Ints) -> Floats:
    """Return the coefficient of each score, in units of its SD over all patients, (R, 2).

    NaN in samples where a score is constant or separates the patients.
    """
    found = np.full((len(samples), 2), np.nan)
    scaled = np.column_stack([per_standard_deviation(score)[0] for score in scores.T])
    for row, sample in enumerate(samples):
        if not event[sample].any():
            continue
        risk = RiskSets(time[sample], event[sample])
        for column, values in enumerate(scaled[sample].T):
            if np.ptp(values) == 0:
                continue
            try:
                found[row, column] = maximise(values[:, None], risk).coefficients[0]
            except NoMaximumError:
                continue
    return found
