"""How well models tell slides and patients apart that they have not seen (Table 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, spearmanr

from histohet.common.arrays import Floats
from histohet.common.resources import read_resource
from histohet.measures.traits import TraitMap
from histohet.traits.auc import auc, stratified_auc
from histohet.traits.labels import HIGH, LOW, MIDDLE, NEAR
from histohet.traits.settings import TraitSettings

SETS: Mapping[str, tuple[str, ...]] = {
    "test": (LOW, HIGH),
    "near": (NEAR,),
    "all between": (NEAR, MIDDLE),
}
"""Whom an AUC is about: low against high; and by the median, those near them and all between."""

MODEL, SITE = "model", "site alone, leave one out"
"""What scores are by; other baselines are learned on the splits of the models."""

SCORE_COLUMNS = (
    *("trait", "slide", "patient", "site", "fold", "label", "high", "unseen", "value"),
    *("score", "positive_share", "n_tiles"),
)
TABLE_COLUMNS = (
    *("trait", "by", "set", "unit", "auc", "lower", "upper", "n_low", "n_high"),
    *("fold_lowest", "fold_highest", "spearman", "spearman_p", "spearman_q", "n"),
    *("published_brca", "published_luad"),
)


def slide_scores(
    maps: Iterable[tuple[str, str, TraitMap]],
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    settings: TraitSettings,
) -> pd.DataFrame:
    """Return what the maps say of every slide that has one, and what is true of its patient.

    Parameters
    ----------
    maps
        Slide, patient and maps.

    Returns
    -------
    DataFrame
        `SCORE_COLUMNS`, one row per trait and slide. ``score`` is the mean logit of the tiles of
        planes, the mean probability of networks, and of the published scheme the share of positive
        tiles, as there.
    """
    truth = labels.set_index(["patient", "trait"])[["label", "high", "value"]].to_dict("index")
    of_patient = splits.set_index("patient")[["site", "fold"]].to_dict("index")
    rows = []
    for slide, patient, found in maps:
        if not found.outcome.ok or found.logits is None:
            continue
        logits = found.logits.astype(np.float64)
        shares = found.votes.mean(axis=0)
        if settings.scheme == "published":
            scores = shares
        elif settings.model == "linear":
            scores = logits.mean(axis=0)
        else:
            scores = (1 / (1 + np.exp(-logits))).mean(axis=0)
        for column, trait in enumerate(found.names):
            rows.append(
                {
                    "trait": trait,
                    "slide": slide,
                    "patient": patient,
                    **of_patient[patient],
                    **truth[patient, trait],
                    "unseen": found.unseen[trait],
                    "score": float(scores[column]),
                    "positive_share": float(shares[column]),
                    "n_tiles": len(found.votes),
                }
            )
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def patient_table(slides: pd.DataFrame, score: str = "score") -> pd.DataFrame:
    """Return one row per trait and patient, its score the mean over its slides."""
    keep = {name: (name, "first") for name in ("site", "fold", "label", "high", "unseen", "value")}
    by_patient = slides.groupby(["trait", "patient"], sort=False)
    return by_patient.agg(**keep, score=(score, "mean")).reset_index()


def table_one(
    slides: pd.DataFrame, baselines: Mapping[str, pd.DataFrame], wanted: Mapping[str, str]
) -> pd.DataFrame:
    """Return AUC and rank correlation of the models and of what they are held against.

    Parameters
    ----------
    slides
        See `slide_scores`.
    baselines
        By name, tables like `slides` with other scores.
    wanted
        Names of the traits in their tables, by ours: what is known of them from the paper.

    Returns
    -------
    DataFrame
        `TABLE_COLUMNS`: one row per trait, what scores are by, set, and unit (patients first). Only
        slides that the models have not seen count. The false discovery rate (Benjamini and
        Hochberg) is over the traits of a set and unit.
    """
    rows: list[dict[str, Any]] = [
        {"trait": trait, "by": by, "set": name, "unit": unit, **_judged(table, by)}
        for trait in wanted
        for by, scores in {MODEL: slides, **baselines}.items()
        for name, labels in SETS.items()
        for unit, table in _units(scores, trait, labels, with_slides=by == MODEL)
    ]
    table = pd.DataFrame(rows)
    published = read_resource("pathomch")
    for cohort, traits in published.items():
        known = [
            _published(traits.get(wanted[row["trait"]]), row["set"]) if row["by"] == MODEL else ""
            for row in rows
        ]
        table[f"published_{cohort.lower()}"] = known
    table["spearman_q"] = np.nan
    for _, rows_of in table[table["spearman_p"].notna()].groupby(["by", "set", "unit"]):
        table.loc[rows_of.index, "spearman_q"] = false_discovery_control(rows_of["spearman_p"])
    return table[list(TABLE_COLUMNS)]


def _units(
    scores: pd.DataFrame, trait: str, labels: tuple[str, ...], *, with_slides: bool
) -> Iterator[tuple[str, pd.DataFrame]]:
    chosen = scores["label"].isin(labels) & scores["unseen"].astype(bool)
    of_set = scores[(scores["trait"] == trait) & chosen]
    yield "patient", patient_table(of_set)
    if with_slides:
        yield "slide", of_set


def _judged(table: pd.DataFrame, by: str) -> dict[str, Any]:
    """Return the numbers of one row."""
    # Of the published scheme all are scored by the models of one fold; a site needs no model.
    fold = np.maximum(table["fold"].to_numpy(int), 1)
    fold = np.ones(len(table), int) if by == SITE else fold
    score, high = table["score"].to_numpy(float), table["high"].to_numpy(bool)
    found = stratified_auc(score, high, fold)
    by_fold = [auc(score[fold == one], high[fold == one]) for one in np.unique(fold)]
    known = [one for one in by_fold if not np.isnan(one)]
    value = table["value"].to_numpy(float)
    row = {"auc": found.value, **found._asdict(), "n": len(table)}
    del row["value"]
    row |= {"fold_lowest": min(known, default=np.nan), "fold_highest": max(known, default=np.nan)}
    ranks = [_ranks_within(one, fold) for one in (score, value)]
    row |= {"spearman": np.nan, "spearman_p": np.nan}
    if len(table) > 3 and all(len(np.unique(one)) > 1 for one in ranks):
        correlation = spearmanr(*ranks)
        row |= {"spearman": float(correlation.statistic), "spearman_p": float(correlation.pvalue)}
    return row


def _ranks_within(values: Floats, fold: np.ndarray) -> Floats:
    """Return ranks within each fold, between 0 and 1: scores of two folds have no common scale."""
    table = pd.Series(values).groupby(fold)
    return np.asarray((table.rank() - 0.5) / table.transform("size"), np.float64)


def _published(row: Mapping[str, Any] | None, name: str) -> str:
    if row is None:
        return ""
    if name != "test":
        return f"{row['near' if name == 'near' else 'all']:.2f}"
    low, high = row["range"]
    return f"{row['mean']:.2f} ({low:.2f}–{high:.2f}), vote {row['vote']:.2f}"
