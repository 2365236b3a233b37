"""What heterogeneity adds to a slide embedding and to clinical data, for patients not seen.

Models of the same patients, from the same folds, are compared by how they rank patients (C-index,
time-dependent AUC) and by whether the risks they predict come true (calibration).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histohet.clinical.endpoints import endpoints_of
from histohet.cohort.select import of_endpoint
from histohet.prognosis.evaluation import Estimate, estimate_all, risk_table
from histohet.prognosis.models import Models, Predictors, cross_validate, why_not
from histohet.prognosis.settings import AddedValueSettings

MODELS: Models = {
    "clinical": ("clinical",),
    "embedding": ("embedding",),
    "heterogeneity": ("heterogeneity",),
    "clinical + heterogeneity": ("clinical", "heterogeneity"),
    "embedding + heterogeneity": ("embedding", "heterogeneity"),
    "clinical + embedding": ("clinical", "embedding"),
    "clinical + embedding + heterogeneity": ("clinical", "embedding", "heterogeneity"),
}


@dataclass(frozen=True, eq=False)
class AddedValue:
    """A comparison of models.

    Attributes
    ----------
    estimates
        One row per `Estimate`, with its ``status``: ``ok`` or ``not_estimable``.
    risks
        One row per model, repetition and patient: ``patient``, ``model``, ``repeat``, ``fold``,
        ``linear_predictor`` and ``risk_<months>``, all from models that had not seen the patient.
        Empty where nothing can be estimated.
    """

    estimates: pd.DataFrame
    risks: pd.DataFrame


def patient_embeddings(patients: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the slide embedding of every patient that has one.

    Parameters
    ----------
    patients
        ``patient`` and ``slide``, which may name several slides as "A, B": then the mean of those
        that have an embedding.
    table
        ``wsi`` and one column per number (`features.slide_vectors.write_embedding_tables`).

    Returns
    -------
    DataFrame
        float64, indexed by patient, in their order.

    Raises
    ------
    ValueError
        If a slide or patient is there twice, or a number is missing or not finite.
    """
    for name, ids in (("slide", table["wsi"]), ("patient", patients["patient"])):
        twice = ids[ids.duplicated()]
        if len(twice):
            raise ValueError(f"{name} '{twice.iloc[0]}' has two rows")
    vectors = table.set_index("wsi").astype(np.float64)
    broken = vectors.index[~np.isfinite(vectors.to_numpy()).all(axis=1)]
    if len(broken):
        raise ValueError(f"the embedding of slide '{broken[0]}' is not finite; pool it again")
    slides = patients.set_index("patient")["slide"].fillna("").str.split(", ").explode()
    slides = slides[slides.isin(vectors.index)]
    found = vectors.reindex(slides).set_axis(slides.index)
    return found.groupby(level=0, sort=False).mean()


def compare_for_endpoints(
    patients: pd.DataFrame,
    embeddings: pd.DataFrame,
    covariates: Sequence[str],
    settings: AddedValueSettings,
    seed: int,
) -> AddedValue:
    """Compare models (`compare_models`) for every endpoint, whose name is in a column ``endpoint``.

    Parameters
    ----------
    patients
        From `histohet.cohort.select.build_cohort`.
    embeddings, covariates, settings, seed
        See `compare_models`.
    """
    found = {
        endpoint: compare_models(
            of_endpoint(patients, endpoint), embeddings, covariates, settings, seed
        )
        for endpoint in endpoints_of(patients)
    }
    estimates = [one.estimates.assign(endpoint=endpoint) for endpoint, one in found.items()]
    risks = [one.risks.assign(endpoint=endpoint) for endpoint, one in found.items()]
    return AddedValue(pd.concat(estimates, ignore_index=True), pd.concat(risks, ignore_index=True))


def compare_models(
    patients: pd.DataFrame,
    embeddings: pd.DataFrame,
    covariates: Sequence[str],
    settings: AddedValueSettings,
    seed: int,
) -> AddedValue:
    """Compare `MODELS` for one endpoint; those with clinical data only if there is any.

    The order of rows does not matter.

    Parameters
    ----------
    patients
        ``patient``, ``score``, ``time_months``, ``event`` and the covariates, which are numbers or
        text; missing values are filled in (`models.prepare_columns`). All of them
        have a score, time and event.
    embeddings
        From `patient_embeddings`. Patients without one are left out of all models.
    covariates
        Clinical columns.
    settings
        Folds, repetitions, horizons.
    seed
        Of folds and bootstrap.

    Raises
    ------
    ValueError
        If a column is missing, or a patient is there twice or has no score, time or event.
    """
    _check(patients, covariates)
    ordered = patients.sort_values("patient", kind="stable", ignore_index=True)
    has_embedding = ordered["patient"].isin(embeddings.index)
    used = ordered[has_embedding].reset_index(drop=True)
    models = {
        name: parts for name, parts in MODELS.items() if covariates or "clinical" not in parts
    }
    time = used["time_months"].to_numpy(np.float64)
    event = used["event"].to_numpy(np.float64) == 1
    estimates = list(_left_out(ordered[~has_embedding]))
    reason = why_not(event, settings.folds)
    if reason:
        n, events = len(event), int(event.sum())
        estimates += [
            Estimate(name, "c_index", n=n, events=events, reason=reason) for name in models
        ]
        return AddedValue(_table(estimates), pd.DataFrame())
    predictors: Predictors = {
        "clinical": used[list(covariates)],
        "heterogeneity": used[["score"]],
        "embedding": embeddings.loc[used["patient"]].to_numpy(np.float64),
    }
    found = cross_validate(
        predictors,
        time,
        event,
        models,
        folds=settings.folds,
        repeats=settings.repeats,
        horizons=sorted(settings.horizons),
        seed=seed,
    )
    estimates += estimate_all(found, time, event, added="heterogeneity", seed=seed)
    risks = risk_table(
        used["patient"],
        found.models,
        found.horizons,
        found.fold,
        found.linear_predictor,
        found.event_probability,
    )
    return AddedValue(_table(estimates), risks.rename(columns={"predictor": "linear_predictor"}))


def _check(patients: pd.DataFrame, covariates: Sequence[str]) -> None:
    needed = ["patient", "score", "time_months", "event", *covariates]
    absent = [column for column in needed if column not in patients.columns]
    if absent:
        raise ValueError(f"the patients have no column {', '.join(map(repr, absent))}")
    twice = patients["patient"][patients["patient"].duplicated()]
    if len(twice):
        raise ValueError(f"patient '{twice.iloc[0]}' has two rows")
    for column in ("score", "time_months", "event"):
        lacking = patients.loc[patients[column].isna(), "patient"]
        if len(lacking):
            raise ValueError(f"patient '{lacking.iloc[0]}' has no {column}")


def _left_out(patients: pd.DataFrame) -> Iterator[Estimate]:
    n, events = len(patients), int(patients["event"].sum())
    if n:
        reason = f"no slide embedding: {', '.join(patients['patient'])}"
        yield Estimate("", "left_out", float(n), n=n, events=events, reason=reason)


def _table(estimates: Sequence[Estimate]) -> pd.DataFrame:
    table = pd.DataFrame([estimate.row() for estimate in estimates])
    return table.astype({"horizon_months": float, "risk_group": "Int64"})
