"""What a run finds of what was planted in scans and slides: factors in risks, tumours in masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from histohet.common.arrays import Bools

COLUMNS = ("measure", "model", "against", "months", "n", "estimate", "lower", "upper")

CARRIED: Mapping[str, tuple[str, str | None]] = {
    "ct": ("ct_factor", "has_ct"),
    "slide": ("grade", "has_slide"),
    "clinical": ("age", None),
}
"""What each block can know, and the column that says whether a patient has it."""
WHOLE = "log_hazard"


def correlations(planted: pd.DataFrame, risks: pd.DataFrame, everything: str) -> pd.DataFrame:
    """Return how predicted log hazards rank patients by what was planted (Spearman).

    Of a block alone, those who have it; of the model of everything, all. Predictions are means over
    repetitions, each for patients whom its fit had not seen.

    Parameters
    ----------
    planted
        See `histohet.phantoms.scan_plan.ScanCohort`.
    risks
        Columns ``patient``, ``model``, ``predictor``.
    everything
        Name of the model of all blocks.

    Returns
    -------
    DataFrame
        ``measure`` (``spearman with …``), ``model``, ``n``, ``estimate``.
    """
    by_patient = planted.set_index("patient")
    predicted = risks.groupby(["model", "patient"])["predictor"].mean()
    rows = []
    for model, (column, has) in {**CARRIED, everything: (WHOLE, None)}.items():
        if model not in predicted.index.get_level_values("model"):
            continue
        of_model = predicted[model]
        there = by_patient.loc[of_model.index]
        if has is not None:
            there = there[there[has] == 1]
        rho = float(spearmanr(there[column], of_model[there.index]).statistic)
        rows.append(
            {
                "measure": f"spearman with {column}",
                "model": model,
                "n": len(there),
                "estimate": rho,
            }
        )
    return pd.DataFrame(rows)


def dice(one: Bools, other: Bools) -> float:
    """Return twice the common voxels of two regions over those of both; NaN if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else float("nan")


def summary_of(measure: str, overlaps: Sequence[float]) -> dict[str, float | str]:
    """Return a row with the median of overlaps, and the lowest and highest as its limits."""
    values = np.asarray(overlaps)
    return {
        "measure": f"{measure}, median",
        "n": len(values),
        "estimate": float(np.median(values)),
        "lower": float(values.min()),
        "upper": float(values.max()),
    }
