"""Heterogeneity within a core, and between the cores of a patient and those of different ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from histohet.common.arrays import Floats, Ints
from histohet.common.outcome import Status

CONFIDENCE = 0.95

ONE_PATIENT = "fewer than two patients with a score"
ONE_CORE_EACH = "no patient has two cores with a score"
ALL_ALIKE = "all cores have the same score"

PATIENT_COLUMNS = (
    *("patient", "score", "n_cores", "n_measured"),
    *("mean", "max", "min", "sd_within", "pooled"),
)


@dataclass(frozen=True)
class Icc:
    """How alike the cores of a patient are: intraclass correlation, one-way random effects.

    Attributes
    ----------
    n_patients, n_cores
        With a score.
    cores_per_patient
        Their number as it counts in the variance between patients: n₀ of Lessells and Boag (Auk
        1987, 104:116), the mean where all have as many.
    variance_between, variance_within
        Components of variance: of patients, which is negative if cores of one patient differ more
        than those of different ones do, and of the cores of a patient. NaN where not defined.
    icc
        Share of the variance that is between patients, ICC(1) of Shrout and Fleiss (1979).
    low, high
        Its 95 % interval: exact by F for as many cores each, else Thomas and Hultquist's (1978).
    f, p
        Of the analysis of variance: whether patients differ at all.
    reason
        Why there is no ICC, "" if there is one.
    """

    n_patients: int
    n_cores: int
    cores_per_patient: float = np.nan
    variance_between: float = np.nan
    variance_within: float = np.nan
    icc: float = np.nan
    low: float = np.nan
    high: float = np.nan
    f: float = np.nan
    p: float = np.nan
    reason: str = ""


def intraclass_correlation(values: Floats, patients: Ints) -> Icc:
    """Compute the ICC(1) of the cores of patients by analysis of variance.

    Parameters
    ----------
    values
        (n,), a score of each core.
    patients
        (n,), whose it is: 0, 1, … without gaps.
    """
    sizes = np.bincount(patients).astype(float)
    n_patients, n_cores = len(sizes), len(values)
    if reason := _why_undefined(values, sizes):
        return Icc(n_patients, n_cores, reason=reason)
    means = np.bincount(patients, values) / sizes
    between = float(sizes @ (means - values.mean()) ** 2) / (n_patients - 1)
    freedom = (n_patients - 1, n_cores - n_patients)
    within = float(((values - means[patients]) ** 2).sum()) / freedom[1]
    each = float(n_cores - (sizes**2).sum() / n_cores) / (n_patients - 1)
    variance = (between - within) / each
    low, high = 1.0, 1.0
    ratio, p = np.inf, 0.0
    if within > 0:
        ratio = between / within
        p = float(f_distribution.sf(ratio, *freedom))
        low, high = _interval(means, sizes, within)
    icc = variance / (variance + within)
    return Icc(n_patients, n_cores, each, variance, within, icc, low, high, ratio, p)


def _why_undefined(values: Floats, sizes: Floats) -> str:
    if len(sizes) < 2:
        return ONE_PATIENT
    if sizes.max() < 2:
        return ONE_CORE_EACH
    return ALL_ALIKE if np.ptp(values) == 0 else ""


def _interval(means: Floats, sizes: Floats, within: float) -> tuple[float, float]:
    """Return the interval of the ICC by means that count alike, and the harmonic mean of sizes.

    Source: Thomas and Hultquist, Annals of Statistics 1978, 6:582; with as many cores each it is
    Shrout and Fleiss's.
    """
    harmonic = len(sizes) / float((1 / sizes).sum())
    ratio = harmonic * float(means.var(ddof=1)) / within
    freedom = (len(sizes) - 1, float(sizes.sum()) - len(sizes))
    tail = (1 - CONFIDENCE) / 2
    low, high = (ratio / f_distribution.ppf(at, *freedom) - 1 for at in (1 - tail, tail))
    return low / (low + harmonic), high / (high + harmonic)


def icc_table(cores: pd.DataFrame, scores: Sequence[str]) -> pd.DataFrame:
    """Return the intraclass correlation of every score, one row each.

    Parameters
    ----------
    cores
        One row per core: ``patient``, ``status`` and the scores.
    scores
        Columns of `cores`.
    """
    rows = []
    for score in scores:
        known = _measured(cores)[["patient", score]].dropna()
        patients = pd.factorize(known["patient"])[0].astype(np.int64)
        found = intraclass_correlation(known[score].to_numpy(float), patients)
        rows.append({"score": score, **asdict(found)})
    return pd.DataFrame(rows)


def patient_table(
    cores: pd.DataFrame, scores: Sequence[str], pooled: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return every score of every patient, over the cores and of their tiles taken together.

    Parameters
    ----------
    cores, scores
        See `icc_table`.
    pooled
        One row per patient: the same of patients whose cores were clustered together.

    Returns
    -------
    DataFrame
        `PATIENT_COLUMNS`: how many cores the patient has, and how many have the score; mean,
        extremes and standard deviation over these; the score of the pool, if there is one.
    """
    measured, tables = _measured(cores), []
    counts = cores.groupby("patient", sort=False).size()
    for score in scores:
        groups = measured[score].astype(float).groupby(measured["patient"], sort=False)
        table = pd.DataFrame({"score": score, "n_cores": counts})
        table["n_measured"] = groups.count().reindex(table.index, fill_value=0)
        for name, value in (("mean", "mean"), ("max", "max"), ("min", "min"), ("sd_within", "std")):
            table[name] = groups.agg(value)
        table["pooled"] = np.nan
        if pooled is not None and score in pooled:
            table["pooled"] = _measured(pooled).set_index("patient")[score].astype(float)
        tables.append(table.reset_index(names="patient"))
    return pd.concat(tables, ignore_index=True)[list(PATIENT_COLUMNS)]


def _measured(slides: pd.DataFrame) -> pd.DataFrame:
    return slides[slides["status"] == Status.OK]
