"""What each variant of the method finds, and by how much that differs from the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from histohet.cohort.select import of_endpoint
from histohet.survival.paired_differences import paired_differences

MODEL = "per SD"
"""The estimate by which variants are compared: it is made of all patients, and needs no groups."""

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
    """Compare every variant with the first one (`histohet.survival.paired_differences`).

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
