"""Who is low and who is high in a trait: thresholds learned on some patients, labels of all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Bools, Floats
from histohet.traits.expression import TraitError
from histohet.traits.settings import LabelSettings

LOW, HIGH, NEAR, MIDDLE, NONE = "low", "high", "near", "middle", "none"
"""Labels; `NEAR` is just beyond low or high, `MIDDLE` the rest between, `NONE` without a value."""

LEAST_OF_A_LABEL = 10
"""Patients: with fewer low or high ones neither a model nor its AUC says anything."""

Texts = npt.NDArray[np.str_]


class Thresholds(NamedTuple):
    """Values at the percentiles of the patients that they were learned on."""

    low: float
    near_low: float
    median: float
    near_high: float
    high: float


def thresholds_of(values: Floats, settings: LabelSettings, trait: str) -> Thresholds:
    """Return the thresholds of a trait, by NumPy's ``linear`` percentiles (R's type 7).

    Parameters
    ----------
    values
        (N,) values of the patients that thresholds are learned on; NaN is left out.

    Raises
    ------
    TraitError
        If there are no values, or so many equal ones that low and high are the same.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        raise TraitError(f"trait '{trait}': no patient with a slide has a value")
    low, high = settings.low, settings.high
    near_low, near_high = min(low + settings.near, 50), max(high - settings.near, 50)
    percentiles = np.clip([low, near_low, 50, near_high, high], 0, 100)
    found = Thresholds(*map(float, np.percentile(known, percentiles)))
    if found.low == found.high and (low < high or known.min() == known.max()):
        tied = np.mean(known == found.low)
        raise TraitError(
            f"trait '{trait}': percentiles {low:g} and {high:g} are the same value, {found.low:g}, "
            f"which {tied:.0%} of the patients have: it cannot be divided into low and high"
        )
    return found


def labels_of(values: Floats, thresholds: Thresholds) -> Texts:
    """Return the label of every value, (N,).

    Low is at most the lower threshold and high at least the upper one, as PathoMCH has it; where
    both are one value, such as the median, high is above it.
    """
    at = thresholds
    high = values > at.high if at.low == at.high else values >= at.high
    return np.select(
        [
            ~np.isfinite(values),
            values <= at.low,
            high,
            (values <= at.near_low) | (values > at.near_high),
        ],
        [NONE, LOW, HIGH, NEAR],
        MIDDLE,
    )


def is_high(values: Floats, labels: Texts, thresholds: Thresholds) -> Bools:
    """Return who counts as high, (N,): by label, of others by the median (PathoMCH's OOD)."""
    beyond: Bools = (labels != LOW) & (values > thresholds.median)
    high: Bools = beyond | (labels == HIGH)
    return high


def percentiles_of(values: Floats) -> Floats:
    """Return the percentile rank of every value, (N,) from 0 to 100; equal ones share theirs."""
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    ranks: Floats = np.where(known, 50 * (below + up_to) / max(len(ordered), 1), np.nan)
    return ranks


def check_numbers(labels: Texts, trait: str, settings: LabelSettings) -> None:
    """Refuse labels of which there are too few.

    Raises
    ------
    TraitError
        With the numbers.
    """
    low, high = int((labels == LOW).sum()), int((labels == HIGH).sum())
    if min(low, high) < LEAST_OF_A_LABEL:
        raise TraitError(
            f"trait '{trait}': {low} low and {high} high patients in all, at least "
            f"{LEAST_OF_A_LABEL} of each are needed: bring `labels` nearer to the median (they are "
            f"low: {settings.low:g}, high: {settings.high:g}), or add patients"
        )
