"""Table 1 of a cohort study: who is in each group, and where the groups differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, fisher_exact, kruskal, spearmanr

from histohet.clinical.settings import Covariate

LEAST_EXPECTED = 5
"""Below this expected count in a 2 × 2 table, the chi-squared test gives way to Fisher's (Cochran,
Biometrics 10:417, 1954)."""

ALL = "all"
GROUPS = ("low", "middle", "high")

KRUSKAL_WALLIS = "Kruskal–Wallis"
CHI_SQUARED = "chi-squared"
FISHER = "Fisher's exact"
SPEARMAN = "Spearman, all patients"


def table_one(
    patients: pd.DataFrame,
    covariates: Sequence[Covariate],
    endpoints: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Describe the patients of each group.

    Parameters
    ----------
    patients
        The analysed patients: ``patient``, ``score``, ``n_tiles``, ``group`` (low, middle, high or
        empty), and each covariate under its name.
    covariates
        Described after score and tile count.
    endpoints
        By name, the patients whose endpoint is known, with ``patient`` and ``event``.

    Returns
    -------
    DataFrame
        ``variable``, ``level``, ``statistic`` (what the cells hold), a column of text per group
        that has patients and one for ``all``, ``p`` and ``test``. Numbers: mean ± standard
        deviation, median [quartiles], and the Kruskal–Wallis test of all groups. Levels: counts and
        percent of the patients whose level is known, and the chi-squared test without continuity
        correction (Fisher's exact test for 2 × 2 tables with an expected count below
        `LEAST_EXPECTED`). Missing values are counted and in no test. Endpoints are not tested. One
        row is about confounding by the amount of tissue: the rank correlation of score and tile
        count.
    """
    group = patients["group"].fillna("").to_numpy(dtype=str)
    columns = {name: group == name for name in GROUPS if (group == name).any()}
    table = _Table(columns | {ALL: np.ones(len(patients), dtype=bool)})
    table.add("patients", "", "n", lambda here: str(int(here.sum())))
    # The groups are made of the score: that it differs between them needs no test.
    _numeric(table, "score", patients["score"], tested=False)
    _numeric(table, "n_tiles", patients["n_tiles"])
    _confounding(table, patients)
    for item in covariates:
        if item.kind == "numeric":
            _numeric(table, item.name, patients[item.name])
        else:
            _categorical(table, item, patients[item.name])
    for name, known in (endpoints or {}).items():
        event = patients["patient"].map(known.set_index("patient")["event"].astype(float))
        table.add(name, "", "events / known", _counter(event.to_numpy(dtype=float)))
    return table.frame()


class _Table:
    """Rows in the making; a row has a cell per group."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns
        self._rows: list[dict[str, Any]] = []

    @property
    def groups(self) -> list[Any]:
        """Which patients are in each group."""
        return [here for name, here in self._columns.items() if name != ALL]

    def add(
        self,
        variable: str,
        level: str,
        statistic: str,
        cell: Any,
        p: float | None = None,
        test: str = "",
    ) -> None:
        """Add a row; `cell` writes the cell of the patients it is given."""
        cells = {name: cell(here) for name, here in self._columns.items()}
        row = {"variable": variable, "level": level, "statistic": statistic}
        self._rows.append(row | cells | {"p": p, "test": test})

    def frame(self) -> pd.DataFrame:
        """Return the rows."""
        return pd.DataFrame(self._rows).astype({"p": float})


def _confounding(table: _Table, patients: pd.DataFrame) -> None:
    """Add how far the score follows the amount of tissue."""
    pairs = patients[["score", "n_tiles"]].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(pairs).any(axis=1)

    def correlation(here: Any) -> tuple[float, float]:
        score, tiles = pairs[here & known].T
        if len(np.unique(score)) < 2 or len(np.unique(tiles)) < 2:
            return np.nan, np.nan
        found = spearmanr(score, tiles)
        return float(found.statistic), float(found.pvalue)

    def cell(here: Any) -> str:
        rho = correlation(here)[0]
        return "" if np.isnan(rho) else f"{rho:.2f}"

    p = correlation(known)[1]
    test = (None, "") if np.isnan(p) else (p, SPEARMAN)
    table.add("score and n_tiles", "", "Spearman's ρ", cell, *test)


def _numeric(table: _Table, name: str, column: pd.Series[Any], *, tested: bool = True) -> None:
    values = column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    samples = [values[here & ~np.isnan(values)] for here in table.groups if tested]
    p, test = None, ""
    if len(samples) > 1 and all(map(len, samples)) and len(np.unique(np.concatenate(samples))) > 1:
        p, test = float(kruskal(*samples).pvalue), KRUSKAL_WALLIS

    def mean(here: Any) -> str:
        known = values[here & ~np.isnan(values)]
        return f"{_short(known.mean())} ± {_short(known.std(ddof=1))}" if len(known) > 1 else ""

    def median(here: Any) -> str:
        known = values[here & ~np.isnan(values)]
        if not len(known):
            return ""
        low, middle, high = map(_short, np.percentile(known, [25, 50, 75]))
        return f"{middle} [{low}–{high}]"

    table.add(name, "", "mean ± SD", mean, p, test)
    table.add(name, "", "median [quartiles]", median)
    _missing(table, name, np.isnan(values))


def _categorical(table: _Table, covariate: Covariate, column: pd.Series[Any]) -> None:
    values, missing = column.to_numpy(dtype=object), column.isna().to_numpy()
    levels = [covariate.reference, *sorted(set(values[~missing]) - {covariate.reference})]
    p, test = _association(
        np.array([[np.sum(here & (values == level)) for level in levels] for here in table.groups])
    )
    for level in levels:

        def count(here: Any, level: str = level) -> str:
            known = int(np.sum(here & ~missing))
            n = int(np.sum(here & (values == level)))
            return f"{n} ({100 * n / known:.1f} %)" if known else "0"

        table.add(covariate.name, level, "n (%)", count, p, test)
        p, test = None, ""
    _missing(table, covariate.name, missing)


def _association(counts: Any) -> tuple[float | None, str]:
    """Test whether level and group go together; no test without two of each."""
    if counts.ndim < 2 or len(counts) < 2:
        return None, ""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return None, ""
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    if counts.shape == (2, 2) and expected.min() < LEAST_EXPECTED:
        return float(fisher_exact(counts).pvalue), FISHER
    return float(chi2_contingency(counts, correction=False).pvalue), CHI_SQUARED


def _short(value: float) -> str:
    """Write a number with four digits, but no fraction of more than two."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{round(value, 2):.4g}"


def _missing(table: _Table, name: str, missing: Any) -> None:
    if missing.any():
        table.add(name, "", "missing", lambda here: str(int(np.sum(here & missing))))


def _counter(event: Any) -> Any:
    def count(here: Any) -> str:
        known = here & ~np.isnan(event)
        return f"{int(event[known].sum())} / {int(known.sum())}"

    return count
