"""What will be planted in scans: tumours, who lacks what, and when metastases appear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histohet.common.arrays import Bools, Floats
from histohet.phantoms.plan import PhantomPlan, spread, spread_normally
from histohet.phantoms.settings import PhantomScanSettings, PhantomSettings

# Share of the variance of shape and of texture that the factor explains; the rest is chance.
OF_FACTOR = 0.9
# Median volume of the tumours, ml, and the standard deviation of its logarithm.
VOLUME_ML, VOLUME_SPREAD = 24.0, 0.25
SCANNERS = ("A", "B")
NOISE_HU = (8.0, 13.0)
"""Standard deviation of the noise of each scanner."""

# Months to the metastasis of a patient aged 65 with factors of 0 (median), and to a death without.
MEDIAN_MONTHS, MEDIAN_TO_DEATH_MONTHS = 40.0, 150.0
DEATH_HAZARD_RATIO_PER_DECADE = 1.4
FOLLOWED_MONTHS = (24.0, 84.0)
DAYS_PER_MONTH = 365.25 / 12

METASTASIS, DEATH, FREE = "metastasis", "dead", "alive"


@dataclass(frozen=True)
class ScanPlan:
    """One CT to be generated.

    Attributes
    ----------
    factor
        What shape and texture carry, in standard deviations of the cohort.
    irregularity, heterogeneity
        Scores of the outline and of the HU within, of unit variance.
    volume_ml
        Of the tumour; it depends on neither.
    noise_hu
        Standard deviation of the noise.
    day
        Of the scan, from time zero of the endpoint.
    read
        Whether a reader has drawn the mask.
    read_twice
        Whether another has as well.
    """

    scan: str
    patient: str
    seed: int
    factor: float
    irregularity: float
    heterogeneity: float
    volume_ml: float
    scanner: str
    noise_hu: float
    day: int
    read: bool
    read_twice: bool


@dataclass(frozen=True)
class ScanCohort:
    """Everybody of a cohort with scans.

    Attributes
    ----------
    slides
        Plans of the slides, of those who have one.
    scans
        Of those who have one.
    training
        Scans of other patients.
    planted
        A row per patient: ``patient``, ``ct_factor``, ``grade``, ``age``, ``log_hazard`` (of the
        metastasis, up to a constant), ``has_ct``, ``has_slide``.
    clinical
        A row per patient: ``patient``, ``days``, ``status``, ``age``, ``sex``.
    """

    slides: tuple[PhantomPlan, ...]
    scans: tuple[ScanPlan, ...]
    training: tuple[ScanPlan, ...]
    planted: pd.DataFrame
    clinical: pd.DataFrame


def plan_scans(settings: PhantomSettings, patients: Sequence[PhantomPlan]) -> ScanCohort:
    """Plan the scans of a cohort's patients, and what happens to them.

    Who lacks a CT or a slide is drawn without regard to anything else, but nobody lacks both.

    Parameters
    ----------
    settings
        With the section `scans`.
    patients
        See `plan_cohort`.

    Raises
    ------
    ValueError
        If the section is not there, or more patients lack something than there are.
    """
    scans = settings.scans
    if scans is None:
        raise ValueError("phantoms.scans: is missing")
    if scans.missing_ct + scans.missing_slide > 1:
        raise ValueError("phantoms.scans: missing_ct and missing_slide are more than 1 together")
    n = len(patients)
    streams = np.random.SeedSequence([settings.seed, 5]).spawn(4)
    of_factors, of_gaps, of_outcome, of_training = map(np.random.default_rng, streams)
    factors = spread_normally(n, of_factors)
    made = _draw_scans([plan.patient for plan in patients], factors, of_factors, scans)
    has_ct, has_slide = _gaps(n, scans, of_gaps)
    grades = np.array([plan.grade for plan in patients])
    age = np.clip(np.round(of_outcome.normal(65, 10, n)), 35, 90)
    log_hazard = (
        np.log(scans.ct_hazard_ratio) * factors
        + np.log(scans.grade_hazard_ratio) * grades
        + np.log(scans.age_hazard_ratio) * (age - 65) / 10
    )
    planted = pd.DataFrame(
        {
            "patient": [plan.patient for plan in patients],
            "ct_factor": factors.round(4),
            "grade": grades.round(4),
            "age": age.astype(int),
            "log_hazard": log_hazard.round(4),
            "has_ct": has_ct.astype(int),
            "has_slide": has_slide.astype(int),
        }
    )
    others = [f"training_{number + 1:02d}" for number in range(scans.training)]
    of_others = spread_normally(scans.training, of_training)
    return ScanCohort(
        slides=tuple(plan for plan, has in zip(patients, has_slide, strict=True) if has),
        scans=tuple(plan for plan, has in zip(made, has_ct, strict=True) if has),
        training=tuple(_draw_scans(others, of_others, of_training, scans)),
        planted=planted,
        clinical=_clinical(planted, of_outcome),
    )


def _draw_scans(
    patients: Sequence[str], factors: Floats, rng: np.random.Generator, scans: PhantomScanSettings
) -> list[ScanPlan]:
    n = len(patients)
    carried, chance = np.sqrt(OF_FACTOR), np.sqrt(1 - OF_FACTOR)
    outline, within = (carried * factors + chance * rng.standard_normal((2, n))).tolist()
    volumes = VOLUME_ML * np.exp(VOLUME_SPREAD * rng.standard_normal(n))
    at_second = spread(n, 0.5, rng)
    read = ~spread(n, scans.unread, rng)
    twice = np.zeros(n, bool)
    twice[read] = spread(int(read.sum()), scans.second_reader, rng)
    return [
        ScanPlan(
            scan=f"{patient.replace('patient', 'ct')}",
            patient=patient,
            seed=int(rng.integers(2**31)),
            factor=float(factors[i]),
            irregularity=outline[i],
            heterogeneity=within[i],
            volume_ml=float(volumes[i]),
            scanner=SCANNERS[int(at_second[i])],
            noise_hu=NOISE_HU[int(at_second[i])],
            day=-int(rng.integers(1, 31)),
            read=bool(read[i]),
            read_twice=bool(twice[i]),
        )
        for i, patient in enumerate(patients)
    ]


def _gaps(n: int, scans: PhantomScanSettings, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Draw who has a CT and who has a slide; (n,) each."""
    order = rng.permutation(n)
    no_ct, no_slide = round(scans.missing_ct * n), round(scans.missing_slide * n)
    has_ct, has_slide = np.ones(n, bool), np.ones(n, bool)
    has_ct[order[:no_ct]] = False
    has_slide[order[n - no_slide :]] = False
    return has_ct, has_slide


def _clinical(planted: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Simulate metastases and deaths without, at constant hazards; end of follow-up at random."""
    n = len(planted)
    older = (planted["age"].to_numpy() - 65) / 10
    hazard = np.log(2) / MEDIAN_MONTHS * np.exp(planted["log_hazard"].to_numpy())
    of_death = np.log(2) / MEDIAN_TO_DEATH_MONTHS * DEATH_HAZARD_RATIO_PER_DECADE**older
    first, death = rng.exponential(1 / hazard), rng.exponential(1 / of_death)
    months = np.column_stack([first, death, rng.uniform(*FOLLOWED_MONTHS, n)])
    ends = np.array([METASTASIS, DEATH, FREE])
    days = np.maximum(np.round(months.min(axis=1) * DAYS_PER_MONTH), 1).astype(int)
    return pd.DataFrame(
        {
            "patient": planted["patient"],
            "days": days,
            "status": ends[months.argmin(axis=1)],
            "age": planted["age"],
            "sex": rng.choice(["female", "male"], n),
        }
    )
