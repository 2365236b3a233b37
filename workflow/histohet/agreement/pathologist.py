"""Agreement of a score with a pathologist's count: rank correlations, and means per count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from histohet.common.arrays import Floats, Ints
from histohet.common.sheets import is_missing, number_of, read_table

Unit = Literal["slide", "patient"]

CONFIDENCE = 0.95
MIN_PAIRS = 3

N_RESAMPLES = 2000
"""Of the bootstrap behind an interval."""


@dataclass(frozen=True)
class RankEstimate:
    """One measure of agreement.

    Attributes
    ----------
    statistic
        ``kendall_tau_b``, ``spearman``, or ``pearson_of_group_means``.
    estimate, lower, upper
        Its value and 95 % percentile bootstrap interval; the means of a few groups have none.
    p
        Two-sided, of no association.
    n
        Pairs, or groups.
    reason
        Why there is no estimate; "" if there is.
    """

    statistic: str
    n: int
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    reason: str = ""


def read_counts(path: str | Path, unit: Unit, column: str) -> pd.Series:
    """Read a pathologist's counts; those of cells without a value are left out.

    Parameters
    ----------
    path
        TSV or CSV.
    unit
        What its rows are, which is also the name of the column with their ids.
    column
        Column with the count.

    Returns
    -------
    pandas.Series
        float64 counts by id.

    Raises
    ------
    ValueError
        If a column is missing, an id is empty or comes twice, or a count is not a number of 0 or
        above; names file and row.
    """
    _, rows = read_table(path, "counts", (unit, column))
    counts: dict[str, float] = {}
    for number, cells in rows:
        name, text = cells[unit], cells[column]
        if not name:
            raise ValueError(f"{path}, row {number}: no {unit}")
        if name in counts:
            raise ValueError(f"{path}, row {number}: {unit} '{name}' comes twice")
        try:
            counts[name] = float("nan") if is_missing(text) else number_of(text)
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {column} is '{text}', {error}") from error
        if counts[name] < 0:
            raise ValueError(f"{path}, row {number}: {column} is {text}, not a count")
    return pd.Series(counts, dtype=np.float64).dropna()


def pair_scores(slides: pd.DataFrame, counts: pd.Series, unit: Unit, score: str) -> pd.DataFrame:
    """Put score and count side by side.

    Parameters
    ----------
    slides
        Cohort table, one row per slide.
    counts
        Counts by id.
    unit
        Whose counts they are. The score of a patient is the mean over the slides that have one.
    score
        Column of `slides`.

    Returns
    -------
    pandas.DataFrame
        One row per id of either table: `unit`, ``n_slides`` (behind the score), ``score``,
        ``count``, ``left_out_because`` ("" if compared).

    Raises
    ------
    ValueError
        If there is no such score, or it is not a number.
    """
    if score not in slides or not pd.api.types.is_numeric_dtype(slides[score]):
        numeric = slides.select_dtypes("number").columns
        raise ValueError(f"'{score}' is no measure of slides; there are {', '.join(numeric)}")
    of_unit = slides.astype({score: float}).groupby(unit, sort=False)[score]
    scores = pd.DataFrame({"n_slides": of_unit.count(), "score": of_unit.mean()})
    pairs = scores.join(counts.rename("count"), how="outer").rename_axis(unit).reset_index()
    pairs["n_slides"] = pairs["n_slides"].fillna(0).astype(int)
    unknown = ~pairs[unit].isin(slides[unit])
    conditions = [unknown, pairs["score"].isna(), pairs["count"].isna()]
    reasons = [f"{unit} is not in the slide sheet", f"no {score}", "no count"]
    pairs["left_out_because"] = np.select(conditions, reasons, default="")
    return pairs


def rank_agreement(count: Floats, score: Floats, n_resamples: int, seed: int) -> list[RankEstimate]:
    """Return Kendall's τ-b, Spearman's ρ, and Pearson's r of the mean score per count.

    The p of τ-b is that of the normal approximation corrected for ties, of ρ that of the t
    approximation (R: ``cor.test`` with ``exact = FALSE``). Intervals are percentiles over resampled
    pairs; resamples in which one side does not vary have no correlation and are left out.
    The correlation of group means (HETMAP, METHODS §1) takes no account of how many pairs stand
    behind a mean and looks stronger than that of the pairs: it describes, and proves little.

    Parameters
    ----------
    count, score
        (N,) finite numbers.
    n_resamples
        Bootstrap resamples.
    seed
        Their seed.
    """
    names = ("kendall_tau_b", "spearman", "pearson_of_group_means")
    if len(count) < MIN_PAIRS or _constant(count) or _constant(score):
        reason = (
            f"{len(count)} pairs, {MIN_PAIRS} are needed"
            if len(count) < MIN_PAIRS
            else "all counts or all scores are the same"
        )
        return [RankEstimate(name, len(count), reason=reason) for name in names]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(count), size=(n_resamples, len(count)))
    found = [
        _correlation(name, test, count, score, drawn)
        for name, test in zip(names[:2], (_kendall, stats.spearmanr), strict=True)
    ]
    means = group_means(count, score)
    return [*found, _of_means(names[2], means)]


def group_means(count: Floats, score: Floats) -> pd.DataFrame:
    """Return the mean score per count.

    Returns
    -------
    pandas.DataFrame
        ``count``, ``n``, ``mean``, and ``lower``, ``upper``: the 95 % interval of the mean by
        Student's t, missing for a single pair.
    """
    rows = []
    for value in np.unique(count):
        scores = score[count == value]
        row = {"count": value, "n": len(scores), "mean": scores.mean()}
        if len(scores) > 1:
            error = scores.std(ddof=1) / np.sqrt(len(scores))
            reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(scores) - 1) * error
            row |= {"lower": row["mean"] - reach, "upper": row["mean"] + reach}
        rows.append(row)
    return pd.DataFrame(rows, columns=["count", "n", "mean", "lower", "upper"])


def _kendall(count: Floats, score: Floats) -> tuple[float, float]:
    found = stats.kendalltau(count, score, method="asymptotic")
    return float(found.statistic), float(found.pvalue)


def _correlation(
    name: str,
    test: Callable[[Floats, Floats], tuple[float, float]],
    count: Floats,
    score: Floats,
    drawn: Ints,
) -> RankEstimate:
    estimate, p = test(count, score)
    resampled = [
        test(count[rows], score[rows])[0]
        for rows in drawn
        if not (_constant(count[rows]) or _constant(score[rows]))
    ]
    tail = 100 * (1 - CONFIDENCE) / 2
    lower, upper = np.percentile(resampled, [tail, 100 - tail]) if resampled else (None, None)
    return RankEstimate(name, len(count), float(estimate), _plain(lower), _plain(upper), float(p))


def _of_means(name: str, means: pd.DataFrame) -> RankEstimate:
    if len(means) < MIN_PAIRS:
        return RankEstimate(name, len(means), reason=f"{len(means)} counts, {MIN_PAIRS} are needed")
    if _constant(means["mean"].to_numpy()):
        return RankEstimate(name, len(means), reason="all means are the same")
    found = stats.pearsonr(means["count"], means["mean"])
    return RankEstimate(name, len(means), float(found.statistic), p=float(found.pvalue))


def _constant(values: Floats) -> bool:
    return bool((values == values[0]).all())


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)
