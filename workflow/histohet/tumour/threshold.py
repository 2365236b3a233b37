"""The tumour threshold of a cohort: clusters with a higher score are tumour (HETMAP)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histohet.common.files import read_json
from histohet.common.otsu import otsu_split


@dataclass(frozen=True)
class Threshold:
    """The threshold, where it is from, and what it divides.

    Attributes
    ----------
    threshold
        None where the scores give none.
    reason
        Why there is none.
    source
        ``otsu``, ``configuration``, or the file of the cohort on which it was learned.
    clusters_below, clusters_above
        Clusters on either side; None without a threshold.
    """

    threshold: float | None
    reason: str
    source: str
    clusters_below: int | None
    clusters_above: int | None


def choose_threshold(
    scores: Sequence[float], given: float | None = None, learned: str | None = None
) -> Threshold:
    """Return the threshold that is given, that of another cohort, or Otsu's.

    Parameters
    ----------
    scores
        Mean tumour score of every cluster of every slide.
    given
        A number that is configured.
    learned
        File of another cohort.

    Raises
    ------
    ValueError
        If the file of the other cohort holds none.
    """
    threshold, reason, source = given, "", "configuration"
    if learned is not None:
        threshold, source = read_threshold(learned), learned
    elif given is None:
        source = "otsu"
        try:
            threshold = otsu_threshold(scores)
        except ValueError as error:
            reason = str(error)
    if threshold is None:
        return Threshold(None, reason, source, None, None)
    above = sum(score > threshold for score in scores)
    return Threshold(threshold, reason, source, len(scores) - above, above)


def read_threshold(path: str | Path) -> float:
    """Read the threshold that was chosen for a cohort.

    Parameters
    ----------
    path
        JSON with the key ``threshold``.

    Raises
    ------
    ValueError
        If it is no such file, or the cohort gave no threshold.
    """
    found = read_json(path)
    if "threshold" not in found:
        raise ValueError(f"{path} is no threshold file: it has no key 'threshold'")
    if found["threshold"] is None:
        raise ValueError(f"{path} holds no threshold, its cohort gave none")
    return float(found["threshold"])


def otsu_threshold(values: npt.ArrayLike) -> float:
    """Return Otsu's threshold, computed on the values themselves instead of on a histogram.

    It is the midpoint of the gap at which `otsu_split` cuts, so ``value > threshold`` gives the
    upper class.

    Parameters
    ----------
    values
        Scores, such as those of all clusters of all slides of a cohort.

    Raises
    ------
    ValueError
        If a value is not finite or there are fewer than two different ones.
    """
    scores = np.asarray(values, np.float64).ravel()
    if not np.isfinite(scores).all():
        raise ValueError("Otsu's threshold needs finite scores")
    different, counts = np.unique(scores, return_counts=True)
    split = otsu_split(different - (scores.mean() if len(scores) else 0.0), counts)
    if split is None:
        raise ValueError(
            f"Otsu's threshold needs two different scores, got {len(scores)} score(s), all alike"
        )
    low, high = different[split.last_below : split.last_below + 2].tolist()
    middle = low + (high - low) / 2
    return float(middle if middle < high else low)
