"""Cohorts of the published size, from slides to survival, with an effect that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from histohet.cohort.select import assign_groups
from histohet.common.arrays import Bools, Floats
from histohet.tumour.threshold import otsu_threshold

PATIENTS = 196
ENDPOINTS = ("OS", "DSS", "PFS")
SCORES = ("n_clusters", "scaled_count", "n_all_clusters", "evenness")

_TUMOUR, _OTHER, _SPREAD = 4.6, 2.8, 0.6
_MEDIAN_DEATH, _LONGEST = 75.0, 100.0
"""Months; with them about 35 % of the patients have an event."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """The patients who are left after trimming.

    Attributes
    ----------
    frame
        As of `histohet.cohort.select.of_endpoint`, with one prognostic covariate ``stage``.
    scores
        Four scores of each, (n, 4).
    times, events
        Of three endpoints that go with each other, (n, 3).
    """

    frame: pd.DataFrame
    scores: Floats
    times: Floats
    events: Bools


def simulate(seed: Any, log_hazard_ratio: float = 0.0, patients: int = PATIENTS) -> Simulated:
    """Simulate slides, measure them as the published procedure does, and let the patients live.

    Every slide has a number of tiles and of clusters, which grows with the logarithm of the tiles;
    clusters have attention; Otsu's threshold over all clusters of the cohort says which are tumour,
    and their number is the score, an integer with many ties. Patients with a tile count outside the
    5th to 95th percentile are left out, quartiles of the score make the groups.

    Parameters
    ----------
    seed
        Of the random generator.
    log_hazard_ratio
        Planted, per standard deviation of the score among the patients who are analysed.
    patients
        Before trimming.
    """
    rng = np.random.default_rng(seed)
    tiles = np.exp(rng.normal(7.5, 0.9, patients)).round() + 20
    clusters = 2 + rng.poisson(np.maximum(0.3, 1.2 * (np.log(tiles) - 4.5)))
    owner = np.repeat(np.arange(patients), clusters)
    share = rng.beta(4, 2.5, patients)
    is_tumour = rng.random(len(owner)) < share[owner]
    attention = rng.normal(np.where(is_tumour, _TUMOUR, _OTHER), _SPREAD)
    above = attention > otsu_threshold(attention)
    count = np.bincount(owner[above], minlength=patients).astype(float)
    low, high = np.percentile(tiles, [5, 95])
    kept = (tiles > low) & (tiles < high)
    scores = np.column_stack(
        [count, count * np.sqrt(tiles * share), clusters, rng.beta(3, 2, patients) * count]
    )[kept]
    score, tiles, n = scores[:, 0], tiles[kept], int(kept.sum())
    stage = rng.random(n) < 0.4 + 0.1 * np.tanh(np.log(tiles) - 7.5)
    hazard = np.exp(log_hazard_ratio * (score - score.mean()) / score.std(ddof=1) + 0.7 * stage)
    # Three endpoints of one patient share what is not explained.
    luck = rng.exponential(1, (n, 1))
    death = (0.7 * luck + 0.3 * rng.exponential(1, (n, 3))) * _MEDIAN_DEATH * 1.4
    death[:, 0] = rng.exponential(1.9 * _MEDIAN_DEATH, n)
    death /= hazard[:, None]
    censored = rng.uniform(1, _LONGEST, (n, 1))
    times = np.minimum(death, censored).round(1)
    events = death < censored
    frame = pd.DataFrame(
        {
            "patient": np.arange(n).astype(str),
            "score": score,
            "n_tiles": tiles,
            "group": assign_groups(pd.Series(score), "quartiles").to_numpy(),
            "time_months": times[:, 0],
            "event": events[:, 0].astype(int),
            "stage": stage.astype(float),
        }
    )
    return Simulated(frame, scores, times, events)
